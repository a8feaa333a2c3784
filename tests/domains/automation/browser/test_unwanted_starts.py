"""A browser that nobody wants any more by the time it has started."""

import asyncio
import gc
from pathlib import Path
from uuid import UUID

import pytest

from tests.domains.automation.egress.test_http import AGENT, NOW
from trueup.domains.automation.browser import pool
from trueup.domains.automation.browser.launch import Options, executable
from trueup.domains.automation.browser.pool import Pool
from trueup.kernel.errors import TrueupError


@pytest.mark.parametrize("seconds", [0.05, 0.4, 0.8])
def test_a_start_that_is_given_up_leaves_neither_a_browser_nor_a_complaint(seconds, capfd, tmp_path):
    path = tmp_path / "marked-browser"
    path.symlink_to(executable())

    async def main():
        kept = Pool(AGENT, lambda: NOW, Options(executable=path))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds), kept.lent(UUID(int=1)):
                await asyncio.sleep(10)
        await kept.close()

    asyncio.run(main())
    gc.collect()
    assert capfd.readouterr().err == ""
    assert not running(str(path))


def test_a_start_that_fails_after_it_was_given_up_is_no_error_of_the_program(tmp_path, caplog):
    path = tmp_path / "no-browser"
    path.write_text("#!/bin/sh\nsleep 0.5\nexit 1\n")
    path.chmod(0o755)

    async def main():
        kept = Pool(AGENT, lambda: NOW, Options(executable=path))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), kept.lent(UUID(int=1)):
                pass
        await kept.close()
        with pytest.raises(TrueupError, match="the browser did not start"):
            async with kept.lent(UUID(int=1)):
                pass
        await kept.close()

    asyncio.run(main())
    gc.collect()
    assert not caplog.records


def test_the_end_does_not_wait_for_a_start_that_takes_too_long(tmp_path, monkeypatch):
    path = tmp_path / "slow-browser"
    path.write_text("#!/bin/sh\nsleep 4\nexit 1\n")
    path.chmod(0o755)
    monkeypatch.setattr(pool, "STARTING", 0.2)

    async def main():
        kept = Pool(AGENT, lambda: NOW, Options(executable=path))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), kept.lent(UUID(int=1)):
                pass
        others = asyncio.all_tasks() - {asyncio.current_task()}
        async with asyncio.timeout(2):
            await kept.close()
        left = [task for task in others if not task.done()]
        assert left
        await asyncio.wait(left)

    asyncio.run(main())


def running(mark):
    """Return the command lines of processes that name something."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
            except OSError:
                continue
            if mark in words:
                found.append(words)
    return found
