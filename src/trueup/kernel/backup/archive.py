"""The file of a back-up: an uncompressed tar of captures, tables, keys and artifacts, its manifest the last member.

It holds private keys: whoever can read it can sign in the installation's name and open its secrets. It is written for its
owner alone; keep it encrypted where it lies.
"""

import hashlib
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from trueup.kernel.errors import Damaged, UnreadableInput

FORMAT = "trueup-backup/1"
MANIFEST = "manifest.json"
_NAME = re.compile(
    r"tables/[a-z][a-z0-9_]*\.jsonl|keys/(?:trusted/)?[A-Za-z0-9][A-Za-z0-9._-]*|artifacts/[0-9a-f]{32}/[0-9a-f]{2}/[0-9a-f]{64}"
    r"|[a-z]+/captures/[0-9a-f-]{36}/[a-z0-9][a-z0-9._-]{0,59}\.sqlite3|outbox/[0-9a-f-]{32,36}/[A-Za-z0-9][A-Za-z0-9._-]*\.jsonl"
)
_CHUNK = 1 << 20
_MANIFEST_LIMIT = 256 << 20


def is_member(name: str) -> bool:
    """Tell whether a back-up may hold a member of this name."""
    return _NAME.fullmatch(name) is not None


class Writer:
    """A back-up being written.

    Args:
        file: where to; written from its beginning to its end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by finish
        self.files: dict[str, dict[str, Any]] = {}

    def add(self, name: str, source: Path) -> None:
        """Add a file under a name, with its digest in the manifest."""
        info = tarfile.TarInfo(name)
        info.size = source.stat().st_size
        info.mode = 0o600
        with source.open("rb") as file:
            counted = _Counted(file)
            self._tar.addfile(info, counted)
        self.files[name] = {"size": info.size, "sha256": counted.digest.hexdigest()}

    def finish(self, manifest: dict[str, Any]) -> str:
        """Write the manifest and close; return the manifest's digest."""
        data = json.dumps({"format": FORMAT, **manifest, "files": self.files}, ensure_ascii=False, indent=1).encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(data)
        info.mode = 0o600
        self._tar.addfile(info, BytesIO(data))
        self._tar.close()
        return hashlib.sha256(data).hexdigest()


class _Counted:
    """A file whose bytes are hashed as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def read_manifest(path: Path) -> tuple[dict[str, Any], str]:
    """Read a back-up through, compare every member with the manifest, and return it with its digest; nothing is written.

    Raises:
        UnreadableInput: not a back-up, or of a format that this Trueup does not know.
        Damaged: a member is missing, unlisted, twice, or not what was written.
    """
    seen: dict[str, dict[str, Any]] = {}
    manifest: bytes | None = None
    for name, file, size in members(path):
        if manifest is not None:
            raise Damaged(f"{path}: {name} follows the manifest, which is the last member of a back-up")
        if name == MANIFEST:
            if size > _MANIFEST_LIMIT:
                raise Damaged(f"{path}: the manifest has {size} bytes")
            manifest = file.read()
            continue
        if name in seen or not _NAME.fullmatch(name):
            raise Damaged(f"{path}: {name!r} stands in it twice, or is no name of a back-up's member")
        digest = hashlib.sha256()
        while data := file.read(_CHUNK):
            digest.update(data)
        seen[name] = {"size": size, "sha256": digest.hexdigest()}
    if manifest is None:
        raise UnreadableInput(f"{path}: holds no manifest: it is no back-up, or it was cut short")
    return _checked(path, manifest, seen), hashlib.sha256(manifest).hexdigest()


def _checked(path: Path, data: bytes, seen: dict[str, dict[str, Any]]) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(data)
        listed, known = manifest["files"], manifest["format"] == FORMAT
    except (ValueError, KeyError, TypeError) as exc:
        raise Damaged(f"{path}: its manifest cannot be read: {exc}") from exc
    if not known:
        raise UnreadableInput(f"{path}: of the format {manifest['format']!r}", remedy="restore it with the Trueup that made it")
    for name in sorted(set(listed) | set(seen)):
        if listed.get(name) != seen.get(name):
            what = "is missing" if name not in seen else "is not listed" if name not in listed else "is not what was written"
            raise Damaged(f"{path}: {name} {what}", remedy="use another copy of the back-up")
    return manifest


def members(path: Path) -> Iterator[tuple[str, BinaryIO, int]]:
    """Yield every member of a back-up in order: name, open file, size.

    Raises:
        UnreadableInput: not a tar file, or one with members that are no plain files.
    """
    try:
        with tarfile.open(path, mode="r|") as tar:
            for info in tar:
                file = tar.extractfile(info) if info.isreg() else None
                if file is None:
                    raise UnreadableInput(f"{path}: {info.name!r} is no plain file")
                yield info.name, file, info.size  # type: ignore[misc]
    except (tarfile.TarError, EOFError) as exc:
        raise UnreadableInput(f"{path}: not a back-up: {exc}") from exc
    except OSError as exc:
        raise UnreadableInput(f"{path}: cannot be read: {exc.strerror or exc}") from exc


def extract(path: Path, place: Callable[[str], Path | None]) -> None:
    """Write members of a back-up that was read through before; ``place`` says where, None leaves one out."""
    for name, file, _ in members(path):
        target = place(name) if _NAME.fullmatch(name) else None
        if target is None:
            continue
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with target.open("xb") as out:
            target.chmod(0o600)
            while data := file.read(_CHUNK):
                out.write(data)
