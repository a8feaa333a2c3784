"""Fetching pages, and writing down what left: the record of a run is kept as an artifact, and its digest in the log."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from trueup.domains.automation import facts
from trueup.domains.automation.agent import require_extra
from trueup.domains.automation.pages import Ended, Page
from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.errors import UnreadableInput
from trueup.kernel.evidence.artifacts import Artifact
from trueup.kernel.evidence.engine.fact import Fact

if TYPE_CHECKING:
    from trueup.domains.automation.egress.record import Record

RECORD = "egress.jsonl"
RECORD_TYPE = "application/x-ndjson"
SOURCE = "trueup.automation.fetch"
LONGEST_RECORD = 256 << 20
_MEDIA_TYPE = re.compile(r"^[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,60}$")


def kept(ctx: Context, record: "Record") -> Artifact:
    """Store the record of a run; ``automation.egress.record`` then writes its digest into the log."""
    return ctx.ports.artifacts.put(ctx.tenant, record.lines(), name=RECORD, media_type=RECORD_TYPE)


class EgressInput(Input):
    """Which run, and its stored record."""

    run: str = Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*(/[A-Za-z0-9][A-Za-z0-9._:@-]*)?$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Told:
    """What a stored record says, counted from its own lines."""

    artifact: Artifact
    snapshot: str
    allowed: int
    refused: tuple[Mapping[str, Any], ...]

    def note(self) -> dict[str, Any]:
        """Return what the entry says: refusals by host and rule, each once, with how often."""
        return {
            "record": self.artifact.sha256,
            "snapshot": self.snapshot,
            "allowed": self.allowed,
            "refused": [dict(one) for one in self.refused[:_NAMED]],
            "refused_kinds": len(self.refused),
        }


_NAMED = 200
"""Kinds of refusals that an entry names; the record names all."""


class RecordEgress(Action[EgressInput, None, Told]):
    """Write down what left in one run, and what was refused: one entry, however many hops."""

    name = "automation.egress.record"
    summary = "write down what left in a run, and what was refused"
    tags = frozenset({"operate"})
    input = EgressInput
    prepares = True

    def prepare(self, ctx: Context, input: EgressInput, loaded: None) -> Told:
        """Read the record through, and count it anew."""
        return told(ctx, input.sha256)

    def apply(self, ctx: Context, input: EgressInput, loaded: None, prepared: Told) -> Outcome:
        """Name the record in the log."""
        note = {"run": input.run, **prepared.note()}
        return Outcome(note, artifacts=(prepared.artifact,), subjects=[f"run/{input.run.rpartition('/')[2]}"], note=note)


def told(ctx: Context, sha256: str) -> Told:
    """Read a stored record, and count what it says.

    Raises:
        NotFound: it is not stored.
        UnreadableInput: it is no record, or says of itself what its lines do not.
    """
    broken = UnreadableInput(f"artifact {sha256} is no record of hops")
    if ctx.ports.artifacts.size(ctx.tenant, sha256) > LONGEST_RECORD:
        raise broken
    with ctx.ports.artifacts.open(ctx.tenant, sha256) as file:
        data = file.read()  # a bound said here would be reserved whole
    if hashlib.sha256(data).hexdigest() != sha256:
        raise broken
    try:
        about, *hops = [json.loads(line) for line in data.splitlines()]
        counted = sum(bool(hop["allowed"]) for hop in hops)
        refused = tuple({"host": one["host"], "rule": one["rule"], "count": int(one["count"])} for one in about["refused"])
        named = len(hops) - counted
        if about["hops"] != len(hops) + about["not_named"] or not about["not_named"] <= about["hops"]:
            raise broken
        if not named <= sum(one["count"] for one in refused) <= named + about["not_named"]:
            raise broken
        more = about["not_named"] - (sum(one["count"] for one in refused) - named)
    except (ValueError, KeyError, TypeError) as exc:
        raise broken from exc
    artifact = Artifact(sha256, len(data), RECORD, RECORD_TYPE)
    return Told(artifact, str(about["snapshot"]), counted + more, refused)


class FetchInput(Input):
    """Which pages."""

    urls: tuple[str, ...] = Field(min_length=1, max_length=100)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a run: its pages, each with its body as it is kept, and its record."""

    pages: tuple[tuple[Page, Artifact | None], ...]
    told: Told


