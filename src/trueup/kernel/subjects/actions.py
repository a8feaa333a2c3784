"""Every change to subjects: new ones, their names, merges and their undoing."""

import json
from uuid import UUID, uuid4

from pydantic import Field, field_validator

from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.errors import Conflict, NotFound, Refused, UsageError
from trueup.kernel.subjects import queries
from trueup.kernel.subjects.engine.matching import Likeness, Match
from trueup.kernel.subjects.engine.names import NAMESPACES, Strength, checked_id, normal
from trueup.kernel.subjects.models import Alias, Merge, Subject


class AliasInput(Input):
    """A name in a namespace."""

    namespace: str
    value: str = Field(max_length=400)


class PutSubjectInput(Input):
    """A subject and the names it goes by."""

    subject: str
    label: str = Field(default="", max_length=400)
    aliases: tuple[AliasInput, ...] = Field(default=(), max_length=100)
    source: str = Field(default="", max_length=200)

    @field_validator("subject")
    @classmethod
    def _is_one(cls, value: str) -> str:
        try:
            return checked_id(value)
        except UsageError as exc:
            raise ValueError(exc.message) from None


class PutSubject(Action[PutSubjectInput, list[tuple[str, str]], None]):
    """Make a subject known, or add names to one."""

    name = "subjects.subject.put"
    summary = "make a subject known, with the names it goes by"
    tags = frozenset({"operate"})
    input = PutSubjectInput

    def load(self, ctx: Context, input: PutSubjectInput) -> list[tuple[str, str]]:
        """Bring the names to their normal form."""
        return sorted({(alias.namespace, normal(alias.namespace, alias.value)) for alias in input.aliases})

    def check(self, ctx: Context, input: PutSubjectInput, loaded: list[tuple[str, str]]) -> None:
        """Refuse a strong name that is another subject's: that is a merge, which needs somebody's word."""
        mine = Subject.objects.filter(tenant=ctx.tenant, name=input.subject).exists()
        family = queries.family(ctx.tenant, input.subject) if mine else [input.subject]
        for space, value in loaded:
            if NAMESPACES[space].strength is not Strength.STRONG:
                continue
            held = Alias.objects.filter(tenant=ctx.tenant, namespace=space, value=value, strong=True).first()
            if held is not None and held.subject not in family:
                raise Conflict(
                    f"the {space} {value} is a name of {held.subject}",
                    remedy=f"if they are one thing, put {input.subject} without this name, then: trueup subject merge {input.subject} {held.subject}",
                    details={"subject": held.subject, "namespace": space},
                )

    def apply(self, ctx: Context, input: PutSubjectInput, loaded: list[tuple[str, str]], prepared: None) -> Outcome:
        """Write the subject and the names it did not have."""
        row, made = Subject.objects.get_or_create(
            tenant=ctx.tenant, name=input.subject, defaults={"label": input.label, "created_at": ctx.now}
        )
        if input.label and not made and row.label != input.label:
            Subject.objects.filter(tenant=ctx.tenant, name=input.subject).update(label=input.label)
        added = 0
        for space, value in loaded:
            _, new = Alias.objects.get_or_create(
                tenant=ctx.tenant,
                namespace=space,
                value=value,
                subject=input.subject,
                defaults={
                    "strong": NAMESPACES[space].strength is Strength.STRONG,
                    "added_at": ctx.now,
                    "source": input.source or ctx.principal.id,
                },
            )
            added += new
        return Outcome(
            {"subject": input.subject, "made": made, "aliases_added": added},
            subjects=[input.subject],
            note={"made": made, "aliases_added": added},
        )


class RemoveAliasInput(Input):
    """Which name of which subject."""

    subject: str
    namespace: str
    value: str


class RemoveAlias(Action[RemoveAliasInput, Alias, None]):
    """Take a name from a subject."""

    name = "subjects.alias.remove"
    summary = "take a name from a subject"
    tags = frozenset({"operate"})
    input = RemoveAliasInput

    def load(self, ctx: Context, input: RemoveAliasInput) -> Alias:
        """Find the name."""
        row = Alias.objects.filter(
            tenant=ctx.tenant, subject=input.subject, namespace=input.namespace, value=normal(input.namespace, input.value)
        ).first()
        if row is None:
            raise NotFound(f"{input.subject} has no {input.namespace} {input.value!r}")
        return row

    def apply(self, ctx: Context, input: RemoveAliasInput, loaded: Alias, prepared: None) -> Outcome:
        """Remove the row; the entry keeps that it was there."""
        Alias.objects.filter(tenant=ctx.tenant, id=loaded.id).delete()
        return Outcome({"removed": True}, subjects=[input.subject], note={"namespace": input.namespace})


