"""Every change to evidence that somebody asks for: packs, checkpoints, keys, artifacts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from pydantic import Field

from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.errors import NotFound, Refused, UsageError
from trueup.kernel.evidence import ledger, packs
from trueup.kernel.evidence.actions_log import ExportLog
from trueup.kernel.evidence.artifacts import Artifact, FolderStore
from trueup.kernel.evidence.keys import Signer
from trueup.kernel.evidence.models import ArtifactRef, Erasure
from trueup.kernel.files import write_atomic
from trueup.kernel.policy.engine.model import Risk

DAY = 86_400.0
PACK = "pack.zip"


class CreatePackInput(Input):
    """What to pack, and where to: a file of this machine, or the artifact store when no file is named."""

    subject: str = Field(min_length=1, examples=["rig-7"])
    out: Path | None = None
    at_size: int | None = Field(default=None, ge=1)


@dataclass(frozen=True, slots=True)
class Packed:
    """A pack that was written: what is told of it, and where it is stored, if not in a file of the caller's."""

    value: dict[str, Any]
    stored: Artifact | None


def require_at_machine(ctx: Context, out: Path | None) -> None:
    """Refuse to write a file of this machine for who is not one of its users.

    Raises:
        Refused: so it is.
    """
    if out is not None and not ctx.principal.id.startswith("os:"):
        raise Refused("out: names a file of the server's machine", remedy="leave it out, and download what is made")


class CreatePack(Action[CreatePackInput, packs.Contents, Packed]):
    """Write a signed pack about a subject."""

    name = "evidence.pack.create"
    summary = "write a signed pack about a subject"
    tags = frozenset({"operate", "analyse", "audit"})
    input = CreatePackInput
    prepares = True

    def load(self, ctx: Context, input: CreatePackInput) -> packs.Contents:
        """Gather the pack's members."""
        ledger.sequence(ctx.tenant, ctx.ports.keys.signer())
        return packs.collect(
            ctx.tenant, input.subject, at_size=input.at_size, store=ctx.ports.artifacts, signer=ctx.ports.keys.signer()
        )

    def check(self, ctx: Context, input: CreatePackInput, loaded: packs.Contents) -> None:
        """Refuse a file of this machine to who is not at this machine."""
        require_at_machine(ctx, input.out)

    def prepare(self, ctx: Context, input: CreatePackInput, loaded: packs.Contents) -> Packed:
        """Seal the members and write the file in one step."""
        members = packs.sealed(loaded, ctx.ports.keys.signer())
        out = input.out or ctx.ports.spool() / f"{uuid4().hex}.zip"
        packs.write(out, members, tenant=ctx.tenant, store=ctx.ports.artifacts)
        stored = None
        if input.out is None:
            stored = ctx.ports.artifacts.put(ctx.tenant, out, name=PACK, media_type="application/zip")
            out.unlink()
        value = {
            "pack": str(input.out) if stored is None else None,
            "sha256": stored.sha256 if stored else None,
            "manifest": members[0].sha256,
            "subject": input.subject,
            "tree_size": loaded.predicate["tree_size"],
            "files": len(members),
            **loaded.predicate["counts"],
        }
        return Packed(value, stored)

    def apply(self, ctx: Context, input: CreatePackInput, loaded: packs.Contents, prepared: Packed) -> Outcome:
        """Record which manifest was signed."""
        note = {key: prepared.value[key] for key in ("manifest", "tree_size")}
        artifacts = (prepared.stored,) if prepared.stored else ()
        return Outcome(prepared.value, artifacts=artifacts, note={**note, "subject": input.subject})


class PublishCheckpointInput(Input):
    """Where the checkpoint goes."""

    out: Path | None = None


