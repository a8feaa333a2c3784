"""The sampler measures a real machine and real processes; its arithmetic never makes up a number."""

import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.telemetry.sources.host import HostSample, coarse_modes, sample_host
from trueup.domains.telemetry.sources.parquet_writer import write_parquet
from trueup.domains.telemetry.sources.probes import MACHINE, Probe, ProcessTree, Reading, available
from trueup.domains.telemetry.sources.rates import Cpu, cpu_percent, rate, tree_cpu_seconds
from trueup.domains.telemetry.sources.tabular import open_table
from trueup.kernel.errors import NotFound, StorageFull, UsageError

WORKLOAD = [sys.executable, "-m", "trueup.domains.telemetry.sources.workload"]


class FakeTime:
    """A clock that moves only when it is slept on, or told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def counting(clock: FakeTime, *, per_second: float = 10.0, delay: float = 0.0) -> Probe:
    def read() -> Reading:
        clock.now += delay
        return Reading(gauges={"gauge": 7.0}, counters={"count_per_s": clock.now * per_second})

    return Probe("counter", read, "nothing to count")


def sampled(clock: FakeTime, *probes: Probe, seconds: float = 2.0, rate: float = 10.0) -> HostSample:
    return sample_host(seconds=seconds, rate=rate, clock=clock, sleep=clock.sleep, wall=lambda: 1.7e9, probes=probes)


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([*WORKLOAD, "--seconds", "20", "--memory-mib", "64", "--cpu", "1"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield process
    process.terminate()
    process.communicate()


def test_rows_are_stamped_in_epoch_milliseconds_at_the_asked_rate() -> None:
    clock = FakeTime()
    sample = sampled(clock, counting(clock))
    assert sample.time_ms.dtype == np.int64
    assert sample.time_ms.tolist() == [1_700_000_000_000 + 100 * tick for tick in range(1, 21)]
    assert (sample.late, sample.skipped, sample.notes) == (0, 0, ())


def test_counters_become_rates_over_the_time_that_really_passed() -> None:
    clock = FakeTime()
    assert sampled(clock, counting(clock, delay=0.01)).columns["count_per_s"] == pytest.approx(np.full(20, 10.0))


def test_ticks_keep_to_their_deadlines_and_do_not_drift() -> None:
    clock = FakeTime()
    sample = sampled(clock, counting(clock, delay=0.03), seconds=10)
    assert sample.time_ms[-1] - sample.time_ms[0] == 9900


def test_late_ticks_are_counted_and_hopeless_ones_left_out() -> None:
    clock = FakeTime()
    sample = sampled(clock, counting(clock, delay=0.16), seconds=10)
    assert sample.late > 0
    assert sample.skipped > 0
    assert len(sample.time_ms) + sample.skipped == 100
    assert f"{sample.late} came late and {sample.skipped} were left out" in sample.notes[0]
    assert sample.columns["count_per_s"] == pytest.approx(np.full(len(sample.time_ms), 10.0))


def test_a_counter_that_was_reset_gives_a_missing_cell_and_no_spike() -> None:
    clock, values = FakeTime(), iter([100.0, 100.0, 110.0, 3.0, 13.0, 23.0])
    sample = sampled(clock, Probe("disk", lambda: Reading(counters={"reads_per_s": next(values)}), ""), seconds=0.4)
    assert sample.columns["reads_per_s"] == pytest.approx([100.0, math.nan, 100.0, 100.0], nan_ok=True)


def test_a_probe_that_fails_on_the_way_gives_missing_cells_only() -> None:
    clock, answers = FakeTime(), iter([1.0, 1.0, None, 3.0, 4.0])

    def read() -> Reading:
        answer = next(answers)
        if answer is None:
            raise OSError("gone")
        return Reading(gauges={"a": answer}, counters={"b_per_s": answer})

    sample = sampled(clock, Probe("x", read, ""), counting(clock), seconds=0.3)
    assert sample.columns["a"] == pytest.approx([math.nan, 3.0, 4.0], nan_ok=True)
    assert sample.columns["b_per_s"] == pytest.approx([math.nan, math.nan, 10.0], nan_ok=True)
    assert sample.columns["gauge"].tolist() == [7.0, 7.0, 7.0]


def test_absent_sensors_are_excluded_with_their_reason() -> None:
    def broken() -> Reading:
        raise NotImplementedError

    def slow() -> Reading:
        time.sleep(0.01)
        return Reading(gauges={"battery_percent": 50.0})

    kept, excluded = available(
        (Probe("swap", Reading, "no swap"), Probe("load", broken, "no load"), Probe("battery", slow, ""), *MACHINE[:1])
    )
    assert [probe.name for probe in kept] == ["cpu"]
    assert {item.name: item.reason.split(":")[0] for item in excluded if item.name != "battery"} == {
        "swap": "no swap",
        "load": "no load",
    }
    assert "too much for a sampler" in next(item.reason for item in excluded if item.name == "battery")


@pytest.mark.parametrize(
    ("seconds", "per_second"), [(0, 10), (-1, 10), (1, 0), (1, 1000), (90_000, 1), (math.nan, 1), (1, math.nan), (0.01, 1)]
)
def test_a_span_or_rate_that_makes_no_sense_is_refused(seconds: float, per_second: float) -> None:
    with pytest.raises(UsageError):
        sample_host(seconds=seconds, rate=per_second)


@pytest.mark.parametrize("pid", [2**22 + 7, 10**30, -5])
def test_a_process_that_does_not_exist_is_not_found(pid: int) -> None:
    with pytest.raises(NotFound, match=str(pid)):
        sample_host(seconds=1, rate=10, pid=pid)


def test_without_a_process_no_tree_is_sampled() -> None:
    sample = sample_host(seconds=0.3, rate=10)
    assert not [name for name in sample.columns if name.startswith("tree_")]
    assert {"cpu_percent", "memory_used_bytes", "context_switches_per_s"} <= sample.columns.keys()
    assert 0 <= float(np.nanmin(sample.columns["cpu_percent"])) <= float(np.nanmax(sample.columns["cpu_percent"])) <= 100
    modes = [values for name, values in sample.columns.items() if name.startswith("cpu_") and name != "cpu_percent"]
    total = float(np.nansum(modes, axis=0)[-1])
    assert total <= 100.0 + 1e-6
    # A mode that a tick of the kernel's clock cannot resolve is left out, with its reason: its share is then missing here.
    if not any(item.name.startswith("cpu_") for item in sample.excluded):
        assert total == pytest.approx(100.0)


def test_a_busy_process_tree_shows_its_children_s_cpu_and_its_memory(busy: subprocess.Popen[bytes]) -> None:
    def spent() -> float:
        of_each = [one.cpu_times() for one in (root, *root.children(recursive=True))]
        return sum(one.user + one.system for one in of_each)

    root = psutil.Process(busy.pid)
    before, began = spent(), time.monotonic()
    sample = sample_host(seconds=1.5, rate=10, pid=busy.pid)
    really = (spent() - before) / (time.monotonic() - began) * 100  # a loaded machine gives it less than a whole processor
    tree = sample.columns
    assert really > 1
    assert float(np.nanmean(tree["tree_cpu_percent"])) == pytest.approx(really, rel=0.5)
    assert float(tree["tree_rss_bytes"][-1]) > 64 << 20
    assert float(tree["tree_processes"][-1]) >= 2
    assert float(tree["tree_threads"][-1]) >= 2


def test_an_idle_process_tree_burns_nothing() -> None:
    process = subprocess.Popen([*WORKLOAD, "--seconds", "20", "--idle"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        tree = sample_host(seconds=1, rate=10, pid=process.pid).columns
        assert float(np.nanmean(tree["tree_cpu_percent"])) < 5
        assert float(tree["tree_rss_bytes"][-1]) < 64 << 20
        assert tree["tree_processes"].tolist() == [1.0] * 10
    finally:
        process.terminate()
        process.communicate()


def test_a_tree_that_ends_leaves_missing_cells_and_says_so() -> None:
    process = subprocess.Popen([*WORKLOAD, "--seconds", "0.4", "--idle"])
    sample = sample_host(seconds=1.5, rate=10, pid=process.pid)
    process.wait()
    assert math.isnan(sample.columns["tree_rss_bytes"][-1])
    assert "ended before the sampling" in next(item.reason for item in sample.excluded if item.name == "tree_*")


def test_children_that_come_and_go_never_make_a_negative_rate() -> None:
    code = "import subprocess,sys,time\nwhile True: subprocess.run([sys.executable,'-Sc','sum(range(300000))'])"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        used = sample_host(seconds=1.5, rate=20, pid=process.pid).columns["tree_cpu_percent"]
        assert float(np.nanmin(used)) >= 0
        assert 20 < float(np.nanmean(used)) < 150
    finally:
        process.terminate()
        process.wait()


def test_a_descendant_that_lost_its_parent_is_still_counted() -> None:
    inner = "import time; time.sleep(20)"
    code = f"import subprocess,sys,time\nsubprocess.Popen([sys.executable,'-c',{inner!r}])\ntime.sleep(20)"
    outer = (
        f"import subprocess,sys,time\np=subprocess.Popen([sys.executable,'-c',{code!r}])\n"
        "time.sleep(1.2)\np.kill()\np.wait()\ntime.sleep(20)"
    )
    process = subprocess.Popen([sys.executable, "-c", outer])
    try:
        tree = ProcessTree(process.pid, clock=time.monotonic)
        counts: list[float] = []
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline and not (max(counts, default=0) == 3 and counts[-1] == 2):
            counts.append(tree.read().processes)
            time.sleep(0.05)
        assert (max(counts), counts[-1]) == (3.0, 2.0)
        orphans = [
            member
            for member in psutil.process_iter(["cmdline"])
            if member.info["cmdline"] and member.info["cmdline"][-1] == inner
        ]
    finally:
        process.kill()
        process.wait()
    for orphan in orphans:
        orphan.kill()


def test_the_sampler_costs_at_most_a_tenth_of_a_core_at_ten_hertz() -> None:
    before = time.process_time()
    sample_host(seconds=2, rate=10, pid=os.getpid())
    assert time.process_time() - before < 0.2


def test_shares_of_the_modes_add_up_and_a_clock_run_backwards_gives_missing_cells() -> None:
    before = {"user": 10.0, "idle": 90.0, "iowait": 0.0}
    assert cpu_percent(before, {"user": 13.0, "idle": 96.0, "iowait": 1.0}) == pytest.approx(
        {"cpu_percent": 30.0, "cpu_user_percent": 30.0, "cpu_idle_percent": 60.0, "cpu_iowait_percent": 10.0}
    )
    for after in ({"user": 13.0, "idle": 89.0, "iowait": 0.0}, before):
        assert all(math.isnan(value) for value in cpu_percent(before, after).values())


@pytest.mark.parametrize(
    ("previous", "current", "elapsed"), [(5.0, 3.0, 1.0), (None, 3.0, 1.0), (5.0, None, 1.0), (5.0, 6.0, 0.0)]
)
def test_a_rate_that_cannot_be_known_is_missing(previous: float | None, current: float | None, elapsed: float) -> None:
    assert math.isnan(rate(previous, current, elapsed))


def test_a_child_s_time_is_counted_once_when_its_parent_takes_it_over() -> None:
    parent, child = (1, 0.0), (2, 0.0)
    before = {parent: Cpu(1.0, 0.0), child: Cpu(5.0, 0.0)}
    assert tree_cpu_seconds(before, {parent: Cpu(1.25, 5.5)}) == pytest.approx(0.75)
    assert tree_cpu_seconds(before, {parent: Cpu(1.25, 0.0)}) == pytest.approx(0.25)


cpu = st.builds(Cpu, st.floats(0, 1e6), st.floats(0, 1e6))
processes = st.dictionaries(st.tuples(st.integers(1, 5), st.just(0.0)), cpu)


@given(processes, processes)
def test_a_process_tree_never_uses_negative_time(
    before: dict[tuple[int, float], Cpu], after: dict[tuple[int, float], Cpu]
) -> None:
    assert tree_cpu_seconds(before, after) >= 0


def test_a_sample_is_written_whole_and_read_back_as_a_table(tmp_path: Path) -> None:
    path = tmp_path / "it's a 'sample'.parquet"
    columns = {"a": np.array([1.0, math.nan, 3.0]), 'odd "name"': np.array([3.0, 1.0, 2.0])}
    sample = HostSample(np.array([1_700_000_000_000, 1_700_000_000_100, 1_700_000_000_200]), columns, (), 10.0, 1, 2)
    write_parquet(sample, path)
    assert list(tmp_path.iterdir()) == [path]
    with open_table(path, workdir=tmp_path) as table:
        assert list(table.numeric) == ["a", 'odd "name"']
        assert [item.name for item in table.excluded] == ["time_ms"]
        assert (table.column("a").values.tolist(), table.column("a").missing) == ([1.0, 3.0], 1)
    with duckdb.connect() as connection:
        described = connection.execute("describe select * from read_parquet(?)", [str(path)]).fetchall()
    assert [row[1] for row in described] == ["BIGINT", "DOUBLE", "DOUBLE"]


def test_an_older_file_stays_as_it_was_when_writing_fails(tmp_path: Path) -> None:
    sample = HostSample(np.array([1]), {}, (), 10.0, 0, 0)
    with pytest.raises(NotFound):
        write_parquet(sample, tmp_path / "none" / "x.parquet")
    with pytest.raises(UsageError):
        write_parquet(sample, tmp_path)
    with pytest.raises(UsageError):
        write_parquet(sample, Path("/proc/x.parquet"))
    assert list(tmp_path.iterdir()) == []


def test_a_sample_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    rows = 40_000
    noise = np.random.default_rng(1).random(rows)
    sample = HostSample(np.arange(rows), {"a": noise}, (), 10.0, 0, 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, hard))
    try:
        with pytest.raises(StorageFull):
            write_parquet(sample, tmp_path / "x.parquet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_sample_without_metrics_is_a_file_with_its_times(tmp_path: Path) -> None:
    write_parquet(HostSample(np.array([5, 6]), {}, (), 10.0, 0, 0), tmp_path / "x.parquet")
    with open_table(tmp_path / "x.parquet", workdir=tmp_path) as table:
        assert (table.rows, table.numeric) == (2, ())


def test_a_seldom_cpu_mode_is_excluded_where_a_tick_is_too_coarse_for_the_rate():
    coarse = coarse_modes(10, tick=0.01, processors=2)
    assert [item.name for item in coarse] == [f"cpu_{mode}_percent" for mode in ("iowait", "irq", "softirq", "steal", "nice")]
    assert "one tick is 5 % of this machine" in coarse[0].reason


@pytest.mark.parametrize(("rate", "processors"), [(1, 2), (10, 64), (2, 2)])
def test_a_cpu_mode_is_kept_where_a_tick_is_fine_enough(rate, processors):
    assert coarse_modes(rate, tick=0.01, processors=processors) == ()
