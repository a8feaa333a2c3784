"""All kinds of jobs by name, and who is told of which events."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from trueup.kernel.errors import ConfigurationError, NotFound, UsageError
from trueup.kernel.work.engine.backoff import Backoff

if TYPE_CHECKING:
    from trueup.kernel.work.claims import Claimed
    from trueup.kernel.work.context import JobContext

type Function = Callable[["JobContext"], Mapping[str, Any] | None]
type Portion = Sequence[tuple["JobContext", Mapping[str, Any] | BaseException | None]]
type Together = Callable[[Sequence["JobContext"]], Iterator[Portion]]


@dataclass(frozen=True, slots=True)
class Handler:
    """What does jobs of one kind.

    Args:
        kind: dotted name, the room first (``automation.check``).
        call: does one job; called again after a crash, so its outside effects carry idempotency keys.
        max_attempts: tries before a job becomes a dead letter.
        timeout: seconds that one attempt may take.
        memory: bytes of address space of its process; 0 for no limit; needs ``child``.
        child: run in a fresh process that can be ended at any moment.
        backoff: waits between attempts.
        submittable: may be asked for from outside; other kinds come from actions, schedules of actions and events.
        args: model that its args must fit; None where any will do.
        for_nobody: it acts for nobody (a delivery): it is done even when who caused it is gone.
        batch: most jobs of one tenant and principal that ``together`` does in one call.
        together: does several jobs; yields the outcome of each, its result or its error, as they come. A lone job is done by
            ``call``: nobody waits for company.
        joins: which jobs of the kind can be done together; all of them where nothing is said.
    """

    kind: str
    call: Function
    max_attempts: int = 5
    timeout: float = 300.0
    memory: int = 0
    child: bool = False
    backoff: Backoff = field(default_factory=Backoff)
    submittable: bool = False
    args: type[BaseModel] | None = None
    for_nobody: bool = False
    batch: int = 1
    together: Together | None = None
    joins: Callable[["Claimed"], bool] = lambda _job: True

    def most(self, job: "Claimed") -> int:
        """Return how many jobs like this one are done in one call."""
        return self.batch if self.batch > 1 and self.joins(job) else 1

    def require_args(self, args: Mapping[str, Any]) -> None:
        """Check that args fit.

        Raises:
            UsageError: they do not; names the first field that is wrong.
        """
        if self.args is None:
            return
        try:
            self.args.model_validate(args)
        except ValidationError as exc:
            first = exc.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "args"
            raise UsageError(f"{self.kind}: {where}: {first['msg']}") from None


_handlers: dict[str, Handler] = {}
_subscriptions: list[tuple[str, str]] = []
_endings: list[Callable[[], None]] = []


def handler(kind: str, **options: Any) -> Callable[[Function], Function]:
    """Register a function as what does jobs of a kind; see :class:`Handler` for the options.

    Raises:
        ConfigurationError: another function does them already, or a limit is asked for that only a process has.
    """

    def register(function: Function) -> Function:
        made = Handler(kind, function, **options)
        if made.memory and not made.child:
            raise ConfigurationError(f"{kind}: memory can be limited for a process of its own alone (child=True)")
        if (made.batch > 1) != (made.together is not None) or (made.batch > 1 and made.child):
            raise ConfigurationError(f"{kind}: batch and together belong together, and not to a process of its own")
        known = _handlers.setdefault(kind, made)
        if known.call is not function:
            raise ConfigurationError(f"two handlers do jobs of the kind {kind}")
        return function

    return register


def named(kind: str) -> Handler:
    """Return the handler of a kind.

    Raises:
        NotFound: there is none.
    """
    try:
        return _handlers[kind]
    except KeyError:
        raise NotFound(f"there is no kind of job {kind!r}", remedy="see the kinds with 'trueup job kinds'") from None


def seat(job: "Claimed") -> tuple[Hashable, int]:
    """Return what a job has in common with those that it can be done together with, and how many of them there may be."""
    return (job.kind, job.tenant, job.principal), named(job.kind).most(job)


def kinds() -> list[Handler]:
    """Return all handlers, by kind."""
    return [_handlers[kind] for kind in sorted(_handlers)]


def subscribe(pattern: str, *, kind: str) -> None:
    """Have a job of a kind made for every event whose name fits a pattern (``change.request.*``).

    The job's args are ``{"event": name, "subject": …, "data": …, "id": …}``; jobs of one kind get the events of one
    subject one after the other, in their order.
    """
    if (pattern, kind) not in _subscriptions:
        _subscriptions.append((pattern, kind))


def subscribers(event: str) -> list[str]:
    """Return the kinds that are told of an event, each once, by name."""
    return sorted({kind for pattern, kind in _subscriptions if fnmatchcase(event, pattern)})


def at_end(call: Callable[[], None]) -> None:
    """Have something called when a worker of this process ends: what handlers keep open between jobs is closed there."""
    if call not in _endings:
        _endings.append(call)


def end() -> None:
    """Close what handlers keep open."""
    for call in _endings:
        call()
