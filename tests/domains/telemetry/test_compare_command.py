"""``trueup telemetry compare``: every outcome, from the installed command on real files."""

import json
import stat
import zipfile

import numpy as np
import pytest

from tests.domains.telemetry.runfiles import write_run

rng = np.random.default_rng(20260102)
ROWS = 400


def table(path, **columns):
    names = list(columns)
    lines = [",".join(names), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def normal(mean=10.0, sd=1.0, rows=ROWS):
    return np.round(rng.normal(mean, sd, rows), 6)


@pytest.fixture
def compare(trueup, tmp_path):
    def call(baseline, run, *options):
        done = trueup("telemetry", "compare", "--baseline", baseline, "--run", run, "--json", *options)
        return done.code, done.json

    return call


@pytest.fixture
def base(tmp_path):
    return table(tmp_path / "base.csv", time=range(ROWS), a=normal(), b=normal(100, 5))


def kinds(value):
    return {(finding["metric"], finding["kind"]) for finding in value["findings"]}


def test_the_same_behaviour_passes(compare, base, tmp_path):
    code, value = compare(base, table(tmp_path / "run.csv", time=range(ROWS), a=normal(), b=normal(100, 5)))
    assert (code, value["verdict"], value["findings"]) == (0, "PASS", [])


def test_another_level_is_drift_with_a_whole_finding(compare, base, tmp_path):
    code, value = compare(base, table(tmp_path / "run.csv", time=range(ROWS), a=normal(12), b=normal(100, 5)))
    assert (code, value["verdict"], kinds(value)) == (10, "PASS_WITH_DRIFT", {("a", "level")})
    (finding,) = value["findings"]
    assert set(finding) == {
        "metric", "kind", "effect", "q_value", "onset_index", "onset_fraction", "baseline", "run", "explanation"
    }  # fmt: skip
    assert finding["effect"] == pytest.approx(2, abs=0.4)
    assert finding["q_value"] < 0.01
    assert finding["onset_index"] == 0
    assert "rose" in finding["explanation"]


def test_drift_is_fail_where_it_is_asked_to_be(compare, base, tmp_path):
    run = table(tmp_path / "run.csv", time=range(ROWS), a=normal(12), b=normal(100, 5))
    code, value = compare(base, run, "--drift-is-fail")
    assert (code, value["verdict"]) == (20, "FAIL")


@pytest.mark.parametrize("content", ["", "time,a,b\n"])
def test_an_empty_file_is_no_data(compare, base, tmp_path, content):
    (tmp_path / "run.csv").write_text(content)
    code, value = compare(base, tmp_path / "run.csv")
    assert (code, value["verdict"]) == (30, "NO_DATA")


def test_what_is_no_table_is_unreadable_and_the_line_is_named(compare, base, tmp_path):
    (tmp_path / "run.csv").write_text("a,b\n1,2\n3,4\n5\n" + "6,7\n" * 50)
    code, value = compare(base, tmp_path / "run.csv")
    assert (code, value["error"]["code"]) == (2, "UNREADABLE_INPUT")
    assert "4" in value["error"]["message"]
    (tmp_path / "run.jsonl").write_text('{"a": 1}\n{"a": 2}\nnot json\n')
    code, value = compare(base, tmp_path / "run.jsonl")
    assert (code, "3" in value["error"]["message"]) == (2, True)


@pytest.mark.parametrize("name", ["missing.csv", "folder"])
def test_what_cannot_be_read_is_unreadable(compare, base, tmp_path, name):
    (tmp_path / "folder").mkdir()
    code, value = compare(base, tmp_path / name)
    assert (code, value["error"]["code"]) == (2, "UNREADABLE_INPUT")


def test_no_common_numeric_column_is_insufficient(compare, base, tmp_path):
    code, value = compare(base, table(tmp_path / "run.csv", time=range(ROWS), other=["x"] * ROWS))
    assert (code, value["verdict"]) == (30, "INSUFFICIENT_DATA")


def test_too_few_rows_are_insufficient(compare, base, tmp_path):
    code, value = compare(base, table(tmp_path / "run.csv", time=range(3), a=normal(rows=3), b=normal(100, 5, rows=3)))
    assert (code, value["verdict"]) == (30, "INSUFFICIENT_DATA")


def test_a_missing_column_is_drift_and_a_missing_critical_one_fails(compare, base, tmp_path):
    run = table(tmp_path / "run.csv", time=range(ROWS), a=normal())
    code, value = compare(base, run)
    assert (code, value["verdict"], kinds(value)) == (10, "PASS_WITH_DRIFT", {("b", "missing")})
    code, value = compare(base, run, "--critical", "b")
    assert (code, value["verdict"]) == (20, "FAIL")


def test_a_critical_metric_that_neither_file_has_is_never_a_pass(compare, base, tmp_path):
    run = table(tmp_path / "run.csv", time=range(ROWS), a=normal(), b=normal(100, 5))
    assert compare(base, run, "--critical", "nowhere")[0] != 0


def test_an_extra_column_is_noted(compare, base, tmp_path):
    run = table(tmp_path / "run.csv", time=range(ROWS), a=normal(), b=normal(100, 5), extra=normal())
    code, value = compare(base, run)
    assert (code, value["verdict"]) == (0, "PASS")
    assert any("extra" in note for note in value["notes"])


def test_the_time_column_is_recognised_and_never_compared(compare, base, tmp_path):
    run = table(tmp_path / "run.csv", time=range(10_000, 10_000 + ROWS), a=normal(), b=normal(100, 5))
    code, value = compare(base, run)
    assert (code, value["verdict"]) == (0, "PASS")
    assert [item["name"] for item in value["excluded"]] == ["time"]
    assert "time" in value["excluded"][0]["reason"]


def test_a_constant_that_stays_passes_and_one_that_changes_is_drift(compare, tmp_path):
    base = table(tmp_path / "base.csv", a=normal(), c=[5] * ROWS)
    code, value = compare(base, table(tmp_path / "same.csv", a=normal(), c=[5] * ROWS))
    assert (code, value["verdict"]) == (0, "PASS")
    code, value = compare(base, table(tmp_path / "run.csv", a=normal(), c=[6] * ROWS))
    assert (code, kinds(value)) == (10, {("c", "constant_changed")})


def test_text_in_a_numeric_column_is_quarantined_and_above_one_percent_fails(compare, base, tmp_path):
    few, many = list(normal()), list(normal())
    few[7] = "broken"
    for row in range(0, 40, 4):
        many[row] = "broken"
    code, value = compare(base, table(tmp_path / "few.csv", time=range(ROWS), a=few, b=normal(100, 5)))
    assert (code, value["verdict"]) == (0, "PASS")
    metric = next(m for m in value["metrics"] if m["metric"] == "a")
    assert "1" in json.dumps(metric["run"]["quarantined"])
    code, value = compare(base, table(tmp_path / "many.csv", time=range(ROWS), a=many, b=normal(100, 5)))
    assert (code, value["verdict"], ("a", "quarantine") in kinds(value)) == (20, "FAIL", True)


@pytest.mark.parametrize("extension", ["parquet", "jsonl"])
def test_parquet_and_jsonl_are_read_like_csv(compare, base, tmp_path, extension):
    import duckdb

    drifted = table(tmp_path / "run.csv", time=range(ROWS), a=normal(12), b=normal(100, 5))
    paths = []
    for source in (base, drifted):
        path = source.with_suffix(f".{extension}")
        form = "parquet" if extension == "parquet" else "json"
        duckdb.sql(f"copy (select * from read_csv('{source}')) to '{path}' (format {form})")
        paths.append(path)
    code, value = compare(*paths)
    assert (code, kinds(value)) == (10, {("a", "level")})


def test_facts_entry_report_document_and_pack_are_made(trueup, compare, base, tmp_path):
    run = table(tmp_path / "run.csv", time=range(ROWS), a=normal(12), b=normal(100, 5))
    assert compare(base, run, "--out", tmp_path / "out", "--subject", "bench-7")[0] == 10
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"report.html", "comparison.json", "pack.zip"}
    assert json.loads((tmp_path / "out" / "comparison.json").read_bytes())["verdict"] == "PASS_WITH_DRIFT"
    facts = {f["predicate"]: f["value"] for f in trueup("fact", "list", "--subject", "bench-7", "--json").json["facts"]}
    assert (facts["telemetry.verdict@1"], facts["telemetry.findings@1"]) == ("PASS_WITH_DRIFT", 1)
    assert trueup("evidence", "verify", tmp_path / "out" / "pack.zip").code == 0
    with zipfile.ZipFile(tmp_path / "out" / "pack.zip") as pack:
        names = sorted(n.rsplit("/", 1)[-1] for n in pack.namelist() if n.startswith("artifacts/"))
    assert names == ["baseline-base.csv", "comparison.json", "report.html", "run-run.csv"]
    fact = trueup("fact", "list", "--json").json["facts"][0]
    shown = trueup("fact", "show", fact["id"], "--json").json
    assert shown["value"] == fact["value"]
    entry = json.loads(trueup("evidence", "log", "prove", shown["entry"], "--json").json["entry"])
    assert (entry["action"], entry["note"]["verdict"]) == ("telemetry.comparison.create", "PASS_WITH_DRIFT")


