"""Files that come over the network: who may send them, how large, and what they are called."""

from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile
from django.http import HttpRequest

from trueup.domains.telemetry.actions_uploads import StoredFile, keep
from trueup.kernel.actions.base import Context
from trueup.kernel.errors import UsageError
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of

LARGEST = 2 << 30  # bytes of one uploaded file


def may_compare(request: HttpRequest) -> bool:
    """Tell whether the caller may have files compared."""
    principal = caller_of(request).principal
    return readers.may(principal, "operate") or readers.may(principal, "analyse")


def kept(ctx: Context, file: Any, what: str) -> StoredFile:
    """Store one uploaded file.

    Raises:
        UsageError: there is none, or it is too large.
    """
    if file is None or not file.size:
        raise UsageError(f"{what}: no file was sent, or it is empty", remedy="choose a CSV, TSV, Parquet or JSON-lines file")
    if file.size > LARGEST:
        raise UsageError(f"{what}: is larger than {LARGEST >> 30} GiB", remedy="compare it with 'trueup telemetry compare'")
    name = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in Path(file.name or "file").name)[-200:] or "file"
    source = Path(file.temporary_file_path()) if isinstance(file, TemporaryUploadedFile) else file.read()
    return keep(ctx, source, name)
