"""Settings: the environment before the file before the default, each with its origin; nothing half understood."""

import json

import pytest

from trueup.config.options import FILE, OPTIONS, apply, number, read_file, resolve, schema
from trueup.kernel.errors import ConfigurationError


@pytest.fixture
def settings_file(tmp_path):
    def write(text):
        (tmp_path / FILE).write_text(text)
        return tmp_path

    return write


def value(home, key, environ):
    found = next(value for value in resolve(home, environ) if value.option.key == key)
    return found.text, found.origin


@pytest.mark.requirement("kernel:config.origin")
def test_a_value_says_where_it_came_from(settings_file, tmp_path):
    home = settings_file("server:\n  port: 9000\n  behind_proxy: true\n")
    assert value(home, "server.port", {}) == ("9000", f"{home / FILE}:2")
    assert value(home, "server.port", {"TRUEUP_PORT": "9100"}) == ("9100", "environment")
    assert value(home, "server.host", {}) == ("127.0.0.1", "default")
    assert value(home, "server.behind_proxy", {"TRUEUP_BEHIND_PROXY": ""}) == ("true", f"{home / FILE}:3")


def test_the_environment_gets_what_the_file_says_and_keeps_what_it_says_itself(settings_file):
    home = settings_file("server:\n  port: 9000\n  behind_proxy: true\n  hosts: [a.example, b.example]\n")
    environ = {"TRUEUP_PORT": "1"}
    apply(home, environ)
    assert environ == {"TRUEUP_PORT": "1", "TRUEUP_BEHIND_PROXY": "1", "TRUEUP_HOSTS": "a.example b.example"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TRUEUP_BEHIND_PROXY", "perhaps"),
        ("TRUEUP_PORT", "70000"),
        ("TRUEUP_PORT", "-1"),
        ("TRUEUP_LOG_LEVEL", "loud"),
        ("TRUEUP_RATE_LIMIT", "0:10"),
        ("TRUEUP_RATE_LIMIT", "many"),
        ("TRUEUP_RETENTION_JOBS_DAYS", "0"),
    ],
)
def test_a_variable_is_held_to_the_same_form_as_the_file(tmp_path, name, text):
    with pytest.raises(ConfigurationError, match=name):
        apply(tmp_path, {name: text})


@pytest.mark.parametrize(("text", "means"), [("yes", "true"), ("ON", "true"), ("no", "false"), ("0", "false")])
def test_a_flag_of_the_environment_is_read_in_the_usual_words(tmp_path, text, means):
    assert value(tmp_path, "server.behind_proxy", {"TRUEUP_BEHIND_PROXY": text}) == (means, "environment")


def test_without_a_file_the_environment_stays_as_it_is(tmp_path):
    environ = {}
    apply(tmp_path, environ)
    assert environ == {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("server:\n  prot: 9000\n", ":2: server.prot"),
        ("servers:\n  port: 9000\n", ":1: servers"),
        ("server:\n  port: many\n", ":2: server.port"),
        ("server:\n  port: 70000\n", ":2: server.port"),
        ("log:\n  level: loud\n", ":2: log.level"),
        ("server:\n  rate_limit: '0:5'\n", ":2: server.rate_limit"),
        ("retention:\n  jobs_days: 0\n", ":2: retention.jobs_days"),
        ("server: [\n", ":2"),
        ("- x\n", FILE),
    ],
)
@pytest.mark.requirement("kernel:config.origin")
def test_a_file_that_is_not_understood_names_its_line_and_field(settings_file, text, place):
    home = settings_file(text)
    with pytest.raises(ConfigurationError, match=place.replace("[", r"\[")):
        read_file(home / FILE)


def test_every_default_fits_its_own_schema():
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema())
    for option in OPTIONS:
        kind = option.form.get("type")
        if option.default:
            given = (
                int(option.default) if kind == "integer" else option.default == "true" if kind == "boolean" else option.default
            )
            Draft202012Validator(option.form).validate(given)
        assert option.env.startswith("TRUEUP_")
    assert len({option.env for option in OPTIONS}) == len({option.key for option in OPTIONS}) == len(OPTIONS)


def test_a_number_of_the_environment_that_is_none_is_refused(tmp_path, monkeypatch):
    assert number(tmp_path, "retention.jobs_days") == 30
    monkeypatch.setenv("TRUEUP_RETENTION_JOBS_DAYS", "soon")
    with pytest.raises(ConfigurationError, match="TRUEUP_RETENTION_JOBS_DAYS"):
        number(tmp_path, "retention.jobs_days")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:hunter2@db.example.org/trueup?sslmode=require", "postgresql://u@db.example.org/trueup"),
        ("postgresql://db/trueup?password=hunter2", "postgresql://db/trueup"),
        ("hunter2", "[redacted]"),
    ],
)
def test_a_password_in_an_address_is_never_shown(tmp_path, url, expected):
    (found,) = [v.as_dict() for v in resolve(tmp_path, {"TRUEUP_DATABASE_URL": url}) if v.option.secret]
    assert found["value"] == expected


def test_the_command_shows_checks_and_describes_the_settings(trueup, home):
    (home / FILE).write_text("log:\n  level: debug\n")
    shown = trueup("config", "show", "--json").json
    assert {row["key"]: row["origin"] for row in shown["settings"]}["log.level"] == f"{home / FILE}:2"
    assert "debug" in trueup("config", "show").out
    assert trueup("config", "check", "--json").json["settings"] == 1
    assert json.loads(trueup("config", "schema").out) == schema()


def test_a_bad_file_stops_every_command_but_those_that_explain_it(trueup, home):
    (home / FILE).write_text("log:\n  levle: debug\n")
    assert trueup("config", "schema").code == 0
    for call in (("config", "check"), ("config", "show"), ("fact", "list")):
        refused = trueup(*call)
        assert (refused.code, "settings.yaml:2: log.levle" in refused.err) == (3, True), refused.err