class PublishCheckpoint(Action[PublishCheckpointInput, None, str]):
    """Hand the newest checkpoint to somebody who will remember it."""

    name = "evidence.checkpoint.publish"
    summary = "hand out the newest checkpoint, so that a cut or forked log can be told later"
    tags = frozenset({"operate", "analyse", "audit"})
    input = PublishCheckpointInput
    prepares = True

    def check(self, ctx: Context, input: PublishCheckpointInput, loaded: None) -> None:
        """Refuse a file of this machine to who is not at this machine."""
        require_at_machine(ctx, input.out)

    def prepare(self, ctx: Context, input: PublishCheckpointInput, loaded: None) -> str:
        """Sequence what is pending and write the note."""
        last = ledger.sequence(ctx.tenant, ctx.ports.keys.signer())
        if last is None:
            raise NotFound("nothing has been recorded in this tenant yet")
        if input.out is not None:
            write_atomic(input.out, last.note.encode())
        return last.note

    def apply(self, ctx: Context, input: PublishCheckpointInput, loaded: None, prepared: str) -> Outcome:
        """Record the hand-out."""
        origin, size, root = prepared.split("\n")[:3]
        return Outcome({"note": prepared, "origin": origin, "size": int(size), "root": root}, note={"size": int(size)})


class NoInput(Input):
    """Nothing needs to be said."""


class RotateKey(Action[NoInput, None, Signer]):
    """Put a new signing key in force; packs by the old one still verify."""

    name = "evidence.key.rotate"
    summary = "put a new signing key in force"
    tags = frozenset({"administer"})
    input = NoInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: NoInput, loaded: None) -> Signer:
        """Make the new key, not yet in force."""
        ledger.sequence(ctx.tenant, ctx.ports.keys.signer())
        return ctx.ports.keys.stage_next()

    def apply(self, ctx: Context, input: NoInput, loaded: None, prepared: Signer) -> Outcome:
        """Record old and new fingerprints; the old key signs the checkpoint that covers this."""
        old = ctx.ports.keys.signer().fingerprint
        return Outcome(
            {"retired": old, "fingerprint": prepared.fingerprint}, note={"retired": old, "fingerprint": prepared.fingerprint}
        )

    def settled(self, ctx: Context, outcome: Outcome) -> None:
        """Have the old key sign the rotation itself, then put the new key in force."""
        ledger.sequence(ctx.tenant, ctx.ports.keys.signer())
        ctx.ports.keys.promote_next()


class BackupKeyInput(Input):
    """Where the back-up goes."""

    out: Path


class BackupKey(Action[BackupKeyInput, None, str]):
    """Copy the private signing key to a place of the owner's."""

    name = "evidence.key.backup"
    summary = "copy the private signing key to a file"
    tags = frozenset({"administer"})
    input = BackupKeyInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: BackupKeyInput, loaded: None) -> str:
        """Write the copy, readable by the owner alone; an existing file is not overwritten."""
        if input.out.exists():
            raise UsageError(f"{input.out} exists", remedy="name a new file: a key is never overwritten")
        signer = ctx.ports.keys.signer()
        write_atomic(input.out, ctx.ports.keys.private.read_bytes(), mode=0o600)
        return signer.fingerprint

    def apply(self, ctx: Context, input: BackupKeyInput, loaded: None, prepared: str) -> Outcome:
        """Record that a copy exists."""
        return Outcome({"fingerprint": prepared, "out": str(input.out)}, note={"fingerprint": prepared})


class TrustKeyInput(Input):
    """Which public key to trust."""

    file: Path


class TrustKey(Action[TrustKeyInput, None, str]):
    """Trust somebody's public key, so that their packs verify here."""

    name = "evidence.key.trust"
    summary = "trust a public key"
    tags = frozenset({"administer"})
    input = TrustKeyInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: TrustKeyInput, loaded: None) -> str:
        """Copy the key into the home."""
        return ctx.ports.keys.trust(input.file)

    def apply(self, ctx: Context, input: TrustKeyInput, loaded: None, prepared: str) -> Outcome:
        """Record the key's fingerprint."""
        return Outcome({"fingerprint": prepared}, note={"fingerprint": prepared})


