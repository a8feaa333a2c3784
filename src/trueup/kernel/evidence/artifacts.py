"""Content-addressed files: a name is the SHA-256 of the bytes, so nothing stored can change unseen."""

import errno
import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import UUID, uuid4

from trueup.kernel.errors import Damaged, NotFound, StorageFull
from trueup.kernel.files import sync_folder

CHUNK = 1 << 20
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored file, as an entry names it."""

    sha256: str
    size: int
    name: str
    media_type: str

    def as_dict(self) -> dict[str, str | int]:
        """Return what the ledger says of it."""
        return {"sha256": self.sha256, "size": self.size, "name": self.name, "media_type": self.media_type}


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that are to be stored, and what an entry will say of them."""

    data: bytes
    name: str
    media_type: str


class ArtifactStore(Protocol):
    """Where artifacts live. A folder here; an object store can do the same."""

    def put(self, tenant: UUID, source: Path | bytes, *, name: str, media_type: str) -> Artifact:
        """Store bytes or a file's content; storing the same content twice is one file."""

    def put_many(self, tenant: UUID, contents: Sequence["Content"]) -> list[Artifact]:
        """Store several contents, as safely as one; return them in the order given."""

    def open(self, tenant: UUID, sha256: str) -> BinaryIO:
        """Open an artifact for reading."""

    def size(self, tenant: UUID, sha256: str) -> int:
        """Return an artifact's size in bytes."""

    def remove(self, tenant: UUID, sha256: str) -> None:
        """Remove an artifact; one that is gone already is no error."""

    def listing(self, tenant: UUID) -> Iterator[tuple[str, float]]:
        """Yield every stored artifact's SHA-256 and age in seconds."""


class FolderStore:
    """Artifacts in a folder: ``<tenant>/<first two digits>/<sha256>``.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._durable: OrderedDict[str, int] = (
            OrderedDict()
        )  # inodes of files that this process knows to be on the disk, name and all

    def _file(self, tenant: UUID, sha256: str) -> Path:
        return self.path / tenant.hex / sha256[:2] / sha256

    def put(self, tenant: UUID, source: Path | bytes, *, name: str, media_type: str) -> Artifact:
        """Store bytes or a file's content.

        Raises:
            StorageFull: no room; nothing is left behind.
        """
        scratch = self._incoming(tenant) / uuid4().hex
        with _room_for(name, [scratch]):
            scratch.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            digest, size = self._fill(scratch, source)
            place = self._file(tenant, digest)
            place.parent.mkdir(exist_ok=True, mode=0o700)
            scratch.replace(place)
            sync_folder(place.parent)
        return Artifact(digest, size, name, media_type)

    def put_many(self, tenant: UUID, contents: Sequence[Content]) -> list[Artifact]:
        """Store several contents: all are written, then all are synced, then all get their names, then each folder is synced once.

        Raises:
            StorageFull: no room; nothing is left behind.
        """
        found = [Artifact(hashlib.sha256(one.data).hexdigest(), len(one.data), one.name, one.media_type) for one in contents]
        wanted = {artifact.sha256: one.data for artifact, one in zip(found, contents, strict=True)}
        root = str(self.path / tenant.hex)
        places = {sha: f"{root}/{sha[:2]}/{sha}" for sha in wanted}
        stands = {sha: _stands(place, wanted[sha], self._durable.get(place, 0)) for sha, place in places.items()}
        new = {sha: data for sha, data in wanted.items() if not stands[sha]}
        incoming, stem = f"{root}/incoming", uuid4().hex
        scratches = {sha: f"{incoming}/{stem}{number}" for number, sha in enumerate(new)}
        with _room_for(f"{len(new)} files", scratches.values()):
            made = _fill_all(incoming, [(scratches[sha], data) for sha, data in new.items()])
            for sha, scratch in scratches.items():
                _name(scratch, f"{root}/{sha[:2]}", sha)
            inodes = stands | dict(zip(new, made, strict=True))
            unsure = [sha for sha, place in places.items() if self._durable.get(place) != inodes[sha]]
            for prefix in {sha[:2] for sha in unsure}:
                sync_folder(Path(f"{root}/{prefix}"))
        self._durable.update({places[sha]: inodes[sha] for sha in unsure})
        while len(self._durable) > _REMEMBERED:
            self._durable.popitem(last=False)
        return found

    def _incoming(self, tenant: UUID) -> Path:
        return self.path / tenant.hex / "incoming"

    @staticmethod
    def _fill(scratch: Path, source: Path | bytes) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for chunk in _chunks(source):
                digest.update(chunk)
                size += file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        return digest.hexdigest(), size

    def open(self, tenant: UUID, sha256: str) -> BinaryIO:
        """Open an artifact for reading.

        Raises:
            NotFound: it is not here.
        """
        try:
            return self._file(tenant, sha256).open("rb")
        except FileNotFoundError as exc:
            raise NotFound(f"artifact {sha256} is not stored here") from exc

    def size(self, tenant: UUID, sha256: str) -> int:
        """Return an artifact's size in bytes.

        Raises:
            NotFound: it is not here.
        """
        try:
            return self._file(tenant, sha256).stat().st_size
        except FileNotFoundError as exc:
            raise NotFound(f"artifact {sha256} is not stored here") from exc

    def remove(self, tenant: UUID, sha256: str) -> None:
        """Remove an artifact; one that is gone already is no error."""
        self._file(tenant, sha256).unlink(missing_ok=True)

    def listing(self, tenant: UUID) -> Iterator[tuple[str, float]]:
        """Yield every stored artifact's SHA-256 and age in seconds, scratch files of dead writers as ``incoming/…``."""
        now = time.time()
        for path in sorted((self.path / tenant.hex).glob("*/*")):
            name = path.name if path.parent.name != "incoming" else f"incoming/{path.name}"
            with suppress(FileNotFoundError):
                yield name, now - path.stat().st_mtime

    def remove_scratch(self, tenant: UUID, name: str) -> None:
        """Remove a scratch file that ``listing`` named."""
        (self.path / tenant.hex / "incoming" / Path(name).name).unlink(missing_ok=True)


