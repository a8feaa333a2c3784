"""The container of a pack: one member list has one encoding, and no other byte passes."""

import hashlib
import io
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.kernel.evidence.engine import container
from trueup.kernel.evidence.engine.container import MANIFEST, PackError, read_members, safe_name

PART = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True)
NAMES = st.lists(PART, min_size=1, max_size=3).map("/".join).filter(lambda name: name != MANIFEST)
MEMBERS = st.tuples(st.binary(max_size=60), st.dictionaries(NAMES, st.binary(max_size=200), max_size=5)).map(
    lambda found: [(MANIFEST, found[0]), *found[1].items()]
)


@pytest.fixture(autouse=True)
def _store(session):
    """Packs are written by code that needs the store to be configured."""


def written(members):
    """Return a pack of members, as the product writes it."""
    from trueup.kernel.evidence.packs import Source, write

    with TemporaryDirectory() as folder:
        path = Path(folder) / "pack.zip"
        write(path, [Source.of(name, data) for name, data in members], tenant=None, store=None)
        return path.read_bytes()


def read(data, **more):
    return read_members(io.BytesIO(data), **more)


IN_PROCESS = settings(max_examples=60)


@IN_PROCESS
@given(MEMBERS)
def test_what_is_written_is_read_again_in_order(members):
    data = written(members)
    found = read(data)
    assert [m.name for m in found] == [name for name, _ in members]
    assert [data[m.start : m.start + m.size] for m in found] == [content for _, content in members]
    assert [m.sha256 for m in found] == [hashlib.sha256(content).hexdigest() for _, content in members]


@IN_PROCESS
@given(MEMBERS)
def test_an_ordinary_reader_finds_the_same_members_and_equal_lists_have_equal_bytes(members):
    data = written(members)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert [(info.filename, archive.read(info)) for info in archive.infolist()] == members
    assert written(members) == data


@settings(max_examples=150)
@given(members=MEMBERS, place=st.integers(0), change=st.integers(1, 255))
def test_any_changed_byte_is_found(members, place, change):
    data = bytearray(written(members))
    data[place % len(data)] ^= change
    with pytest.raises(PackError):
        read(bytes(data))


def test_every_bit_of_a_small_pack_counts():
    data = written([(MANIFEST, b"{}"), ("a.txt", b"first"), ("folder/b", b"")])
    for place in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            with pytest.raises(PackError):
                read(bytes(changed))


@settings(max_examples=100)
@given(members=MEMBERS, place=st.integers(0))
def test_any_cut_is_found(members, place):
    data = written(members)
    with pytest.raises(PackError):
        read(data[: place % len(data)])


@settings(max_examples=40)
@given(members=MEMBERS, more=st.binary(min_size=1, max_size=64))
def test_anything_before_between_or_after_is_found(members, more):
    data = written(members)
    last = read(data)[-1]
    middle = last.start + last.size
    for changed in (data + more, more + data, data[:middle] + more + data[middle:]):
        with pytest.raises(PackError):
            read(changed)


@settings(max_examples=40)
@given(MEMBERS)
def test_members_in_another_order_than_named_are_refused_by_name(members):
    names = [name for name, _ in members[1:]]
    data = written(members)
    assert len(read(data, order=lambda _: names)) == len(members)
    with pytest.raises(PackError) as caught:
        read(data, order=lambda _: [*names, "expected.txt"])
    assert caught.value.member == "expected.txt"
    if len(set(names)) > 1:
        with pytest.raises(PackError) as caught:
            read(data, order=lambda _: names[::-1])
        assert caught.value.member == names[-1]


@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_and_never_a_crash(data):
    for start in (b"", b"PK\x03\x04", written([(MANIFEST, b"{}")])[:43]):
        with pytest.raises(PackError):
            read(start + data)


BAD_NAMES = [
    "",
    "/absolute",
    "../up",
    "a/../b",
    "a/./b",
    "a//b",
    "a/",
    ".hidden",
    "a/.hidden",
    "-option",
    "a\\b",
    "a b",
    "a:b",
    "a\nb",
    "a\n",
    "a\x00b",
    "ä",
    "~",
    "x" * 201,
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_member_whose_name_could_lead_elsewhere_is_refused(name):
    assert not safe_name(name)
    with pytest.raises(PackError):
        read(written([(MANIFEST, b"{}"), (name, b"x")]))


@pytest.mark.parametrize("name", ["a", "a.b-c_d", "artifacts/0/file.txt", "x" * 200])
def test_a_plain_relative_name_is_allowed(name):
    assert safe_name(name)
    assert read(written([(MANIFEST, b"{}"), (name, b"x")]))[1].name == name


def test_a_pack_does_not_begin_with_anything_but_its_manifest():
    with pytest.raises(PackError, match="expected at this place"):
        read(written([("a.txt", b"x"), (MANIFEST, b"{}")]))


def test_a_member_that_stands_there_twice_is_refused():
    with pytest.raises(PackError, match="twice"):
        read(written([(MANIFEST, b"{}"), ("a.txt", b"x"), ("a.txt", b"y")]))
    with pytest.raises(PackError, match="twice"):
        read(written([(MANIFEST, b"{}"), (MANIFEST, b"{}")]))


def test_a_foreign_writers_container_of_the_same_files_is_refused():
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", kind) as archive:
            archive.writestr(MANIFEST, b"{}" * 100)
        with pytest.raises(PackError):
            read(file.getvalue())


def test_what_a_plain_container_cannot_hold_is_refused_before_anything_is_written(tmp_path):
    from trueup.kernel.errors import UsageError
    from trueup.kernel.evidence.packs import LIMIT, Source, write

    huge = [Source(f"artifacts/{n}", 1 << 30, "0" * 64) for n in range(4)]
    for members in (huge, [Source("one", LIMIT, "0" * 64)], [Source.of("a", b"")] * 65_536):
        with pytest.raises(UsageError, match="4 GiB"):
            write(tmp_path / "pack.zip", members, tenant=None, store=None)
    assert list(tmp_path.glob("**/*.zip")) == []
    assert LIMIT < 1 << 32


def test_headers_hold_the_numbers_of_their_standard():
    local = container.local_header(b"a", 1, 2)
    central = container.central_header(b"a", 1, 2, 3)
    end = container.end_record(1, len(central), len(local) + 1)
    assert (len(local), len(central), len(end)) == (30 + 1, 46 + 1, 22)
    assert (local[:4], central[:4], end[:4]) == (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06")
