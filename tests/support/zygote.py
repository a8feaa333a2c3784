"""Commands as processes without the cost of starting Python for each: a process that has the modules loaded forks.

Every command is a process of its own, with its own arguments, environment, folder and streams, and runs the entry point that
is installed as ``trueup``. The pages of the documentation, and tests about processes, start the installed file itself.
"""

import atexit
import contextlib
import importlib.metadata
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

LIBRARIES = ("django.db.backends.postgresql.base", "django.db.backends.sqlite3.base", "duckdb", "numpy", "psycopg")
_LENGTH = struct.Struct("!I")


def _send(to: socket.socket, message: Any, fds: list[int]) -> None:
    body = json.dumps(message).encode()
    data = _LENGTH.pack(len(body)) + body
    sent = socket.send_fds(to, [data], fds) if fds else 0
    to.sendall(data[sent:])


def _receive(origin: socket.socket) -> tuple[Any, list[int]]:
    data, fds = b"", []
    while len(data) < _LENGTH.size or len(data) < _LENGTH.size + _LENGTH.unpack_from(data)[0]:
        part, more, _, _ = socket.recv_fds(origin, 1 << 16, 3)
        if not part:
            raise EOFError("the other side is gone")
        data += part
        fds += more
    return json.loads(data[_LENGTH.size :]), fds


class Zygote:
    """The process that forks; one for each test process."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="zygote-"))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._folder / "s"))
        self._listener.listen(64)
        env = {name: value for name, value in os.environ.items() if not name.startswith("TRUEUP_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.zygote", str(self._listener.fileno())],
            pass_fds=[self._listener.fileno()],
            env=env,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        self._listener.close()

    def run(self, args: list[str], *, stdin: str, cwd: Path, env: dict[str, str], timeout: float) -> tuple[int, str, str]:
        """Run the installed entry point; return its exit code and what it printed.

        Raises:
            TimeoutError: it took longer than ``timeout`` seconds; it is killed when the tests end.
        """
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(os.fdopen(os.memfd_create(name), "r+b")) for name in ("in", "out", "err")]
            files[0].write(stdin.encode())
            files[0].seek(0)
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(timeout)
            connection.connect(str(self._folder / "s"))
            _send(connection, {"args": args, "cwd": str(cwd), "env": env}, [file.fileno() for file in files])
            answer, _ = _receive(connection)
            for file in files:
                file.seek(0)
            return int(answer["code"]), files[1].read().decode(), files[2].read().decode()

    def close(self) -> None:
        """End the process and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(20)
        shutil.rmtree(self._folder)


def _code(call: Callable[[], object]) -> int:
    """Return the exit code that Python would end with."""
    try:
        ended = call()
    except SystemExit as exc:
        ended = exc.code
    except BaseException:  # noqa: BLE001 - as Python itself does at the end of a program
        traceback.print_exc()
        return 1
    if ended is None or isinstance(ended, int):
        return int(ended or 0) & 0xFF
    sys.stderr.write(f"{ended}\n")
    return 1


def _command(asked: dict[str, Any], fds: list[int]) -> int:
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    os.chdir(asked["cwd"])
    _measure()
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="trueup")
    sys.argv = [str(Path(sys.executable).parent / "trueup"), *asked["args"]]
    code = _code(entry.load())
    sys.stdout.flush()
    sys.stderr.flush()
    atexit._run_exitfuncs()
    return code


def _measure() -> None:
    """Measure coverage from here on, where the tests do."""
    if "COVERAGE_PROCESS_START" in os.environ or "COVERAGE_PROCESS_CONFIG" in os.environ:
        import coverage

        with contextlib.suppress(AttributeError):
            del coverage.process_startup.coverage  # type: ignore[attr-defined] # what measured the loading is done
        coverage.process_startup()


def _serve(connection: socket.socket) -> None:
    """Run one command in a child, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked, fds = _receive(connection)
    pid = os.fork()
    if not pid:
        connection.close()
        os._exit(_command(asked, fds))
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        _send(connection, {"code": os.waitstatus_to_exitcode(status)}, [])


def main() -> None:
    """Load what commands load, then fork for each request until killed."""
    from trueup.config.store import configure
    from trueup.config.wiring import wire
    from trueup.faces.cli.main import COMMANDS

    for module in LIBRARIES:
        import_module(module)
    configure(None)
    wire()
    for place, _ in COMMANDS.values():
        import_module(place.partition(":")[0])
    if "coverage" in sys.modules:
        loading = sys.modules["coverage"].Coverage.current()
        if loading is not None:
            loading.stop()
            loading.save()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                if not os.fork():
                    listener.close()
                    _serve(connection)
                    os._exit(0)


if __name__ == "__main__":
    main()