@contextmanager
def _room_for(name: str, scratches: Iterable[Path | str]) -> Iterator[None]:
    """Say it plainly when the disk is full, and leave no scratch file behind."""
    try:
        yield
    except BaseException as exc:
        for scratch in scratches:
            with suppress(OSError):
                os.unlink(scratch)  # noqa: PTH108 - paths as text: many of them
        if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull(
                f"no room to store {name}", remedy="free some space and run the command again; nothing was written"
            ) from exc
        raise


def _stands(path: str, data: bytes, durable: int) -> int:
    """Return the inode of a file that holds exactly this and is on the disk, 0 where there is none.

    Its age begins anew, as if it were stored now.

    Args:
        path: its name.
        data: what it should hold.
        durable: inode that is known to be on the disk.
    """
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return 0
    try:
        found = os.fstat(handle)
        if found.st_size != len(data) or os.pread(handle, len(data), 0) != data:
            return 0
        if found.st_ino != durable:
            os.fdatasync(handle)
        os.utime(handle)
    except OSError:
        return 0
    finally:
        os.close(handle)
    return found.st_ino


def _fill_all(folder: str, files: Sequence[tuple[str, bytes]]) -> list[int]:
    """Write all files, then wait for the disk with all; return their inodes."""
    if not files:
        return []
    os.makedirs(folder, exist_ok=True, mode=0o700)  # noqa: PTH103 - paths as text: many of them
    handles: list[int] = []
    try:
        for path, data in files:
            handles.append(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            left = memoryview(data)
            while left:
                left = left[os.write(handles[-1], left) :]
        for handle in handles:
            os.fsync(handle)
        return [os.fstat(handle).st_ino for handle in handles]
    finally:
        for handle in handles:
            os.close(handle)


def _name(scratch: str, folder: str, name: str) -> None:
    try:
        os.replace(scratch, f"{folder}/{name}")  # noqa: PTH105 - paths as text: many of them
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True, mode=0o700)  # noqa: PTH103
        sync_folder(Path(folder).parent)
        os.replace(scratch, f"{folder}/{name}")  # noqa: PTH105


def _chunks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def check_artifact(store: ArtifactStore, tenant: UUID, sha256: str) -> None:
    """Read an artifact through and compare it with its name.

    Raises:
        Damaged: its bytes have changed.
        NotFound: it is gone.
    """
    digest = hashlib.sha256()
    with store.open(tenant, sha256) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != sha256:
        raise Damaged(f"artifact {sha256}: its bytes now hash to {digest.hexdigest()}")
