"""Reads sketch files."""

import hashlib
import json
from pathlib import Path

from trueup.domains.telemetry.engine.sketchdoc import SketchFile, sketch_file
from trueup.kernel.errors import UnreadableInput

MOST_BYTES = 256 << 20


def read_sketches(path: Path) -> tuple[SketchFile, str]:
    """Read a sketch file.

    Returns:
        What it holds, and its SHA-256, of the bytes that were read.

    Raises:
        UnreadableInput: it cannot be read, is too long, or holds no sketches.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror or error}", remedy="name a readable file") from None
    if len(data) > MOST_BYTES:
        raise UnreadableInput(f"{path}: has more than {MOST_BYTES >> 20} MiB", remedy="make it with fewer windows")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        text = f"{path}: is no sketch file"
        raise UnreadableInput(text, remedy="make one with 'trueup telemetry sketch FILE --out S'") from None
    return sketch_file(document, named=str(path)), hashlib.sha256(data).hexdigest()
