"""The API of evidence: facts, the log with its proofs, artifacts, packs."""

from collections.abc import Iterator
from threading import Lock
from typing import Any, BinaryIO
from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from ninja import Field, Query, Router, Schema

from trueup.kernel.actions.errors import InProgress
from trueup.kernel.errors import NotFound, UsageError
from trueup.kernel.evidence import lists, queries
from trueup.kernel.evidence.actions import PACK
from trueup.kernel.evidence.artifacts import CHUNK, check_artifact
from trueup.kernel.evidence.engine import notes
from trueup.kernel.evidence.models import ArtifactRef
from trueup.kernel.http import readers
from trueup.kernel.http.callers import Acting, caller_of
from trueup.kernel.http.engine.cursor import seal, unseal
from trueup.kernel.http.host import host
from trueup.kernel.http.paging import Asked, Page, cursor_key, page, scope_of
from trueup.kernel.http.replies import PageIn, PageOut, listing, reply, tenant_of

router = Router()
FACTS, ARTIFACTS = ("-entry", "-index"), ("-id",)
_HASH = 64


class FactsIn(PageIn):
    """Which facts."""

    subject: str = Field("", max_length=300, description="this subject and its parts (`subject/…`)")
    predicate: str = Field("", max_length=200, description="`name@version`", examples=["telemetry.verdict@1"])


class EntriesIn(PageIn):
    """Which entries."""

    subject: str = Field("", max_length=300, description="entries that name this subject or its parts")
    action: str = Field("", max_length=200, description="an action, or the beginning of one that ends with a dot (`evidence.`)")
    outcome: str = Field("", pattern="^(done|failed|refused|held)?$", description="done, failed, refused or held")
    principal: str = Field("", max_length=200, description="`user:…`, `key:…` or `os:…`")


class ProveIn(Schema):
    """In which tree."""

    at_size: int | None = Field(
        None, ge=1, description="prove against the tree of so many entries; default the newest checkpoint"
    )


class VerifyIn(Schema):
    """What to compare the log with."""

    against: list[str] = Field(default=[], max_length=100, description="checkpoints (signed notes) that were kept elsewhere")


@router.get("/facts", response=PageOut, operation_id="evidence.facts", summary="facts, the newest first")
def facts(request: HttpRequest, asked: Query[FactsIn]) -> HttpResponse:
    """List what is known."""
    return listing(fact_page(tenant_of(request), asked.asked, subject=asked.subject, predicate=asked.predicate))


def fact_page(tenant: UUID, asked: Asked, *, subject: str, predicate: str) -> Page[dict[str, Any]]:
    """Return one page of facts."""
    rows = lists.plain(lists.facts(tenant, subject=subject, predicate=predicate))
    found = page(rows, FACTS, asked, scope=scope_of("facts", tenant, FACTS, (subject, predicate)))
    return Page(lists.fact_rows(tenant, found.rows), found.next, found.previous)


@router.get("/facts/{id}", response=dict[str, Any], operation_id="evidence.fact", summary="one fact, and where it is in the log")
def fact(request: HttpRequest, id: str) -> HttpResponse:
    """Show one fact."""
    return reply(queries.fact(tenant_of(request), id))


@router.get("/entries", response=PageOut, operation_id="evidence.entries", summary="log entries, the newest first")
def entries(request: HttpRequest, asked: Query[EntriesIn]) -> HttpResponse:
    """List entries; `index` is null while an entry is not covered by a checkpoint."""
    wanted = lists.Wanted(asked.subject, asked.action, asked.outcome, asked.principal)
    return listing(entry_page(tenant_of(request), asked.asked, wanted))


def entry_page(tenant: UUID, asked: Asked, wanted: lists.Wanted, *, oldest_first: bool = False) -> Page[dict[str, Any]]:
    """Return one page of entries."""
    order = ("id",) if oldest_first else ("-id",)
    scope = scope_of("entries", tenant, order, wanted)
    back, beyond = _place(asked, scope)
    found = lists.entries(tenant, wanted, beyond=beyond, limit=asked.limit, oldest_first=oldest_first != back)
    some = found.entries[::-1] if back else found.entries
    places = lists.places_of(tenant, [id for id, _ in some])
    first, last = (some[0][0], some[-1][0]) if some else (None, None)
    onward = last if back else found.reached
    behind = found.reached if back else first if beyond is not None else None
    return Page(
        [{"index": places.get(id), **body} for id, body in some],
        next=seal(cursor_key(), scope, [">", onward]) if onward is not None else "",
        previous=seal(cursor_key(), scope, ["<", behind]) if behind is not None else "",
    )


def _place(asked: Asked, scope: str) -> tuple[bool, int | None]:
    """Return whether a cursor leads back, and the id beyond which its page begins."""
    if not asked.cursor:
        return False, None
    way, beyond = unseal(cursor_key(), scope, asked.cursor, length=2)
    return way == "<", int(str(beyond))


@router.get(
    "/entries/{index}",
    response=dict[str, Any],
    operation_id="evidence.entry",
    summary="an entry with its inclusion proof and checkpoint",
)
def entry(request: HttpRequest, index: str, asked: Query[ProveIn]) -> HttpResponse:
    """Prove that an entry stands in the log."""
    return reply(queries.prove(Acting(request), number(index), asked.at_size))


