"""Following a file: appended lines, rotation by renaming and by truncating, resuming."""

import pytest

from trueup.domains.telemetry.sources.live.event import KEPT_OF_DEAD, MAX_PAYLOAD
from trueup.domains.telemetry.sources.live.follow import Follower, Place


def rest_of(follower):
    """Read until nothing more comes, through turns."""
    found = []
    while True:
        lines = list(follower.lines(100))
        found += [line.data for line in lines]
        if not lines:
            turned = follower.turned()
            if turned is None:
                return found
            if turned[0] is not None:
                found.append(turned[0].data)


@pytest.fixture
def follow():
    opened = []

    def begin(path, place=None):
        opened.append(Follower(path, place))
        return opened[-1]

    yield begin
    for follower in opened:
        follower.close()


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "rig.log"
    found.write_bytes(b"one\ntwo\n")
    return found


def append(path, data):
    with path.open("ab") as file:
        file.write(data)


def test_lines_that_are_appended_are_read(follow, path):
    follower = follow(path)
    assert rest_of(follower) == [b"one", b"two"]
    append(path, b"three\nfo")
    assert rest_of(follower) == [b"three"]
    append(path, b"ur\n")
    assert rest_of(follower) == [b"four"]


def test_reading_goes_on_at_its_place(follow, path):
    follower = follow(path)
    assert next(follower.lines(1)).data == b"one"
    assert rest_of(follow(path, Place.parse(follower.place.text()))) == [b"two"]


def test_a_renamed_file_is_finished_before_its_successor(follow, path):
    follower = follow(path)
    rest_of(follower)
    append(path, b"three\nlast without line feed")
    path.rename(path.with_name("rig.log.1"))
    path.write_bytes(b"four\n")
    assert rest_of(follower) == [b"three", b"last without line feed", b"four"]


def test_a_file_that_was_renamed_while_nobody_read_is_found_and_finished(follow, path):
    follower = follow(path)
    next(follower.lines(1))
    place = follower.place
    path.rename(path.with_name("rig.log.1"))
    path.write_bytes(b"three\n")
    assert rest_of(follow(path, place)) == [b"two", b"three"]


def test_a_copied_and_truncated_file_is_finished_in_its_copy(follow, path):
    follower = follow(path)
    rest_of(follower)
    append(path, b"three\n")
    path.with_name("rig.log.1").write_bytes(path.read_bytes())
    with path.open("r+b") as file:
        file.truncate(0)
    append(path, b"four\n")
    assert rest_of(follower) == [b"three", b"four"]


def test_a_truncated_file_without_a_copy_is_read_from_its_beginning_and_noted(follow, path):
    follower = follow(path)
    rest_of(follower)
    path.write_bytes(b"new\n")
    assert (rest_of(follower), len(follower.notes)) == ([b"new"], 1)


def test_a_truncated_file_that_has_grown_beyond_its_old_size_is_found_by_its_first_bytes(follow, path):
    follower = follow(path)
    rest_of(follower)
    path.write_bytes(b"first\nsecond\nthird\n")
    assert rest_of(follower) == [b"first", b"second", b"third"]


def test_a_place_in_a_file_that_is_gone_is_noted(follow, path, tmp_path):
    follower = follow(path)
    rest_of(follower)
    place = follower.place
    path.unlink()
    (tmp_path / "keep").write_bytes(b"")
    path.write_bytes(b"other\n")
    again = follow(path, place)
    assert (rest_of(again), len(again.notes)) == ([b"other"], 1)


def test_a_line_that_is_too_long_is_cut_and_the_next_one_is_whole(follow, path):
    path.write_bytes(b"x" * (3 * MAX_PAYLOAD) + b"\nnext\n")
    long, after = follow(path).lines(5)
    assert (long.too_long, long.size, len(long.data)) == (True, 3 * MAX_PAYLOAD, KEPT_OF_DEAD)
    assert after.data == b"next"
