"""Two pictures, pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.pixels import MOST_REGIONS, difference, heatmap, highlight


def blank(height=100, width=120, level=255):
    return np.full((height, width, 3), level, dtype=np.uint8)


def painted(*boxes, height=100, width=120):
    picture = blank(height, width)
    for x, y, right, down in boxes:
        picture[y : y + down, x : x + right] = (10, 20, 30)
    return picture


def boxes(found):
    return [(one.x, one.y, one.width, one.height, one.changed) for one in found.regions]


def test_a_picture_does_not_differ_from_itself():
    found = difference(painted((5, 5, 9, 9)), painted((5, 5, 9, 9)))
    assert (found.changed, found.share, found.regions, found.resized) == (0, 0.0, (), False)
    assert not heatmap(found).any()


@pytest.mark.requirement("automation:W4")
def test_the_smallest_change_of_one_channel_counts():
    after = blank()
    after[7, 9, 2] -= 1
    assert boxes(difference(blank(), after)) == [(9, 7, 1, 1, 1)]


def test_regions_are_where_pixels_changed_the_largest_first():
    found = difference(blank(), painted((4, 4, 3, 3), (80, 60, 30, 20)))
    assert boxes(found) == [(80, 60, 30, 20, 600), (4, 4, 3, 3, 9)]
    assert found.share == pytest.approx(609 / 12_000)
    assert found.document()["regions"][0] == {"x": 80, "y": 60, "width": 30, "height": 20, "changed": 600}


def test_what_lies_close_together_is_one_region():
    assert boxes(difference(blank(), painted((4, 4, 2, 2), (20, 20, 2, 2)))) == [(4, 4, 18, 18, 8)]


def test_what_only_one_picture_has_differs_even_where_it_looks_like_nothing():
    found = difference(blank(level=0), blank(height=140, level=0))
    assert (found.resized, found.changed, boxes(found)) == (True, 40 * 120, [(0, 100, 120, 40, 4_800)])


def test_no_more_regions_are_named_than_there_is_room_for_and_all_are_counted():
    spots = [(x * 40, y * 40, 1, 1) for x in range(10) for y in range(10)]
    found = difference(blank(400, 400), painted(*spots, height=400, width=400))
    assert (len(found.regions), found.found) == (MOST_REGIONS, 100)


def test_pictures_show_what_changed():
    found = difference(blank(), painted((80, 60, 30, 20)))
    lit, heat = highlight(found), heatmap(found)
    assert lit.shape == heat.shape == (100, 120, 3)
    assert tuple(lit[59, 90]) == (220, 30, 40)
    assert (heat[70, 90].any(), heat[10, 10].any()) == (True, False)


@given(st.lists(st.tuples(st.integers(0, 110), st.integers(0, 90), st.integers(1, 10), st.integers(1, 10)), max_size=8))
def test_regions_hold_every_changed_pixel_once(spots):
    found = difference(blank(), painted(*spots))
    assert sum(one.changed for one in found.regions) == found.changed
    covered = np.zeros(found.mask.shape, dtype=bool)
    for one in found.regions:
        covered[one.y : one.y + one.height, one.x : one.x + one.width] = True
    assert not (found.mask & ~covered).any()
