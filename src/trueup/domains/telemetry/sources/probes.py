"""What a machine and a process tree say about themselves: raw gauges and counters, read through psutil.

A probe returns *gauges* (values that mean something by themselves) and *counters* (values that only mean something
as a difference over time). Turning counters into rates is arithmetic and lives in ``rates``.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import psutil

from trueup.domains.telemetry.engine.table import Excluded
from trueup.domains.telemetry.sources.rates import Cpu, ProcessKey

_CPU_MODES = ("user", "system", "idle", "iowait", "irq", "softirq", "steal", "nice")
_UNAVAILABLE = (AttributeError, NotImplementedError, OSError, RuntimeError, ValueError, psutil.Error)
_SLOW_SENSOR_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Reading:
    """What one probe said at one moment.

    Args:
        gauges: metric name to value.
        counters: metric name of the *rate* to the counter's running value.
        cpu: CPU mode to running seconds; becomes percentages of the machine.
    """

    gauges: Mapping[str, float] = field(default_factory=dict)
    counters: Mapping[str, float] = field(default_factory=dict)
    cpu: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probe:
    """A named source of readings.

    Args:
        name: what it measures, as it stands in an exclusion.
        read: takes the reading now; raises, or returns an empty reading, where the machine has no such thing.
        absent: the reason to give when there is nothing to read.
    """

    name: str
    read: Callable[[], Reading]
    absent: str


def _cpu() -> Reading:
    times = psutil.cpu_times()
    return Reading(cpu={mode: float(getattr(times, mode)) for mode in _CPU_MODES if hasattr(times, mode)})


def _load() -> Reading:
    return Reading(gauges={"load_1m": psutil.getloadavg()[0]})


def _memory() -> Reading:
    memory = psutil.virtual_memory()
    return Reading(gauges={"memory_used_bytes": float(memory.used), "memory_available_bytes": float(memory.available)})


def _swap() -> Reading:
    swap = psutil.swap_memory()
    if not swap.total:
        return Reading()
    return Reading(
        gauges={"swap_used_bytes": float(swap.used)},
        counters={"swap_in_bytes_per_s": float(swap.sin), "swap_out_bytes_per_s": float(swap.sout)},
    )


def _disk() -> Reading:
    disk = psutil.disk_io_counters()
    if disk is None:
        return Reading()
    return Reading(
        counters={
            "disk_read_bytes_per_s": float(disk.read_bytes),
            "disk_write_bytes_per_s": float(disk.write_bytes),
            "disk_reads_per_s": float(disk.read_count),
            "disk_writes_per_s": float(disk.write_count),
        }
    )


def _network() -> Reading:
    network = psutil.net_io_counters()
    if not network:
        return Reading()
    return Reading(
        counters={
            "network_received_bytes_per_s": float(network.bytes_recv),
            "network_sent_bytes_per_s": float(network.bytes_sent),
            "network_received_packets_per_s": float(network.packets_recv),
            "network_sent_packets_per_s": float(network.packets_sent),
        }
    )


def _kernel() -> Reading:
    stats = psutil.cpu_stats()
    return Reading(counters={"context_switches_per_s": float(stats.ctx_switches), "interrupts_per_s": float(stats.interrupts)})


def _processes() -> Reading:
    return Reading(gauges={"process_count": float(len(psutil.pids()))})


def _temperature() -> Reading:
    sensors = psutil.sensors_temperatures()
    values = [entry.current for entries in sensors.values() for entry in entries if entry.current is not None]
    return Reading(gauges={"temperature_max_celsius": max(values)} if values else {})


def _battery() -> Reading:
    battery = psutil.sensors_battery()
    return Reading(gauges={"battery_percent": float(battery.percent)} if battery else {})


MACHINE = (
    Probe("cpu", _cpu, "this machine reports no CPU times"),
    Probe("load", _load, "this machine reports no load average"),
    Probe("memory", _memory, "this machine reports no memory use"),
    Probe("swap", _swap, "this machine has no swap"),
    Probe("disk", _disk, "this machine reports no disk counters (usual in containers)"),
    Probe("network", _network, "this machine reports no network counters"),
    Probe("kernel", _kernel, "this machine reports no context switches"),
    Probe("process_count", _processes, "this machine does not list its processes"),
    Probe("temperature", _temperature, "this machine reports no temperature sensor"),
    Probe("battery", _battery, "this machine reports no battery"),
)


def available(probes: tuple[Probe, ...]) -> tuple[tuple[Probe, ...], tuple[Excluded, ...]]:
    """Try each probe once and keep those that answer, fast enough to be asked ten times a second.

    The two sensors that walk the device tree are left out when one reading costs more than 2 ms: a sampler
    that is itself the load measures itself.
    """
    kept: list[Probe] = []
    excluded: list[Excluded] = []
    for probe in probes:
        started = time.perf_counter()
        try:
            reading = probe.read()
        except _UNAVAILABLE as error:
            excluded.append(Excluded(probe.name, f"{probe.absent}: {type(error).__name__}"))
            continue
        cost = time.perf_counter() - started
        if not (reading.gauges or reading.counters or reading.cpu):
            excluded.append(Excluded(probe.name, probe.absent))
        elif probe.name in {"temperature", "battery"} and cost > _SLOW_SENSOR_SECONDS:
            excluded.append(Excluded(probe.name, f"one reading costs {cost * 1000:.1f} ms, too much for a sampler"))
        else:
            kept.append(probe)
    return tuple(kept), tuple(excluded)


def safely(probe: Probe) -> Reading:
    """Read a probe; a reading that fails in mid-run gives missing cells, not the end of the run."""
    try:
        return probe.read()
    except _UNAVAILABLE:
        return Reading()


@dataclass(frozen=True, slots=True)
class TreeReading:
    """A process tree at one moment: CPU seconds per process, and the sums over all that are alive."""

    cpu: Mapping[ProcessKey, Cpu]
    rss_bytes: float
    threads: float
    processes: float


class ProcessTree:
    """A process and all its descendants, those included that lose their parent while they are watched.

    Looking for new descendants reads the whole process list. It is done as often as it costs at most two per cent
    of the time; on a machine with few processes that is every tick.

    Raises:
        psutil.NoSuchProcess: there is no such process at the start.
    """

    _SEARCH_SHARE = 0.02

    def __init__(self, pid: int, *, clock: Callable[[], float]) -> None:
        self._root = psutil.Process(pid)
        self._clock = clock
        self._members: dict[ProcessKey, psutil.Process] = {}
        self._search_at = clock()
        self._add(self._root)

    def _add(self, process: psutil.Process) -> None:
        self._members.setdefault((process.pid, process.create_time()), process)

    def _search(self) -> None:
        now = self._clock()
        if now < self._search_at:
            return
        started = time.perf_counter()
        for member in tuple(self._members.values()):
            if member.pid == self._root.pid or not self._is_descendant(member):
                self._add_children(member)
        self._search_at = now + (time.perf_counter() - started) / self._SEARCH_SHARE

    def _is_descendant(self, member: psutil.Process) -> bool:
        """Tell whether the root's own search will reach this member, so that nothing is listed twice."""
        try:
            return any(parent == self._root for parent in member.parents())
        except psutil.Error:
            return True

    def _add_children(self, member: psutil.Process) -> None:
        try:
            for child in member.children(recursive=True):
                try:
                    self._add(child)
                except psutil.Error:
                    continue
        except psutil.Error:
            return

    def read(self) -> TreeReading:
        """Read all living members; those that are gone drop out of the reading."""
        self._search()
        cpu: dict[ProcessKey, Cpu] = {}
        rss = threads = alive = 0.0
        for key, process in tuple(self._members.items()):
            try:
                if not process.is_running():
                    del self._members[key]
                    continue
                with process.oneshot():
                    times = process.cpu_times()
                    memory = process.memory_info().rss
                    count = process.num_threads()
                    ended = process.status() == psutil.STATUS_ZOMBIE
            except psutil.Error:
                del self._members[key]
                continue
            reaped = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
            cpu[key] = Cpu(own=times.user + times.system, reaped=reaped)
            if ended:  # nobody has waited for it yet: only its CPU time is still to be handed on
                continue
            rss += memory
            threads += count
            alive += 1
        return TreeReading(cpu=cpu, rss_bytes=rss, threads=threads, processes=alive)
