"""The home: the folder that holds one installation's store, keys and artifacts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

from trueup.kernel.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Home:
    """Paths of one installation.

    Args:
        path: the folder; created with mode 0700.
    """

    path: Path

    @property
    def database(self) -> Path:
        """The SQLite store."""
        return self.path / "trueup.sqlite3"

    @property
    def keys(self) -> Path:
        """Private and trusted keys."""
        return self.path / "keys"

    @property
    def artifacts(self) -> Path:
        """Content-addressed files."""
        return self.path / "artifacts"

    @property
    def spool(self) -> Path:
        """Scratch files of running commands; nothing here is a result."""
        return self.path / "spool"

    @property
    def run(self) -> Path:
        """Locks of running commands."""
        return self.path / "run"

    @property
    def exists(self) -> bool:
        """Whether it has been initialised at least in part."""
        return self.database.exists()

    def make(self) -> None:
        """Create the folders.

        Raises:
            ConfigurationError: the place cannot be written.
        """
        try:
            for folder in (self.path, self.keys, self.artifacts, self.spool, self.run):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise ConfigurationError(
                f"cannot create the home {self.path}: {exc.strerror or exc}",
                remedy="choose a folder you can write with --home DIR or TRUEUP_HOME",
            ) from exc

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold an exclusive lock of this home while the block runs."""
        with (self.run / f"{name}.lock").open("a") as file:
            flock(file, LOCK_EX)
            yield


def find_home(given: str | None = None) -> Home:
    """Return the home that a command works on: ``--home``, else ``TRUEUP_HOME``, else the user's data folder."""
    chosen = given or os.environ.get("TRUEUP_HOME")
    if chosen:
        return Home(Path(chosen).expanduser().absolute())
    from platformdirs import user_data_path

    return Home(user_data_path("trueup", appauthor=False))
