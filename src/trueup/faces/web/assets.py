"""Static files: each has its content's digest in its address, so a browser keeps it for ever and never has an old one."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.contrib.staticfiles import finders
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import Storage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase

PREFIX = "/static/"
_DIGITS = 12
_TEXT = ("text/", "image/svg+xml", "application/json")
_KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    body: bytes
    packed: bytes
    media_type: str
    digest: str


@lru_cache(maxsize=256)
def asset(name: str) -> Asset | None:
    """Return a file by its name among all static files; None when there is none."""
    try:
        place = finders.find(name)
    except (SuspiciousFileOperation, ValueError):
        return None
    if not place or not Path(place).is_file():
        return None
    body = Path(place).read_bytes()
    suffix = Path(name).suffix
    kind = _KINDS.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    packed = gzip.compress(body, mtime=0) if kind.startswith(_TEXT) else b""
    return Asset(body, packed, kind, hashlib.sha256(body).hexdigest()[:_DIGITS])


class AssetStorage(Storage):
    """Django's ``{% static %}``, answered with addresses that hold a digest."""

    def url(self, name: str | None) -> str:
        """Return the address of a file.

        Raises:
            Http404: there is no such file; a page that names one is wrong.
        """
        found = asset(name or "")
        if found is None:
            raise Http404(f"no static file {name}")
        return f"{PREFIX}{found.digest}/{name}"


def serve(request: HttpRequest, name: str) -> HttpResponseBase:
    """Answer with a file: under its digest for ever, under its bare name with a check each time."""
    digest, _, rest = name.partition("/")
    found = asset(rest)
    lasting = found is not None and found.digest == digest
    if not lasting:
        found = asset(name)
    if found is None or request.method not in ("GET", "HEAD"):
        raise Http404("no such file")
    etag = f'"{found.digest}"'
    response: HttpResponse
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponseNotModified()
    elif found.packed and "gzip" in request.headers.get("Accept-Encoding", ""):
        response = HttpResponse(found.packed, content_type=found.media_type)
        response["Content-Encoding"] = "gzip"
    else:
        response = HttpResponse(found.body, content_type=found.media_type)
    response["ETag"], response["Vary"] = etag, "Accept-Encoding"
    response["Cache-Control"] = _FOR_EVER if lasting else "no-cache"
    return response