def test_the_output_folder_may_exist_and_is_never_read(compare, base, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "comparison.json").write_text("older")
    (out / "mine.txt").write_text("stays")
    run = table(tmp_path / "run.csv", time=range(ROWS), a=normal(), b=normal(100, 5))
    for _ in range(2):
        assert compare(base, run, "--out", out)[0] == 0
    assert json.loads((out / "comparison.json").read_bytes())["verdict"] == "PASS"
    assert (out / "mine.txt").read_text() == "stays"
    assert stat.S_ISREG((out / "report.html").stat().st_mode)


def test_inputs_are_kept_as_asked(compare, base, tmp_path):
    run = table(tmp_path / "run.csv", time=range(ROWS), a=normal(), b=normal(100, 5))
    assert len(compare(base, run, "--keep-inputs", "never")[1]["artifacts"]) == 2
    assert len(compare(base, run, "--keep-inputs", "always")[1]["artifacts"]) == 4


@pytest.mark.requirement("telemetry:9.9-verdict")
def test_exactly_the_three_changed_metrics_of_ten_are_flagged(compare, tmp_path):
    rows = 50_000
    means = [10, 20, 5, 100, 1, 0.5, 37, 1013, 3.3, 42]
    stamps = 1_700_000_000_000 + np.arange(rows) * 100

    def columns(seed):
        local = np.random.default_rng(seed)
        return {f"m{i:02d}": np.round(mean * (1 + 0.02 * local.standard_normal(rows)), 6) for i, mean in enumerate(means)}

    base, clean, drift = columns(1), columns(2), columns(3)
    drift["m00"] = drift["m00"] * 1.15
    drift["m01"] = 20 + (drift["m01"] - 20) * 4
    drift["m02"][int(rows * 0.9) :] *= 1.5
    paths = [table(tmp_path / f"{n}.csv", stamp=stamps, **c) for n, c in (("base", base), ("clean", clean), ("drift", drift))]
    assert compare(paths[0], paths[1])[1]["verdict"] == "PASS"
    code, value = compare(paths[0], paths[2])
    assert (code, {f["metric"] for f in value["findings"]}) == (10, {"m00", "m01", "m02"})
    onset = next(f for f in value["findings"] if f["metric"] == "m02" and f["kind"] == "level")
    assert onset["onset_fraction"] == pytest.approx(0.9, abs=0.01)


