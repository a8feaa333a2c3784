"""The log: chosen words alone, at the level that is set, each line with the ids of its request, job and trace."""

import io
import json
import logging

import pytest
import structlog

from trueup.kernel import logs


@pytest.fixture
def lines():
    """Configure the log and return what it wrote; what was configured before comes back."""
    ours = logging.getLogger("trueup")
    before = (structlog.get_config(), ours.handlers, ours.propagate, ours.level)
    out = io.StringIO()

    def configured(**environ):
        logs.configure(out, environ)
        return lambda: out.getvalue().splitlines()

    yield configured
    structlog.configure(**before[0])
    structlog.contextvars.clear_contextvars()
    ours.handlers, ours.propagate, ours.level = before[1:]


def test_a_line_is_json_with_the_ids_that_are_bound(lines):
    written = lines()
    structlog.contextvars.bind_contextvars(request_id="r1", trace_id="t1", job_id="j1")
    logs.log().info("request", path="/x")
    logging.getLogger("trueup.work").warning("job of kind %s failed", "work.noop")
    first, second = [json.loads(line) for line in written()]
    assert (first["event"], first["path"]) == ("request", "/x")
    assert second["event"] == "job of kind work.noop failed"
    for line in (first, second):
        assert (line["request_id"], line["trace_id"], line["job_id"]) == ("r1", "t1", "j1")
        assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(("level", "expected"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_only_what_reaches_the_level_is_logged(lines, level, expected):
    written = lines(TRUEUP_LOG_LEVEL=level)
    for name in logs.LEVELS:
        getattr(logs.log(), name)("x")
    assert len(written()) == expected
    for name in logs.LEVELS:
        getattr(logging.getLogger("trueup.work"), name)("y")
    assert len(written()) == 2 * expected


def test_a_log_for_people_is_text(lines):
    written = lines(TRUEUP_LOG_FORMAT="text")
    logs.log().info("request", path="/x")
    assert "path=/x" in written()[0]
    with pytest.raises(ValueError):  # noqa: PT011 - json says it in several words
        json.loads(written()[0])


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", False),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", False),
        ("nonsense", False),
        ("", False),
    ],
)
def test_a_request_keeps_the_trace_that_it_came_with(header, kept):
    found = logs.trace_of({"traceparent": header})
    assert len(found) == 32
    assert (found in header) == kept


def test_a_job_bears_the_trace_of_the_request_that_caused_it(doors, session):
    from trueup.kernel.work.models import Job

    key = doors.key("operator")
    trace = "0af7651916cd43dd8448eb211c80319c"
    given = {"kind": "work.noop", "jobs": [{}]}
    answer = doors.post("/api/v1/work/job/submit", given, key=key, traceparent=f"00-{trace}-b7ad6b7169203331-01")
    assert answer.status == 200
    from trueup.kernel import tenancy

    with tenancy.reaching_every():
        assert Job.objects.get(id=answer.json["jobs"][0]).trace == trace
