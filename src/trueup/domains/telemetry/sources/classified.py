"""What tables share whose columns were looked at once: which are metrics, which are clocks, and how one is read."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.clock import sole_clock
from trueup.domains.telemetry.engine.table import ColumnData, Excluded
from trueup.domains.telemetry.sources.cells import Role


class _Held(Protocol):
    rows: int

    @property
    def numeric(self) -> Sequence[str]: ...

    @property
    def excluded(self) -> Sequence[Excluded]: ...

    @property
    def _roles(self) -> Mapping[str, Role]: ...

    def _read(self, name: str) -> ColumnData: ...

    def _times(self, name: str) -> NDArray[np.float64] | None: ...


class Classified:
    """Columns and clocks of a table that knows the role of each column (``_roles``), and reads one by its name (``_read``)."""

    __slots__ = ()

    def column(self: _Held, name: str) -> ColumnData:
        """Read one numeric column.

        Raises:
            KeyError: there is no numeric column of that name.
        """
        if name not in self.numeric:
            raise KeyError(name)
        return self._read(name)

    def clock(self: _Held) -> NDArray[np.float64] | None:
        """Return the only sound time column, in seconds from the first row; None where there is none, or more than one."""
        return sole_clock(self.excluded, self._times, self.rows)

    def row_times(self: _Held) -> NDArray[np.float64] | None:
        """Return the only time column, falling or not, in seconds from the first row; None where there is none, or more."""
        return sole_clock(self.excluded, self._times, self.rows, falling=True)

    def _times(self: _Held, name: str) -> NDArray[np.float64] | None:
        return None if self._roles[name].read is None else self._read(name).values