def test_the_host_is_sampled_into_a_file_that_compares(trueup, compare, tmp_path):
    import os

    done = trueup("telemetry", "host", "--seconds", "3", "--rate", "10", "--pid", os.getpid(), "--out", "host.parquet", "--json")
    assert done.code == 0, done.err
    assert done.json["rows"] > 20
    assert {"tree_cpu_percent", "tree_rss_bytes"} <= set(done.json["metrics"])
    _, value = compare(tmp_path / "host.parquet", tmp_path / "host.parquet")
    assert (value["findings"], "time_ms" in {e["name"] for e in value["excluded"]}) == ([], True)
    assert trueup("telemetry", "host", "--seconds", "1", "--pid", "999999999", "--out", "x.parquet").code == 4


def test_a_registry_names_the_metrics_and_holds_them_to_their_limits(trueup, tmp_path):
    for name in ("a", "b"):
        write_run(tmp_path / f"{name}.csv", ord(name))
    (tmp_path / "registry.yaml").write_text(
        "version: '1'\nmetrics:\n  bus_voltage: {aliases: [volt], unit: V, fail_threshold: 12.2}\n"
    )
    args = ("telemetry", "compare", "--baseline", tmp_path / "a.csv", "--run", tmp_path / "b.csv")
    assert trueup(*args).code == 0
    done = trueup("--json", *args, "--registry", tmp_path / "registry.yaml")
    assert (done.code, [(f["metric"], f["kind"]) for f in done.json["findings"]]) == (20, [("bus_voltage", "limit")])
    (tmp_path / "registry.yaml").write_text("version: '1'\nmetrics:\n  x: {units: V}\n")
    bad = trueup(*args, "--registry", tmp_path / "registry.yaml")
    assert (bad.code, "registry.yaml:3" in bad.err) == (3, True)
