"""The parsers of syslog: the RFCs' own examples, and whatever else may come."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.telemetry.sources.live.event import micros
from trueup.domains.telemetry.sources.live.syslog_parse import parse, structured


def at(*parts, zone=UTC):
    return micros(datetime(*parts, tzinfo=zone))


NOW = at(2026, 11, 21, 12)
BOM = b"\xef\xbb\xbf"


# RFC 5424, section 6.5
def test_example_1_of_rfc_5424_without_structured_data():
    found = parse(
        b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - "
        + BOM
        + b"'su root' failed for lonvick on /dev/pts/8",
        NOW,
    )
    assert (found.grammar, found.facility, found.severity) == ("rfc5424", 4, 2)
    assert found.time == at(2003, 10, 11, 22, 14, 15, 3000)
    assert (found.host, found.app, found.process, found.id) == ("mymachine.example.com", "su", "", "ID47")
    assert found.text == "'su root' failed for lonvick on /dev/pts/8"


def test_example_2_of_rfc_5424_with_an_offset_and_microseconds():
    found = parse(b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.", NOW)
    assert (found.grammar, found.facility, found.severity, found.process) == ("rfc5424", 20, 5, "8710")
    assert found.time == at(2003, 8, 24, 12, 14, 15, 3)
    assert found.text == "%% It's time to make the do-nuts."


def test_example_3_of_rfc_5424_with_structured_data():
    found = parse(
        b'<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource='
        b'"Application" eventID="1011"] ' + BOM + b"An application event log entry...",
        NOW,
    )
    assert structured(found.data) == {"exampleSDID@32473": [("iut", "3"), ("eventSource", "Application"), ("eventID", "1011")]}
    assert found.text == "An application event log entry..."


def test_example_4_of_rfc_5424_with_structured_data_alone():
    found = parse(
        b'<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource='
        b'"Application" eventID="1011"][examplePriority@32473 class="high"]',
        NOW,
    )
    assert (found.text, list(structured(found.data))) == ("", ["exampleSDID@32473", "examplePriority@32473"])


def test_a_time_of_nanoseconds_which_rfc_5424_forbids_is_raw():
    assert parse(b"<165>1 2003-08-24T05:14:15.000000003-07:00 192.0.2.1 myproc 8710 - - text", NOW).grammar == "raw"


# RFC 3164, section 5.4
def test_example_1_of_rfc_3164():
    found = parse(b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8", NOW)
    assert (found.grammar, found.facility, found.severity) == ("rfc3164", 4, 2)
    assert (found.host, found.app, found.text) == ("mymachine", "su", "'su root' failed for lonvick on /dev/pts/8")
    assert found.time == at(2026, 10, 11, 22, 14, 15)


def test_example_2_of_rfc_3164_is_no_syslog_message_and_is_kept_whole():
    found = parse(b"Use the BFG!", NOW)
    assert (found.grammar, found.text) == ("raw", "Use the BFG!")


def test_example_4_of_rfc_3164_whose_date_begins_with_the_year_is_raw():
    line = b"<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!"
    assert parse(line, NOW).grammar == "raw"


@pytest.mark.requirement("telemetry:W8.2.5")
def test_the_process_id_is_no_part_of_the_programs_name():
    found = parse(b"<13>Nov 21 12:00:00 rig app[12]: hello", NOW)
    assert (found.app, found.process, found.text) == ("app", "12", "hello")


def test_a_local_message_has_no_host():
    found = parse(b"<13>Nov 21 12:00:00 app[12]: hello", NOW)
    assert (found.host, found.app, found.text) == ("", "app", "hello")


def test_a_line_of_a_log_file_has_no_priority():
    found = parse(b"2026-11-21T12:00:00.250+01:00 rig app: hello", NOW)
    assert (found.grammar, found.facility, found.host, found.app) == ("rfc3164", None, "rig", "app")
    assert found.time == at(2026, 11, 21, 11, 0, 0, 250_000)


@pytest.mark.parametrize(
    ("line", "received", "year"),
    [
        (b"<13>Dec 31 23:59:59 rig app: x", at(2027, 1, 1, 0, 0, 1), 2026),
        (b"<13>Jan  1 00:00:01 rig app: x", at(2026, 12, 31, 23, 59, 59), 2027),
        (b"<13>Feb 29 10:00:00 rig app: x", at(2025, 1, 5), 2024),
        (b"<13>Jun 15 10:00:00 rig app: x", at(2026, 6, 15, 10), 2026),
    ],
)
def test_the_year_that_is_left_out_is_the_nearest_to_the_receipt(line, received, year):
    assert datetime.fromtimestamp(parse(line, received).time / 1e6, UTC).year == year


def test_a_sender_that_names_no_zone_is_read_in_the_zone_that_was_given():
    zone = ZoneInfo("Europe/Berlin")
    assert parse(b"<13>Jul 21 12:00:00 rig app: x", NOW, zone=zone).time == at(2026, 7, 21, 10)


@pytest.mark.parametrize(
    "line", [b"<192>Nov 21 12:00:00 rig app: x", b"<999>1 - - - - - -", b"<34>Feb 30 10:00:00 rig app: x", b"", b"<34>"]
)
def test_what_breaks_a_rule_of_its_grammar_is_raw(line):
    assert parse(line, NOW).grammar == "raw"


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parser_and_raw_ones_stay_whole(line):
    found = parse(line, NOW)
    assert found.grammar != "raw" or found.text == line.decode("utf-8", "backslashreplace")


PRINTED = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)


@given(st.integers(0, 191), PRINTED, PRINTED, PRINTED, PRINTED, st.text(max_size=100))
def test_every_message_of_rfc_5424_is_read_as_it_was_written(pri, host, app, process, id, text):
    line = f"<{pri}>1 2003-10-11T22:14:15.003Z {host} {app} {process} {id} - {text}".encode("utf-8", "surrogatepass")
    found = parse(line, NOW)
    if found.grammar == "rfc5424":
        assert (found.facility, found.severity) == divmod(pri, 8)
        assert [found.host, found.app, found.process, found.id] == [
            "" if part == "-" else part for part in (host, app, process, id)
        ]
    assert found.grammar == "rfc5424"


VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(st.from_regex(r"[a-zA-Z]{1,8}", fullmatch=True), VALUES), max_size=4))
def test_structured_data_gives_back_what_was_escaped(params):
    def escaped(text):
        return "".join("\\" + c if c in '"\\]' else c for c in text)

    data = "[id@1" + "".join(f' {name}="{escaped(value)}"' for name, value in params) + "]"
    found = parse(f"<1>1 - h a p i {data} text".encode(), NOW)
    assert found.grammar == "rfc5424"
    assert structured(found.data) == {"id@1": params}


def test_a_line_made_to_stall_a_parser_does_not():
    hostile = b"<1>1 - h a p i [x" + b' a="\\\\"' * 20_000
    began = datetime.now(UTC)
    assert parse(hostile, NOW).grammar == "raw"
    assert (datetime.now(UTC) - began).total_seconds() < 1
