"""The vocabulary of steps: everything that is promised is understood, everything else refused with its place."""

import pytest
from pydantic import ValidationError

from trueup.domains.automation.engine.steps import MAX_DEPTH, Script, secrets_of, walk

URL = "https://example.org/"
EACH = [
    {"action": "navigate", "url": URL, "wait_until": "networkidle", "timeout_ms": 30_000, "referer": URL},
    {
        "action": "extract",
        "fields": {"title": "h1", "links": {"selector": "a", "attribute": "href", "multiple": True}},
        "each": "li",
    },
    {"action": "click", "selector": "#a", "modifiers": ["Shift"], "wait_for": "enabled"},
    {"action": "fill", "selector": "#a", "value": "x"},
    {"action": "select", "selector": "#a", "values": ["1"], "by": "label"},
    {"action": "check", "selector": "#a", "checked": False},
    {"action": "press", "key": "Control+A"},
    {"action": "hover", "selector": "#a"},
    {"action": "scroll", "by": 300},
    {"action": "upload", "selector": "#f", "artifact": "a" * 64},
    {"action": "form_submit", "form": "form", "submit": "#s", "fields": [{"selector": "#a", "value": "x"}], "success": ".ok"},
    {"action": "authenticate", "credential": "shop", "user": "#u", "password": "#p", "submit": "#s", "success": "#in"},
    {"action": "screenshot", "full_page": False, "when": [".ready"], "format": "jpeg"},
    {"action": "screenshot_diff", "steps": [{"action": "click", "selector": "#a"}], "heatmap": True},
    {"action": "file_download", "selector": "a", "sha256": "0" * 64, "max_bytes": 10},
    {"action": "api_intercept", "trigger": "#a", "match": "*/api/*"},
    {"action": "wait", "until": {"selector": ".ok"}},
    {"action": "if", "condition": {"selector": "#a"}, "then": [{"action": "wait", "ms": 1}], "else": [{"action": "capture"}]},
    {"action": "for_each", "items": "links", "as": "link", "steps": [{"action": "navigate", "url": "{{link}}"}]},
    {"action": "evaluate", "script": "document.title"},
    {"action": "assert", "condition": {"selector": "h1", "text": "Hello"}, "message": "no greeting"},
    {"action": "capture", "screenshot": False},
]


@pytest.mark.parametrize("step", EACH, ids=[step["action"] for step in EACH])
def test_every_step_of_the_vocabulary_is_understood(step):
    (read,) = Script.model_validate({"steps": [step]}).steps
    assert read.action == step["action"]


@pytest.mark.parametrize("step", EACH, ids=[step["action"] for step in EACH])
def test_a_parameter_that_is_not_known_is_refused(step):
    with pytest.raises(ValidationError, match="Extra inputs"):
        Script.model_validate({"steps": [{**step, "evasion_level": 2}]})


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"action": "solve_captcha"}, "does not match any of the expected tags"),
        ({"action": "navigate", "url": "http://0x7f.1/"}, "egress.url.host_form"),
        ({"action": "navigate", "url": "file:///etc/passwd"}, "egress.url.scheme"),
        ({"action": "fill", "selector": "a"}, "either value or secret"),
        ({"action": "fill", "selector": "a", "value": "x", "secret": "y"}, "either value or secret"),
        ({"action": "authenticate", "credential": "shop", "password_value": "x"}, "Extra inputs"),
        ({"action": "scroll"}, "either selector or by"),
        ({"action": "wait"}, "either ms or until"),
        ({"action": "wait", "ms": 10_000_000}, "less than or equal to 600000"),
        ({"action": "file_download", "method": "fetch"}, "needs url"),
        ({"action": "file_download"}, "needs selector"),
        ({"action": "file_download", "selector": "a", "min_bytes": 2, "max_bytes": 1}, "greater than max_bytes"),
        ({"action": "screenshot_diff"}, "steps that happen between"),
        ({"action": "for_each", "steps": [{"action": "capture"}]}, "either items or selector"),
        ({"action": "if", "condition": {}, "then": []}, "selector, value or url"),
        ({"action": "upload", "selector": "a", "artifact": "../x"}, "pattern"),
        ({"action": "form_submit", "form": "f", "submit": "s", "fields": [{"selector": "a", "value": True}]}, "checkbox"),
    ],
)
def test_what_makes_no_sense_is_refused(step, says):
    with pytest.raises(ValidationError, match=says.replace(".", r"\.")):
        Script.model_validate({"steps": [step]})


def test_steps_do_not_lie_deeper_than_allowed():
    step = {"action": "capture"}
    for _ in range(MAX_DEPTH):
        step = {"action": "if", "condition": {"selector": "a"}, "then": [step]}
    with pytest.raises(ValidationError, match="deep"):
        Script.model_validate({"steps": [step]})


def test_no_more_steps_than_allowed_those_inside_others_counted():
    many = [{"action": "if", "condition": {"selector": "a"}, "then": [{"action": "capture"}] * 100}] * 5
    with pytest.raises(ValidationError, match="505 steps"):
        Script.model_validate({"steps": many})


def test_names_are_unique():
    with pytest.raises(ValidationError, match="two steps are called"):
        Script.model_validate({"steps": [{"action": "capture", "name": "a"}, {"action": "capture", "name": "a"}]})


def test_the_secrets_of_a_job_are_known_before_it_runs():
    form = {"action": "form_submit", "form": "f", "submit": "s", "fields": [{"selector": "a", "secret": "pin"}]}
    login = {"action": "authenticate", "credential": "shop", "user": "#u", "password": "#p", "submit": "#s", "success": "#in"}
    script = Script.model_validate({"steps": [{"action": "if", "condition": {"url": "x"}, "then": [login, form]}]})
    assert secrets_of(script) == {"shop", "pin"}
    assert [depth for _, depth in walk(script.steps)] == [1, 2, 2]
