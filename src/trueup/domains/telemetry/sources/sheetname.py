"""A sheet of a workbook by one name: ``bench.xlsx#Run 2``."""

import re
from pathlib import Path

from trueup.kernel.errors import UsageError

_BOTH = re.compile(r"(.+\.xls[xm](?:\.gz)?)#([^#]+)", re.IGNORECASE | re.DOTALL)


def joined(path: Path, sheet: str) -> str:
    """Return what a file, or a sheet of it, is called.

    >>> joined(Path("runs/bench.xlsx"), "Run 2"), joined(Path("bench.csv"), "")
    ('bench.xlsx#Run 2', 'bench.csv')

    Raises:
        UsageError: the file's name looks like that of a sheet, or the sheet's name cannot be told from it again.
    """
    name = f"{path.name}#{sheet}" if sheet else path.name
    if parted(name) != (path.name, sheet):
        raise UsageError(
            f"{name}: cannot be told apart into a file and a sheet", remedy="rename the file to end in .xlsx, without '#'"
        )
    return name


def parted(name: str) -> tuple[str, str]:
    """Return a file's name and the name of the sheet, which is empty where none was named."""
    found = _BOTH.fullmatch(name)
    return (found[1], found[2]) if found else (name, "")
