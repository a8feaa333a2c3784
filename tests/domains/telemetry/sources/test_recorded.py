"""The recorded pairs that are shipped: small, nameless, and what their README says they are."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from trueup.domains.telemetry.engine.compare import CompareConfig, compare
from trueup.domains.telemetry.engine.result import Comparison
from trueup.domains.telemetry.sources.recorded import recorded
from trueup.domains.telemetry.sources.tabular import open_table
from trueup.kernel.words import Verdict

FILES = [*recorded("clean"), *recorded("drifted")]


def compared(pair: str, folder: Path) -> Comparison:
    baseline, run = recorded(pair)
    with open_table(baseline, workdir=folder) as one, open_table(run, workdir=folder) as other:
        return compare(one, other, config=CompareConfig())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recording_is_small_and_holds_its_process_tree(path: Path, tmp_path: Path) -> None:
    assert path.stat().st_size <= 40 * 1024
    with open_table(path, workdir=tmp_path) as table:
        assert 200 <= table.rows <= 300
        assert {"tree_cpu_percent", "tree_rss_bytes", "cpu_percent", "memory_used_bytes"} <= set(table.numeric)
        assert [item.name for item in table.excluded] == ["time_ms"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recording_holds_numbers_only(path: Path) -> None:
    schema = pq.read_schema(path)
    assert {str(kind) for kind in schema.types} == {"int64", "double"}
    assert set(schema.metadata or {}) <= {b"rate", b"late", b"skipped"}


def test_the_busy_recording_burns_a_core_and_holds_its_memory(tmp_path: Path) -> None:
    baseline, run = recorded("drifted")
    with open_table(baseline, workdir=tmp_path) as idle, open_table(run, workdir=tmp_path) as busy:
        assert float(np.mean(idle.column("tree_cpu_percent").values)) < 5
        assert float(np.mean(busy.column("tree_cpu_percent").values)) > 80
        assert float(np.max(idle.column("tree_rss_bytes").values)) < 64 << 20
        assert float(np.min(busy.column("tree_rss_bytes").values)) > 512 << 20


def test_the_clean_pair_passes(tmp_path: Path) -> None:
    comparison = compared("clean", tmp_path)
    assert (comparison.verdict, comparison.findings) == (Verdict.PASS, ())


def test_the_drifted_pair_is_found_and_names_the_process_tree(tmp_path: Path) -> None:
    comparison = compared("drifted", tmp_path)
    assert comparison.verdict is Verdict.PASS_WITH_DRIFT
    assert {"tree_cpu_percent", "tree_rss_bytes"} <= {finding.metric for finding in comparison.findings}