class FetchPages(Action[FetchInput, None, Fetched]):
    """Fetch pages politely, one after the other, and keep what came and what left."""

    name = "automation.page.fetch"
    summary = "fetch pages, politely and under policy, and keep them as evidence"
    tags = frozenset({"operate"})
    input = FetchInput
    prepares = True

    def prepare(self, ctx: Context, input: FetchInput, loaded: None) -> Fetched:
        """Fetch, and store bodies and the record."""
        require_extra()
        from trueup.domains.automation.fetching import visit  # loads what fetches

        found = visit(ctx, input.urls)
        pages = tuple((page, _body(ctx, page)) for page in found.pages)
        return Fetched(pages, told(ctx, kept(ctx, found.record).sha256))

    def apply(self, ctx: Context, input: FetchInput, loaded: None, prepared: Fetched) -> Outcome:
        """Write down what came, as facts, and what left, as one entry."""
        known = [fact for page, body in prepared.pages for fact in _facts(ctx, page, body)]
        bodies = {body.sha256: body for _, body in prepared.pages if body is not None}
        value = {
            "pages": [_document(page, body) for page, body in prepared.pages],
            "record": prepared.told.artifact.sha256,
            "refused": [dict(one) for one in prepared.told.refused],
        }
        counts = {str(kind): sum(page.ended is kind for page, _ in prepared.pages) for kind in Ended}
        artifacts = (prepared.told.artifact, *bodies.values())
        return Outcome(value, facts=known, artifacts=artifacts, note={**prepared.told.note(), "pages": counts})


def _body(ctx: Context, page: Page) -> Artifact | None:
    if page.answer is None or not page.answer.body:
        return None
    return ctx.ports.artifacts.put(ctx.tenant, page.answer.body[:], name="page", media_type=media_type_of(page.answer.headers))


def media_type_of(headers: Mapping[str, str]) -> str:
    """Return the media type that an answer says it has; that of unknown bytes where it says none that could be."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind if _MEDIA_TYPE.match(kind) else "application/octet-stream"


def subject_of(url: str) -> str:
    """Return the subject that stands for a page; addresses are longer than names of subjects may be."""
    host = re.sub(r"[^a-z0-9.-]", "-", url.partition("://")[2].partition("/")[0].lower()).strip(".-") or "none"
    return f"page/{host[:150]}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def _facts(ctx: Context, page: Page, body: Artifact | None) -> list[Fact]:
    if page.ended is Ended.REFUSED:
        return []
    subject = subject_of(page.url)

    def fact(predicate: str, value: str | int, unit: str = "") -> Fact:
        return Fact(subject, predicate, value, ctx.now, ctx.now, SOURCE, unit)

    found = [fact(facts.OUTCOME.key, str(page.ended))]
    if page.answer is not None:
        found.append(fact(facts.STATUS.key, page.answer.status, facts.STATUS.unit))
    if page.ended is Ended.FETCHED:
        found.append(fact(facts.SHA256.key, body.sha256 if body else hashlib.sha256(b"").hexdigest()))
    return found


def _document(page: Page, body: Artifact | None) -> dict[str, Any]:
    answer = page.answer
    return {
        "url": page.url,
        "outcome": str(page.ended),
        "code": page.code,
        "reason": page.reason,
        "rule_ids": list(page.rules),
        "status": answer.status if answer else None,
        "final_url": answer.url if answer else None,
        "redirects": answer.redirects if answer else None,
        "media_type": body.media_type if body else None,
        "size": body.size if body else None,
        "sha256": body.sha256 if body else None,
        "subject": subject_of(page.url),
    }


ACTIONS = (RecordEgress, FetchPages)
