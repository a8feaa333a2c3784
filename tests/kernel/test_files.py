"""Files are there whole or not at all, also when the disk is full."""

import os
import stat
import subprocess
import sys

import pytest

from trueup.kernel.errors import UsageError
from trueup.kernel.files import replacing, write_atomic

FULL = """
import sys
from pathlib import Path
from trueup.kernel.files import write_atomic
from trueup.kernel.errors import StorageFull
path = Path('/mnt/out')
path.write_bytes(b'older')
try:
    write_atomic(path, b'x' * 5_000_000)
except StorageFull as exc:
    print('refused', path.read_bytes(), [p.name for p in path.parent.iterdir()], exc.remedy != '')
"""


def on_a_small_disk(code: str, size: str = "1m") -> str:
    """Run Python with a small file system of its own on /mnt."""
    script = f'mount -t tmpfs -o size={size} none /mnt && exec {sys.executable} -c "$CODE"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], env=os.environ | {"CODE": code}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_file_appears_whole_with_its_mode(tmp_path):
    write_atomic(tmp_path / "a", b"whole", mode=0o600)
    assert (tmp_path / "a").read_bytes() == b"whole"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_block_that_fails_leaves_the_older_file_and_nothing_else(tmp_path):
    write_atomic(tmp_path / "a", b"older")
    with pytest.raises(TypeError), replacing(tmp_path / "a") as file:
        file.writelines([b"half", "not bytes"])
    assert (tmp_path / "a").read_bytes() == b"older"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_nothing_is_to_be_seen_while_a_file_is_written(tmp_path):
    with replacing(tmp_path / "a") as file:
        file.write(b"half")
        file.flush()
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["missing/a", "file/a"])
def test_a_place_that_cannot_be_written_is_a_usage_error(tmp_path, place):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="cannot write"):
        write_atomic(tmp_path / place, b"x")


def test_an_error_of_another_file_passes_through(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a"):
        (tmp_path / "source").read_bytes()


@pytest.mark.requirement("kernel:evidence.disk-full")
def test_a_full_disk_refuses_and_leaves_the_older_file():
    assert on_a_small_disk(FULL) == "refused b'older' ['out'] True"


STORE = """
from pathlib import Path
from uuid import uuid4
from trueup.kernel.evidence.artifacts import FolderStore
from trueup.kernel.errors import StorageFull
store = FolderStore(Path('/mnt/artifacts'))
tenant = uuid4()
kept = store.put(tenant, b'small', name='a', media_type='text/plain')
try:
    store.put(tenant, b'x' * 5_000_000, name='b', media_type='text/plain')
except StorageFull:
    print([name == kept.sha256 for name, _ in store.listing(tenant)])
"""


@pytest.mark.requirement("kernel:evidence.disk-full")
def test_a_full_disk_refuses_an_artifact_and_keeps_the_others():
    assert on_a_small_disk(STORE) == "[True]"


COMMAND = """
import subprocess, sys
home = '/mnt/home'
trueup = sys.executable.rsplit('/', 1)[0] + '/trueup'
run = lambda *a: subprocess.run([trueup, '--home', home, *a], capture_output=True, text=True)
assert run('init').returncode == 0
open('/mnt/a.csv', 'w').write('x\\n' + '\\n'.join(str(i % 7) for i in range(500)))
print(run('telemetry', 'compare', '--baseline', '/mnt/a.csv', '--run', '/mnt/a.csv').returncode)
import os
filler = os.open('/mnt/filler', os.O_WRONLY | os.O_CREAT)
try:
    while True:
        os.write(filler, b'x' * 512)
except OSError:
    os.close(filler)
done = run('telemetry', 'compare', '--baseline', '/mnt/a.csv', '--run', '/mnt/a.csv')
print(done.returncode, 'Traceback' in done.stderr, done.stderr.strip().splitlines()[-1].strip()[:16])
os.unlink('/mnt/filler')
print(run('evidence', 'log', 'verify').returncode, run('telemetry', 'compare', '--baseline', '/mnt/a.csv', '--run', '/mnt/a.csv').returncode)
"""


@pytest.mark.requirement("kernel:evidence.disk-full")
def test_a_command_on_a_full_disk_is_refused_and_the_log_still_verifies():
    assert on_a_small_disk(COMMAND, "6m").splitlines() == ["0", "1 False remedy: free som", "0 0"]