class EraseArtifactInput(Input):
    """Which artifact goes, and why."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    reason: str = Field(min_length=3)


class EraseArtifact(Action[EraseArtifactInput, ArtifactRef, None]):
    """Remove an artifact's bytes for good; its digest and all proofs stay."""

    name = "evidence.artifact.erase"
    summary = "remove an artifact's bytes for good"
    risk = Risk.R3
    tags = frozenset({"destroy"})
    input = EraseArtifactInput

    def load(self, ctx: Context, input: EraseArtifactInput) -> ArtifactRef:
        """Find the artifact in this tenant."""
        ref = ArtifactRef.objects.filter(tenant=ctx.tenant, sha256=input.sha256).first()
        if ref is None:
            raise NotFound(f"no entry of this tenant names the artifact {input.sha256}")
        return ref

    def resource(self, ctx: Context, input: EraseArtifactInput, loaded: ArtifactRef) -> Resource:
        """The artifact."""
        return Resource("artifact", input.sha256, loaded.tenant)

    def apply(self, ctx: Context, input: EraseArtifactInput, loaded: ArtifactRef, prepared: None) -> Outcome:
        """Record the erasure; the bytes go after the commit."""
        Erasure.objects.create(tenant=ctx.tenant, sha256=input.sha256, reason=input.reason, entry=loaded.entry)
        return Outcome({"erased": input.sha256}, note={"erased": input.sha256})

    def settled(self, ctx: Context, outcome: Outcome) -> None:
        """Remove the bytes."""
        ctx.ports.artifacts.remove(ctx.tenant, str(outcome.value["erased"]))


class CollectArtifactsInput(Input):
    """Which orphans go."""

    older_than: float = Field(default=DAY, ge=0, description="seconds")
    dry_run: bool = False


class CollectArtifacts(Action[CollectArtifactsInput, list[str], list[str]]):
    """Remove stored files that no entry names: what a killed command left behind."""

    name = "evidence.artifact.collect"
    summary = "remove stored files that no entry names"
    tags = frozenset({"operate", "administer"})
    input = CollectArtifactsInput
    prepares = True

    def load(self, ctx: Context, input: CollectArtifactsInput) -> list[str]:
        """Find orphans that are old enough not to belong to running work, and erased bytes that are still here."""
        return orphans(ctx.tenant, ctx.ports.artifacts, older_than=input.older_than)

    def prepare(self, ctx: Context, input: CollectArtifactsInput, loaded: list[str]) -> list[str]:
        """Remove them, unless only asked to look."""
        for name in () if input.dry_run else loaded:
            if name.startswith("incoming/") and isinstance(ctx.ports.artifacts, FolderStore):
                ctx.ports.artifacts.remove_scratch(ctx.tenant, name)
            else:
                ctx.ports.artifacts.remove(ctx.tenant, name)
        return loaded

    def apply(self, ctx: Context, input: CollectArtifactsInput, loaded: list[str], prepared: list[str]) -> Outcome:
        """Record how many went."""
        return Outcome(
            {"orphans": prepared, "removed": not input.dry_run}, note={"orphans": len(prepared), "dry_run": input.dry_run}
        )


def orphans(tenant: UUID, store: Any, *, older_than: float) -> list[str]:
    """Return stored files that no entry names and that are older than a number of seconds."""
    named = set(ArtifactRef.objects.filter(tenant=tenant).values_list("sha256", flat=True))
    named -= set(Erasure.objects.filter(tenant=tenant).values_list("sha256", flat=True))
    return [name for name, age in store.listing(tenant) if name not in named and age >= older_than]


ACTIONS = (CreatePack, ExportLog, PublishCheckpoint, RotateKey, BackupKey, TrustKey, EraseArtifact, CollectArtifacts)
