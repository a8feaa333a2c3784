"""Two pictures of a page, pixel by pixel: what share differs, where, and how it looks.

A pixel differs when any channel of it does: the same browser draws the same page the same way.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

type Picture = npt.NDArray[np.uint8]
"""uint8[height, width, 3], red, green, blue."""
type Mask = npt.NDArray[np.bool_]

CELL = 16
"""Pixels of a side of the squares by which regions are found: what lies in touching squares is one region."""
MOST_REGIONS = 50

_RED = np.array([220, 30, 40], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in which pixels changed, in pixels from the top left; ``changed`` counts them."""

    x: int
    y: int
    width: int
    height: int
    changed: int

    def document(self) -> dict[str, int]:
        """Return it as JSON-able data."""
        return {"x": self.x, "y": self.y, "width": self.width, "height": self.height, "changed": self.changed}


@dataclass(frozen=True, slots=True)
class Difference:
    """How two pictures differ.

    Args:
        before, after: padded to the same size.
        mask: which pixels differ; what only one of them has differs.
        regions: the largest first, at most ``MOST_REGIONS``; ``found`` counts all.
    """

    before: Picture
    after: Picture
    mask: Mask
    regions: tuple[Region, ...]
    found: int
    resized: bool

    @property
    def changed(self) -> int:
        """How many pixels differ."""
        return int(self.mask.sum())

    @property
    def share(self) -> float:
        """What share of all pixels differs, 0 to 1."""
        return self.changed / self.mask.size

    def document(self) -> dict[str, Any]:
        """Return its figures as JSON-able data."""
        height, width = self.mask.shape
        level = np.abs(self.before.astype(np.int16) - self.after).max(axis=2)
        return {
            "width": width,
            "height": height,
            "resized": self.resized,
            "changed_pixels": self.changed,
            "changed_share": round(self.share, 8),
            "mean_change": round(float(level.mean()) / 255, 8),
            "largest_change": round(float(level.max()) / 255, 8),
            "regions": [region.document() for region in self.regions],
            "regions_found": self.found,
        }


def difference(before: Picture, after: Picture) -> Difference:
    """Compare two pictures, from their top left corners."""
    height, width = (max(before.shape[side], after.shape[side]) for side in (0, 1))
    one, other = _padded(before, height, width), _padded(after, height, width)
    mask = (one != other).any(axis=2)
    for picture in (before, after):
        mask[picture.shape[0] :, :] = True
        mask[:, picture.shape[1] :] = True
    regions = _regions(mask)
    return Difference(one, other, mask, tuple(regions[:MOST_REGIONS]), len(regions), before.shape != after.shape)


def highlight(found: Difference) -> Picture:
    """Return the later picture, paler, with what changed in its colours and a frame around each region."""
    picture = found.after.astype(np.float32)
    picture[~found.mask] = picture[~found.mask] * 0.45 + 255 * 0.55
    picture[found.mask] = picture[found.mask] * 0.6 + _RED * 0.4
    for region in found.regions:
        top, left = max(region.y - 2, 0), max(region.x - 2, 0)
        bottom, right = region.y + region.height + 2, region.x + region.width + 2
        frame = picture[top:bottom, left:right]
        frame[:2], frame[-2:], frame[:, :2], frame[:, -2:] = _RED, _RED, _RED, _RED
    return picture.astype(np.uint8)


def heatmap(found: Difference) -> Picture:
    """Return how strongly each pixel changed: black where it did not, through red and yellow to white."""
    level = np.abs(found.before.astype(np.int16) - found.after).max(axis=2).astype(np.float32) / 255
    # what one picture lacks altogether changed as strongly as can be where the padding happens to have its colour
    level = np.where(found.mask, 0.15 + level * 0.85, 0.0)
    ramp = np.stack([level * 3, level * 3 - 1, level * 3 - 2], axis=2)
    scaled: Picture = (np.clip(ramp, 0, 1) * 255).astype(np.uint8)
    return scaled


def _padded(picture: Picture, height: int, width: int) -> Picture:
    below, beside = height - picture.shape[0], width - picture.shape[1]
    return picture if not (below or beside) else np.pad(picture, ((0, below), (0, beside), (0, 0)))


def _regions(mask: Mask) -> list[Region]:
    """Return the rectangles of squares that touch and hold what changed, the largest first."""
    height, width = mask.shape
    below, beside = -height % CELL, -width % CELL
    cells = np.pad(mask, ((0, below), (0, beside))).reshape((height + below) // CELL, CELL, (width + beside) // CELL, CELL)
    left = {(int(y), int(x)) for y, x in np.argwhere(cells.any(axis=(1, 3)))}
    found = []
    while left:
        first = left.pop()
        group, waiting = [first], deque([first])
        while waiting:
            y, x = waiting.popleft()
            near = {(y + down, x + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
            left -= near
            group.extend(near)
            waiting.extend(near)
        found.append(_tight(mask, group))
    return sorted(found, key=lambda region: (-region.changed, region.y, region.x))


def _tight(mask: Mask, group: list[tuple[int, int]]) -> Region:
    rows, columns = [y for y, _ in group], [x for _, x in group]
    top, left = min(rows) * CELL, min(columns) * CELL
    own = np.zeros_like(mask[top : (max(rows) + 1) * CELL, left : (max(columns) + 1) * CELL])
    for y, x in group:
        place = (slice(y * CELL - top, y * CELL - top + CELL), slice(x * CELL - left, x * CELL - left + CELL))
        own[place] = mask[y * CELL : y * CELL + CELL, x * CELL : x * CELL + CELL]
    ys, xs = np.nonzero(own)
    return Region(left + int(xs.min()), top + int(ys.min()), int(xs.max() - xs.min()) + 1, int(ys.max() - ys.min()) + 1, len(xs))