def number(text: str) -> int:
    """Read the index of an entry.

    Raises:
        NotFound: it is no number.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotFound(f"there is no entry {text[:40]!r}")
    return int(text)


@router.get("/coverage", response=dict[str, int], operation_id="evidence.coverage", summary="how many entries are signed for")
def coverage(request: HttpRequest) -> HttpResponse:
    """Count the entries under the newest checkpoint, and those not yet covered."""
    return reply(queries.coverage(tenant_of(request)))


@router.get("/checkpoint", response=dict[str, Any], operation_id="evidence.checkpoint", summary="the newest checkpoint")
def checkpoint(request: HttpRequest) -> HttpResponse:
    """Show the newest signed note. Keep it elsewhere: only it reveals a log that was cut."""
    return reply(newest_checkpoint(tenant_of(request)))


def newest_checkpoint(tenant: UUID) -> dict[str, Any]:
    """Return the newest checkpoint of a tenant's log.

    Raises:
        NotFound: there is none yet.
    """
    from trueup.kernel.evidence import ledger
    from trueup.kernel.evidence.engine.encode import raw

    last = ledger.newest(tenant)
    if last is None:
        raise NotFound("nothing is covered by a checkpoint yet")
    return {"origin": ledger.origin(tenant), "size": last.size, "root": raw(last.root).hex(), "note": last.note}


@router.post("/verify", response=dict[str, Any], operation_id="evidence.verify", summary="verify the whole log now")
def verify(request: HttpRequest, body: VerifyIn | None = None) -> HttpResponse:
    """Check every entry, checkpoint, fact and artifact against what was recorded."""
    return reply(verified(request, body.against if body else []))


_verifying: dict[UUID, Lock] = {}


def verified(request: HttpRequest, against: list[str]) -> dict[str, Any]:
    """Verify the log of a request's tenant; one verification of a tenant at a time.

    Raises:
        PolicyRefused: the caller neither audits nor operates.
        InProgress: one is running.
        UsageError: a checkpoint cannot be read.
    """
    readers.require(caller_of(request), "audit", "operate")
    tenant = tenant_of(request)
    lock = _verifying.setdefault(tenant, Lock())
    if not lock.acquire(blocking=False):
        raise InProgress("the log is being verified at this moment", remedy="ask again in a moment")
    try:
        return queries.verify(Acting(request), [_known(text) for text in against]).as_dict()
    finally:
        lock.release()


def _known(text: str) -> notes.Checkpoint:
    try:
        return notes.parse_checkpoint(notes.split_note(text)[0])
    except ValueError as exc:
        raise UsageError(f"against: not a checkpoint: {exc}", details={"field": "against"}) from None


class ArtifactsIn(PageIn):
    """Which artifacts."""

    name: str = Field("", max_length=300, description="the file's name, as an entry names it", examples=["report.html"])


@router.get(
    "/artifacts", response=PageOut, operation_id="evidence.artifacts", summary="files that entries name, the newest first"
)
def artifacts(request: HttpRequest, asked: Query[ArtifactsIn]) -> HttpResponse:
    """List artifacts."""
    return listing(artifact_page(tenant_of(request), asked.asked, name=asked.name))


def artifact_page(tenant: UUID, asked: Asked, *, name: str) -> Page[dict[str, Any]]:
    """Return one page of artifacts."""
    found = page(lists.artifacts(tenant, name=name), ARTIFACTS, asked, scope=scope_of("artifacts", tenant, ARTIFACTS, name))
    return Page(lists.artifact_rows(tenant, found.rows), found.next, found.previous)


@router.get(
    "/artifacts/{sha256}",
    operation_id="evidence.artifact",
    summary="download an artifact",
    openapi_extra={"responses": {200: {"description": "its bytes, checked", "content": {"application/octet-stream": {}}}}},
)
def artifact(request: HttpRequest, sha256: str) -> HttpResponseBase:
    """Send an artifact's bytes after checking that they are those recorded."""
    return download(tenant_of(request), sha256)


def download(tenant: UUID, sha256: str) -> HttpResponseBase:
    """Answer with an artifact as a file to save: no browser shows or runs it.

    Raises:
        NotFound: no entry of this tenant names it, or it is gone.
        Damaged: its bytes have changed.
    """
    ref = ArtifactRef.objects.filter(tenant=tenant, sha256=sha256).order_by("-id").first() if len(sha256) == _HASH else None
    if ref is None:
        raise NotFound("no entry of this tenant names such an artifact")
    store = host().ports.artifacts
    check_artifact(store, tenant, sha256)
    response = StreamingHttpResponse(_chunks(store.open(tenant, sha256)), content_type="application/octet-stream")
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in ref.name).lstrip(".") or "file"
    response["Content-Length"] = str(ref.size)
    response["Content-Disposition"] = f'attachment; filename="{safe}"'
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk


@router.get("/packs", response=PageOut, operation_id="evidence.packs", summary="packs that were made here, the newest first")
def packs(request: HttpRequest, asked: Query[PageIn]) -> HttpResponse:
    """List packs; make one with `evidence.pack.create`, download it with its SHA-256."""
    return listing(pack_page(tenant_of(request), asked.asked))


def pack_page(tenant: UUID, asked: Asked) -> Page[dict[str, Any]]:
    """Return one page of packs with their subjects."""
    found = page(lists.artifacts(tenant, name=PACK), ARTIFACTS, asked, scope=scope_of("packs", tenant, ARTIFACTS))
    made = lists.named_entries(tenant, [row.entry for row in found.rows])
    rows = lists.artifact_rows(tenant, found.rows)
    for row, ref in zip(rows, found.rows, strict=True):
        body = made.get(ref.entry, {})
        note = body.get("note", {})
        row |= {"subject": note.get("subject", ""), "at": body.get("at", ""), "tree_size": note.get("tree_size")}
    return Page(rows, found.next, found.previous)
