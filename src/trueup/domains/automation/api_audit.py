"""The API of the audit trail: decisions and changes of this room, as entries of the tenant's log."""

from datetime import UTC, datetime
from typing import Literal

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from ninja import Field, Query, Router

from trueup.domains.automation import api_shapes as shapes
from trueup.domains.automation import audit, queries
from trueup.kernel.evidence import queries as evidence
from trueup.kernel.evidence.engine.encode import stamp
from trueup.kernel.http.replies import PageIn, reply, tenant_of

router = Router()
VERIFY = "/api/v1/evidence/verify"
_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


class AuditIn(PageIn):
    """Which entries."""

    host: str = Field(
        "", max_length=255, description="changes about this host or a pattern that stands for it, and runs that it was refused to"
    )
    subject: str = Field("", max_length=300, description="entries that name this subject or its parts (`authorization/…`)")
    action: str = Field("", max_length=200, description="an action, or the beginning of some that ends with a dot")
    outcome: str = Field("", pattern="^(done|failed|refused|held)?$", description="done, failed, refused or held")
    principal: str = Field("", max_length=200, description="`user:…`, `key:…` or `os:…`")
    since: datetime | None = Field(None, description="not before this moment (UTC where it names no zone)")
    until: datetime | None = Field(None, description="before this moment")

    @property
    def wanted(self) -> audit.Wanted:
        """What is looked for."""
        return audit.Wanted(
            subject=self.subject,
            action=audit.action_of(self.action),
            outcome=self.outcome,
            principal=self.principal,
            host=queries.host_of(self.host) if self.host else "",
            since=_moment(self.since),
            until=_moment(self.until),
        )


class ExportIn(AuditIn):
    """Which entries, in which form."""

    format: Literal["ndjson", "csv"] = Field("ndjson", description="lines of JSON, or a table")


def _moment(at: datetime | None) -> str:
    return stamp(at if at.tzinfo else at.replace(tzinfo=UTC)) if at else ""


@router.get(
    "/audit",
    response=shapes.AuditOut,
    operation_id="automation.audit",
    summary="decisions and changes of automation, the newest first",
)
def entries(request: HttpRequest, asked: Query[AuditIn]) -> HttpResponse:
    """List entries of this room, refusals too. `index` is null while no checkpoint covers an entry; `proof` proves that it stands in the log.

    What was allowed and refused hop by hop is in the record that an entry of a run names (`note.record`, an artifact). `POST /api/v1/evidence/verify`
    verifies the whole log, and against checkpoints that were kept elsewhere.
    """
    tenant = tenant_of(request)
    found = audit.page(tenant, asked.wanted, asked.asked)
    page = {"items": found.rows, "next": found.next or None, "previous": found.previous or None}
    return reply({**page, "coverage": evidence.coverage(tenant), "verify": VERIFY})


@router.get(
    "/audit/export",
    operation_id="automation.audit.export",
    summary="all matching entries as one file",
    openapi_extra={
        "responses": {
            200: {"description": "entries, the newest first", "content": {"application/x-ndjson": {}, "text/csv": {}}},
        }
    },
)
def export(request: HttpRequest, asked: Query[ExportIn]) -> HttpResponseBase:
    """Send all matching entries as lines of JSON or as CSV, in which no cell is run by a spreadsheet."""
    tenant = tenant_of(request)
    write = audit.csv if asked.format == "csv" else audit.ndjson
    response = StreamingHttpResponse(write(audit.every(tenant, asked.wanted)), content_type=_TYPES[asked.format])
    response["Content-Disposition"] = f'attachment; filename="automation-audit.{asked.format}"'
    return response
