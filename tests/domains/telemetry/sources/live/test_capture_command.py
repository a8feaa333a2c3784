"""``trueup telemetry capture`` on files: replayed, resumed, exported, removed."""

import json
import time

import pytest
from click.testing import CliRunner

from trueup.domains.telemetry.cli_live import capture as group
from trueup.domains.telemetry.sources.live.build import Asked, speed_of
from trueup.domains.telemetry.sources.live.mqtt_client import Broker, parse_broker
from trueup.domains.telemetry.sources.live.sockets import Address
from trueup.kernel.errors import UsageError


@pytest.fixture
def recorded(tmp_path):
    path = tmp_path / "recorded.jsonl"
    path.write_text("".join(json.dumps({"seq": n, "ts": 1_700_000_000 + n, "temp": n, "unit": "K"}) + "\n" for n in range(100)))
    return path


def start(trueup, path, *more, name="rec"):
    return trueup("--json", "telemetry", "capture", "start", "--source", "file_replay", "--name", name, "--path", path, *more)


@pytest.mark.requirement("telemetry:W8.2.1", "telemetry:W8.2.6")
def test_a_file_is_replayed_once_and_goes_on_where_it_stopped(trueup, recorded):
    first = start(trueup, recorded, "--max-events", 40)
    rest = start(trueup, recorded)
    again = start(trueup, recorded)
    assert [one.json["stored"] for one in (first, rest, again)] == [40, 60, 0]
    assert [one.code for one in (first, rest, again)] == [0, 0, 30]
    assert again.json["verdict"] == "NO_DATA"


def test_the_export_holds_every_value_and_is_the_same_each_time(trueup, recorded, tmp_path):
    start(trueup, recorded)
    digests = [
        trueup("--json", "telemetry", "capture", "export", "rec", "--output", tmp_path / name).json["sha256"]
        for name in ("a.jsonl", "b.jsonl")
    ]
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert digests[0] == digests[1]
    assert [(row["metric"], row["value"]) for row in rows] == [("temp", n) for n in range(100)]
    assert rows[0]["time"] == "2023-11-14T22:13:20.000000Z"


def test_the_export_to_parquet_holds_the_same_values(trueup, recorded, tmp_path):
    import duckdb

    start(trueup, recorded)
    assert trueup("telemetry", "capture", "export", "rec", "--output", tmp_path / "a.parquet").code == 0
    found = duckdb.sql(f"select count(*), sum(value), min(epoch_us(time)) from '{tmp_path}/a.parquet'").fetchall()
    assert found == [(100, 4950.0, 1_700_000_000_000_000)]


def test_a_csv_is_replayed_row_by_row_with_its_header(trueup, tmp_path):
    path = tmp_path / "rig.csv"
    path.write_text('ts,temp,note\n1700000000,1.5,"a, b"\n1700000001,2,\nbroken\n')
    assert start(trueup, path).json["dead_letters"] == 1
    trueup("telemetry", "capture", "export", "rec", "--output", tmp_path / "a.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [(row["metric"], row["value"]) for row in rows] == [("temp", 1.5), ("note", "a, b"), ("temp", 2), ("note", None)]


def test_original_speed_takes_as_long_as_was_recorded_and_a_factor_less(trueup, tmp_path):
    path = tmp_path / "slow.jsonl"
    path.write_text("".join(json.dumps({"ts": 1_700_000_000 + n, "temp": n}) + "\n" for n in range(4)))
    walls = []
    for name, speed in (("a", "original"), ("b", "max")):
        began = time.monotonic()
        assert start(trueup, path, "--speed", speed, name=name).json["stored"] == 4
        walls.append(time.monotonic() - began)
    assert walls[0] >= 3.0
    assert walls[1] < walls[0]


def test_the_host_is_captured(trueup):
    done = trueup("--json", "telemetry", "capture", "start", "--source", "host", "--name", "h", "--rate", 10, "--duration", 1)
    assert (done.code, done.json["stored"] >= 3) == (0, True)


def test_show_and_list_tell_state_and_counters(trueup, recorded):
    start(trueup, recorded)
    shown = trueup("--json", "telemetry", "capture", "show", "rec").json
    assert (shown["state"], shown["delivery"], shown["counters"]["stored"]) == ("stopped", "exactly-once", 100)
    assert [one["name"] for one in trueup("--json", "telemetry", "capture", "list").json["captures"]] == ["rec"]


def test_a_removed_capture_is_gone_and_its_entries_stay(trueup, recorded):
    start(trueup, recorded)
    assert trueup("telemetry", "capture", "remove", "rec").code == 0
    assert trueup("telemetry", "capture", "show", "rec").code == 4
    assert trueup("evidence", "log", "verify").code == 0


def test_another_tenant_does_not_see_it(trueup, recorded):
    start(trueup, recorded)
    assert trueup("tenant", "create", "other").code == 0
    assert trueup("--tenant", "other", "telemetry", "capture", "show", "rec").code == 4


@pytest.mark.parametrize(
    "args",
    [
        ("--source", "mqtt", "--name", "x"),
        ("--source", "mqtt", "--name", "x", "--broker", "mqtt://u:p@127.0.0.1", "--topic", "t"),
        ("--source", "syslog", "--name", "x"),
        ("--source", "syslog", "--name", "x", "--listen", "gopher://127.0.0.1:1"),
        ("--source", "file_replay", "--name", "x", "--path", "missing.jsonl"),
        ("--source", "host", "--name", "No Such Name"),
        ("--source", "mqtt", "--name", "x", "--broker", "mqtt://127.0.0.1", "--topic", "t", "--password-env", "NOT_SET_AT_ALL"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_a_remedy(trueup, args):
    done = trueup("--json", "telemetry", "capture", "start", *args)
    assert (done.code, bool(done.json["error"]["remedy"])) == (2, True)


def test_no_option_takes_a_password():
    text = CliRunner().invoke(group, ["start", "--help"]).output
    assert "--password-env" in text
    assert "--password " not in text


def test_a_password_is_not_in_what_is_printed_of_its_holder():
    holders = [Broker("h", 1, ("t",), "c", password="planted"), Asked("mqtt", password="planted")]
    assert "planted" not in repr(holders)


@pytest.mark.parametrize("text", ["127.0.0.1", "mqtt://", "http://x", "mqtt://h:0", "mqtt://h:port"])
def test_what_is_no_broker_is_refused(text):
    with pytest.raises(UsageError):
        parse_broker(text)


def test_addresses_of_brokers_are_read_with_their_ports():
    assert parse_broker("mqtts://broker") == ("broker", 8883, True)
    assert parse_broker("mqtt://[::1]:99") == ("::1", 99, False)


@pytest.mark.parametrize("text", ["udp://127.0.0.1:99999", "udp://", "unix://", "127.0.0.1:514"])
def test_what_is_no_address_to_listen_on_is_refused(text):
    with pytest.raises(UsageError):
        Address.parse(text)


@pytest.mark.parametrize("text", ["0", "-1", "fast", "nan"])
def test_what_is_no_speed_is_refused(text):
    with pytest.raises(UsageError):
        speed_of(text)
