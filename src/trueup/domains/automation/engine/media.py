"""What a file is, by its content, and a name that it may be kept under.

References:
    WHATWG MIME Sniffing Standard; the formats' own signatures.
"""

import fnmatch
import json
import re
import unicodedata
from collections.abc import Collection

HEAD = 1 << 16
"""Bytes of a file's beginning that are looked at."""
UNKNOWN = "application/octet-stream"

_SIGNS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"\0\0\1\0", "image/x-icon"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "application/ogg"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"(\xb5/\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf'\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (257, b"ustar", "application/x-tar"),
    (0, b"\x7fELF", "application/x-elf"),
    (0, b"MZ", "application/vnd.microsoft.portable-executable"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"SQLite format 3\0", "application/vnd.sqlite3"),
    (0, b"PAR1", "application/vnd.apache.parquet"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"\0asm", "application/wasm"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"%!PS", "application/postscript"),
)
_RIFF = {"image/webp", "audio/wav", "video/x-msvideo"}
_OFFICE = "application/vnd.openxmlformats-officedocument."
_IN_ZIP = (
    (b"word/", f"{_OFFICE}wordprocessingml.document"),
    (b"xl/", f"{_OFFICE}spreadsheetml.sheet"),
    (b"ppt/", f"{_OFFICE}presentationml.presentation"),
    (b"META-INF/MANIFEST.MF", "application/java-archive"),
)
_TEXTS = frozenset({"application/json", "application/javascript", "application/xml", "application/yaml", "application/x-ndjson"})
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
_DEVICES = re.compile(r"(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)")


def media_type_of(head: bytes, declared: str = "") -> str:
    """Return what a file is.

    Args:
        head: its first ``HEAD`` bytes.
        declared: media type that its sender gave; believed as to which kind of text a text is, and no further.
    """
    for offset, sign, kind in _SIGNS:
        if head.startswith(sign, offset) and (kind not in _RIFF or head.startswith(b"RIFF")):
            return kind
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return _zipped(head)
    return _text(head, declared.partition(";")[0].strip().lower())


def is_one_of(kind: str, allowed: Collection[str]) -> bool:
    """Whether a media type is among those allowed; ``image/*`` stands for all pictures."""
    return any(fnmatch.fnmatchcase(kind, one.strip().lower()) for one in allowed)


def file_name(suggested: str, otherwise: str = "download") -> str:
    """Return a name without folders, control characters and names that systems keep for themselves, at most 120 bytes long.

    >>> file_name("../../etc/passwd")
    'passwd'
    """
    last = unicodedata.normalize("NFC", suggested).replace("\\", "/").rpartition("/")[2]
    kept = "".join(one for one in _NOT_IN_NAMES.sub("_", last) if unicodedata.category(one)[0] != "C").strip(" .")
    if _DEVICES.match(kept):
        kept = f"_{kept}"
    stem, dot, ending = kept.rpartition(".")
    if dot and stem and len(ending) <= 10:
        return f"{_cut(stem, 120 - len(ending.encode()) - 1)}.{ending}"
    return _cut(kept, 120) or otherwise


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")


def _zipped(head: bytes) -> str:
    # OpenDocument and EPUB say what they are in their first entry
    name = head[38:].partition(b"PK")[0] if head[30:38] == b"mimetype" else b""
    if name:
        return name.decode("ascii", "replace").strip()[:100]
    return next((kind for sign, kind in _IN_ZIP if sign in head), "application/zip")


def _text(head: bytes, declared: str) -> str:
    try:
        words = head.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        # a sign that the end of the head cuts apart is no fault of the text
        if exc.start < len(head) - 3 or len(head) < HEAD:
            return UNKNOWN
        words = head[: exc.start].decode("utf-8-sig")
    if not words or any(ord(one) < 32 and one not in "\t\n\r\f\x1b" for one in words):
        return UNKNOWN
    start = words.lstrip()[:1_000].lower()
    if start.startswith(("<!doctype html", "<html")):
        return "text/html"
    if start.startswith("<svg") or (start.startswith("<?xml") and "<svg" in start):
        return "image/svg+xml"
    if start.startswith("<?xml"):
        return "application/xml"
    if start.startswith(("{", "[")) and _is_json(words):
        return "application/json"
    is_kind_of_text = declared.startswith("text/") or declared in _TEXTS
    return declared if is_kind_of_text and declared != "text/html" else "text/plain"


def _is_json(words: str) -> bool:
    try:
        json.loads(words)
    except (ValueError, RecursionError):
        return False
    return True
