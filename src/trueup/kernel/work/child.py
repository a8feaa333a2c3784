"""Heavy jobs in a process of their own: hard limits of time and memory, and an end that cannot be refused.

The parent starts a fresh interpreter (never a fork of its threads) in a process group of its own, waits for its answer on
a pipe, and kills the whole group when the job must stop. A child whose parent dies is killed by the kernel.
"""

import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from trueup.kernel import tenancy
from trueup.kernel.errors import UsageError
from trueup.kernel.work import handlers, outcomes
from trueup.kernel.work.claims import Claimed
from trueup.kernel.work.context import JobContext
from trueup.kernel.work.engine.states import State
from trueup.kernel.work.errors import ChildCrashed, ChildFailed, JobCancelled, JobTimeout, OutOfMemory, StaleFence
from trueup.kernel.work.handlers import Handler
from trueup.kernel.work.host import Host
from trueup.kernel.work.models import Job

COMMAND = (sys.executable, "-m", "trueup")
_PR_SET_PDEATHSIG = 1
_LOOK = 0.1  # seconds between two looks at whether the job must stop


def in_child(host: Host, job: Claimed, handler: Handler, gone: Callable[[], str], command: Sequence[str]) -> Any:
    """Do one job in a process of its own and return its result.

    Raises:
        JobTimeout, OutOfMemory: a limit was reached; the whole process group is gone.
        JobCancelled, StaleFence: the job had to stop.
        ChildCrashed: the process ended without an answer.
        ChildFailed: the job failed there.
    """
    ours, theirs = os.pipe()
    args = ["--home", str(host.home.path), "worker", "--job", str(job.id), "--fence", str(job.fence), "--answer", str(theirs)]
    try:
        process = _started([*command, *args], theirs)
        try:
            answer = _answer(ours, time.monotonic() + handler.timeout, gone)
            code = process.wait(5.0) if answer else process.wait(1.0)
        except subprocess.TimeoutExpired:
            code = 0
        finally:
            _kill(process)
    finally:
        os.close(ours)
    return _result(answer, code, handler)


def _started(args: Sequence[str], pipe: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - our own program
            args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=(pipe,), start_new_session=True
        )
    finally:
        os.close(pipe)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the whole group, also what the child has left behind."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _answer(pipe: int, deadline: float, gone: Callable[[], str]) -> bytes:
    """Read the child's answer to its end.

    Raises:
        JobTimeout, JobCancelled, StaleFence: the job must stop.
    """
    parts: list[bytes] = []
    while True:
        why = gone()
        if why == "lost":
            raise StaleFence("the job was given to another worker")
        if why:
            raise JobCancelled(f"the job must stop: {why}")
        if time.monotonic() > deadline:
            raise JobTimeout("the job ran longer than its kind may; its processes were ended")
        if select.select([pipe], [], [], _LOOK)[0]:
            part = os.read(pipe, 65536)
            if not part:
                return b"".join(parts)
            parts.append(part)


def _result(answer: bytes, code: int, handler: Handler) -> Any:
    if not answer:
        if code == -signal.SIGXCPU:
            raise JobTimeout("the job used more processor time than its kind may")
        raise ChildCrashed(f"the job's process ended without an answer ({_ending(code)})")
    found = json.loads(answer)
    if "error" not in found:
        return found["result"]
    error = found["error"]
    if error["code"] == OutOfMemory.code:
        raise OutOfMemory(f"the job needed more than {handler.memory} bytes" if handler.memory else error["message"])
    raise ChildFailed(error["code"], error["message"], permanent=error["permanent"])


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit {code}"


def do_job(host: Host, id: UUID, fence: int, pipe: int) -> None:
    """Do one job in this process and write the answer to a pipe; what the parent's command calls.

    Raises:
        StaleFence: the job is no longer held at this fence.
    """
    _die_with_parent()
    job = _claimed(id, fence)
    handler = handlers.named(job.kind)
    tenancy.reach(job.tenant)
    _limit(handler)
    try:
        value = handler.call(JobContext(host, job, handler, gone=lambda: ""))
        document = {"result": json.loads(outcomes.succeeded(job, value).result)}
    except Exception as exc:  # noqa: BLE001 - whatever the handler raises is the answer
        code, words = outcomes.problem(exc)
        document = {"error": {"code": code, "message": words, "permanent": outcomes.permanent(exc)}}
    with os.fdopen(pipe, "wb") as file:
        file.write(json.dumps(document).encode())


def _claimed(id: UUID, fence: int) -> Claimed:
    row = Job.objects.filter(id=id, fence=fence, state=State.RUNNING).first()
    if row is None:
        raise StaleFence(f"job {id} is no longer held at fence {fence}")
    return Claimed(row.id, row.tenant, row.kind, row.args, row.fence, row.attempts, row.max_attempts, row.principal)


def _die_with_parent() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise UsageError("a job in a process of its own needs Linux (prctl)")


def _limit(handler: Handler) -> None:
    processors = os.cpu_count() or 1
    seconds = int(handler.timeout * processors) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if handler.memory:
        resource.setrlimit(resource.RLIMIT_AS, (handler.memory, handler.memory))