class MergeInput(Input):
    """Which subject turns out to be which."""

    gone: str
    into: str
    comment: str = Field(default="", max_length=2000)


class MergeSubjects(Action[MergeInput, Match, None]):
    """Write down that two subjects are one thing, and why."""

    name = "subjects.subject.merge"
    summary = "write down that two subjects are one thing, and why"
    tags = frozenset({"operate"})
    input = MergeInput

    def load(self, ctx: Context, input: MergeInput) -> Match:
        """Compare their names."""
        return queries.likeness(ctx.tenant, input.gone, input.into)

    def resource(self, ctx: Context, input: MergeInput, loaded: Match) -> Resource:
        """The subject that goes."""
        return Resource("subject", input.gone, ctx.tenant)

    def check(self, ctx: Context, input: MergeInput, loaded: Match) -> None:
        """Refuse what cannot be one thing, and what only a person can say without giving a reason."""
        if input.gone.partition("/")[0] != input.into.partition("/")[0]:
            raise UsageError("subjects of two kinds are never one thing")
        if queries.canonical(ctx.tenant, input.gone) == queries.canonical(ctx.tenant, input.into):
            raise Conflict(f"{input.gone} and {input.into} are one already", remedy="see 'trueup subject show'")
        if loaded.likeness is not Likeness.SAME and not input.comment:
            raise Refused(
                f"what is known does not make them one thing ({loaded.likeness}: {'; '.join(loaded.reasons)})",
                remedy="say with --comment how you know that they are",
            )

    def apply(self, ctx: Context, input: MergeInput, loaded: Match, prepared: None) -> Outcome:
        """Write the merge; names and facts stay with the id under which they came."""
        gone, into = queries.canonical(ctx.tenant, input.gone), queries.canonical(ctx.tenant, input.into)
        if gone == into:
            raise Conflict(f"{input.gone} and {input.into} are one already")
        Subject.objects.filter(tenant=ctx.tenant, name=gone).update(merged_into=into)
        row = Merge.objects.create(
            id=uuid4(),
            tenant=ctx.tenant,
            gone=gone,
            into=into,
            likeness=str(loaded.likeness),
            reasons=json.dumps(loaded.reasons),
            comment=input.comment,
            principal=ctx.principal.id,
            at=ctx.now,
            undone_by="",
        )
        value = {
            "merge": str(row.id),
            "gone": gone,
            "into": into,
            "likeness": str(loaded.likeness),
            "reasons": list(loaded.reasons),
        }
        return Outcome(value, subjects=[gone, into], note={"merge": str(row.id), "likeness": str(loaded.likeness)})


class SplitInput(Input):
    """Which merge was wrong."""

    merge: UUID
    comment: str = Field(min_length=3, max_length=2000)


class SplitSubjects(Action[SplitInput, Merge, None]):
    """Take a merge back: the two subjects are two again."""

    name = "subjects.subject.split"
    summary = "take a merge back"
    tags = frozenset({"operate"})
    input = SplitInput

    def load(self, ctx: Context, input: SplitInput) -> Merge:
        """Find the merge."""
        row = Merge.objects.filter(tenant=ctx.tenant, id=input.merge).first()
        if row is None:
            raise NotFound(f"there is no merge {input.merge}", remedy="see 'trueup subject show'")
        if row.undone_at is not None:
            raise Conflict("this merge was taken back before")
        return row

    def apply(self, ctx: Context, input: SplitInput, loaded: Merge, prepared: None) -> Outcome:
        """Give the subject its own id back; names never moved, so nothing is lost."""
        Subject.objects.filter(tenant=ctx.tenant, name=loaded.gone, merged_into=loaded.into).update(merged_into="")
        taken = Merge.objects.filter(tenant=ctx.tenant, id=loaded.id, undone_at=None).update(
            undone_at=ctx.now, undone_by=ctx.principal.id
        )
        if not taken:
            raise Conflict("this merge was taken back before")
        return Outcome(
            {"split": loaded.gone, "from": loaded.into}, subjects=[loaded.gone, loaded.into], note={"merge": str(loaded.id)}
        )


ACTIONS = (PutSubject, RemoveAlias, MergeSubjects, SplitSubjects)
