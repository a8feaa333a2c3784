"""Bodies as they come: small ones in memory, large ones on disk, and every one of them whole."""

import asyncio
import gzip
import hashlib
import resource
import tracemalloc
from contextlib import contextmanager

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.domains.automation.egress.sites import answering
from tests.domains.automation.egress.test_http import AGENT, gate_for, opened
from trueup.domains.automation.egress.bodies import HELD, Gathered
from trueup.domains.automation.egress.http import Bounds, Fetcher, FetchFailed, Request
from trueup.kernel.errors import StorageFull, TrueupError

LONG = b"".join(hashlib.sha256(str(n).encode()).digest()[:4] * 64 for n in range(20_000))
"""Five megabytes, of which no two stretches are alike."""
MANY = 20


@given(st.lists(st.integers(0, HELD), max_size=6), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_body_is_what_came_however_it_came(tmp_path, sizes, large):
    parts = [bytes([n + 1]) * size for n, size in enumerate(sizes)]
    with Gathered(tmp_path if large else None) as gathered:
        for part in parts:
            gathered.add(part)
        body = gathered.whole()
    assert (body[:], len(body)) == (b"".join(parts), sum(sizes))
    assert isinstance(body, bytes) == (not large or sum(sizes) <= HELD)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def no_file_longer_than(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def gather(folder, size):
    with Gathered(folder) as gathered:
        for _ in range(size // HELD):
            gathered.add(bytes(HELD))
        return len(gathered.whole())


def test_a_disk_without_room_is_said_to_be_ours_and_nothing_is_left(tmp_path):
    with no_file_longer_than(2 * HELD):
        assert gather(tmp_path, 2 * HELD) == 2 * HELD
        with pytest.raises(StorageFull):
            gather(tmp_path, 3 * HELD)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(TrueupError, match="cannot be written"):
        gather(tmp_path / "taken", 2 * HELD)


def packed(body):
    small = gzip.compress(body, 1)

    async def handler(_request):
        return web.Response(body=small, headers={"Content-Encoding": "gzip"})

    return handler


def together(site, spill, bounds=None):
    """Fetch many pages at once; return them, and how much memory that took at most."""

    async def go():
        async with Fetcher(gate_for(opened(site.port)), agent=AGENT, bounds=bounds, spill=spill) as fetcher:
            return await asyncio.gather(*(fetcher.fetch(Request(site.url(f"/{n}"))) for n in range(MANY)), return_exceptions=True)

    tracemalloc.start()
    try:
        return asyncio.run(go()), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("spills", [True, False])
def test_many_large_pages_at_once_take_little_memory_only_where_they_go_to_disk(tmp_path, spills):
    with answering(packed(LONG)) as site:
        found, most = together(site, tmp_path if spills else None)
    assert [hashlib.sha256(one.body).digest() for one in found] == [hashlib.sha256(LONG).digest()] * MANY
    assert (most < 8 * len(LONG)) == spills, f"{most:,} bytes"
    assert list(tmp_path.iterdir()) == []


def test_a_bomb_is_cut_off_before_it_takes_memory(tmp_path):
    with answering(packed(bytes(12 << 20))) as site:
        failed, most = together(site, tmp_path, Bounds(unpacked=8 << 20))
    assert {(type(one), one.kind) for one in failed} == {(FetchFailed, "too_large")}
    assert most < 16 << 20
