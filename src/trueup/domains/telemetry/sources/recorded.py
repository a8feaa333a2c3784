"""The recorded pairs that are shipped as controls."""

from importlib import resources
from pathlib import Path


def recorded(name: str) -> tuple[Path, Path]:
    """Return baseline and run of a recorded pair (``clean``, ``drifted``)."""
    folder = Path(str(resources.files("trueup.domains.telemetry") / "data"))
    return folder / f"{name}_baseline.parquet", folder / f"{name}_run.parquet"
