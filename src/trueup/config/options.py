"""The options of an installation: what can be set, where each value came from, and the file that sets them.

An option is taken from the environment, else from ``settings.yaml`` in the home, else it has its default. The file is held
to a schema; a value that cannot be understood stops every command, with its line.
"""

import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from trueup.kernel.errors import ConfigurationError, UnreadableInput

FILE = "settings.yaml"


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be set.

    Args:
        key: dotted name in the file (``server.public_url``).
        env: its variable of the environment.
        form: JSON Schema of its value in the file.
        default: as text; empty for none.
        help: one sentence.
        secret: parts of the value are never shown.
    """

    key: str
    env: str
    form: Mapping[str, Any]
    default: str
    help: str
    secret: bool = False


_TEXT: Mapping[str, Any] = {"type": "string", "minLength": 1}
_FLAG: Mapping[str, Any] = {"type": "boolean"}
_RATE: Mapping[str, Any] = {"type": "string", "pattern": r"^(?!0+(\.0+)?:)[0-9]{1,5}(\.[0-9]{1,3})?:[1-9][0-9]{0,5}$"}
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False, "": False}


def _days(default: int, what: str, key: str) -> Option:
    form = {"type": "integer", "minimum": 1, "maximum": 36_500}
    return Option(f"retention.{key}", f"TRUEUP_RETENTION_{key.upper()}", form, str(default), what)


OPTIONS: tuple[Option, ...] = (
    Option(
        "database.url",
        "TRUEUP_DATABASE_URL",
        _TEXT,
        "",
        "PostgreSQL store (postgresql://user@host:5432/name); without it, an SQLite file in the home.",
        secret=True,
    ),
    Option("server.host", "TRUEUP_HOST", _TEXT, "127.0.0.1", "Address that 'trueup serve' listens on."),
    Option(
        "server.port",
        "TRUEUP_PORT",
        {"type": "integer", "minimum": 0, "maximum": 65_535},
        "8471",
        "Port that 'trueup serve' listens on; 0 takes any free one.",
    ),
    Option(
        "server.public_url",
        "TRUEUP_PUBLIC_URL",
        _TEXT,
        "",
        "Address that people use; with https, cookies go over TLS alone and browsers are told to stay with it.",
    ),
    Option("server.hosts", "TRUEUP_HOSTS", {"type": "array", "items": _TEXT}, "", "Further host names that are answered."),
    Option(
        "server.behind_proxy",
        "TRUEUP_BEHIND_PROXY",
        _FLAG,
        "false",
        "A proxy of yours stands in front and sets X-Forwarded-For and X-Forwarded-Proto.",
    ),
    Option("server.rate_limit", "TRUEUP_RATE_LIMIT", _RATE, "50:200", "Requests a second, and at once, of one caller."),
    Option(
        "server.metrics",
        "TRUEUP_METRICS_OPEN",
        {"enum": ["credential", "loopback"]},
        "credential",
        "Who may read /metrics: holders of a credential, or also anyone on this machine.",
    ),
    Option(
        "log.level", "TRUEUP_LOG_LEVEL", {"enum": ["debug", "info", "warning", "error"]}, "info", "Least level that is logged."
    ),
    Option("log.format", "TRUEUP_LOG_FORMAT", {"enum": ["json", "text"]}, "json", "Form of the log of servers and workers."),
    Option(
        "automation.contact_url",
        "TRUEUP_CONTACT_URL",
        _TEXT,
        "",
        "Web address under which sites find out about your robot; without it no public place is reached.",
    ),
    Option(
        "automation.resolver",
        "TRUEUP_RESOLVER",
        _TEXT,
        "",
        "Name server (address, or address:port) that is asked for challenges; without it, those of the system.",
    ),
    Option(
        "automation.chromium",
        "TRUEUP_CHROMIUM",
        _TEXT,
        "",
        "Chromium (its headless shell does) that pages are opened in; without it, that of the system.",
    ),
    _days(30, "Days that jobs which ended are kept.", "jobs_days"),
    _days(30, "Days that failed sign-ins are remembered.", "signins_days"),
    _days(90, "Days that API keys which were revoked or expired are kept in the list.", "keys_days"),
    _days(1, "Days that stored files which no entry names are kept.", "orphans_days"),
)


@dataclass(frozen=True, slots=True)
class Value:
    """The value of an option and where it came from (``default``, ``environment`` or ``file:line``)."""

    option: Option
    text: str
    origin: str

    def as_dict(self) -> dict[str, str]:
        """Return what may be shown: no passwords."""
        return {
            "key": self.option.key,
            "value": shown(self),
            "origin": self.origin,
            "env": self.option.env,
            "help": self.option.help,
        }


def shown(value: Value) -> str:
    """Return a value as it may be shown."""
    if not value.option.secret or not value.text:
        return value.text
    parts = urlsplit(value.text)
    if parts.scheme not in ("postgresql", "postgres"):
        return "[redacted]"
    where = parts.netloc.rpartition("@")[2]
    user = f"{parts.username}@" if parts.username else ""
    return urlunsplit((parts.scheme, f"{user}{where}", parts.path, "", ""))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the settings file."""
    sections: dict[str, dict[str, Any]] = {}
    for option in OPTIONS:
        section, _, name = option.key.partition(".")
        form = {**option.form, "description": option.help}
        sections.setdefault(section, {})[name] = form | ({"default": option.default} if option.default else {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Trueup settings",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            section: {"type": "object", "additionalProperties": False, "properties": names} for section, names in sections.items()
        },
    }


def read_file(path: Path) -> dict[str, tuple[str, int]]:
    """Read a settings file: option's key → its value as text, and its line.

    Raises:
        ConfigurationError: unreadable, or not of the schema; names file, line and field.
    """
    from trueup.kernel.documents import check_schema, parse_yaml  # a file is rare; commands without one start faster

    try:
        document = parse_yaml(path.read_text(encoding="utf-8"), str(path))
        check_schema(document, schema())
    except OSError as exc:
        raise ConfigurationError(f"cannot read {path}: {exc.strerror}", remedy="correct its permissions, or remove it") from exc
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8 text", remedy="save the file as UTF-8") from None
    except UnreadableInput as exc:
        raise ConfigurationError(exc.message, remedy="see the fields with 'trueup config schema'", details=exc.details) from None
    return {
        f"{section}.{name}": (_text(value), document.lines.get((section, name), 1))
        for section, names in document.value.items()
        for name, value in names.items()
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(value) if isinstance(value, list) else str(value)


def resolve(home: Path, environ: Mapping[str, str] | None = None) -> list[Value]:
    """Return the value of every option, in the order of the table."""
    env = os.environ if environ is None else environ
    path = home / FILE
    given = read_file(path) if path.exists() else {}
    values = []
    for option in OPTIONS:
        if env.get(option.env):
            values.append(Value(option, _plain(option, env[option.env]), "environment"))
        elif option.key in given:
            text, line = given[option.key]
            values.append(Value(option, text, f"{path}:{line}"))
        else:
            values.append(Value(option, option.default, "default"))
    return values


def flag(name: str, text: str) -> bool:
    """Read a variable of the environment that says yes or no.

    Raises:
        ConfigurationError: it says neither.
    """
    if text.lower() not in _WORDS:
        raise ConfigurationError(f"{name} is {text[:40]!r}, neither yes nor no", remedy="write 1 or 0")
    return _WORDS[text.lower()]


def _plain(option: Option, text: str) -> str:
    """Return a variable's value as the file would have it, held to the same form.

    Raises:
        ConfigurationError: it is of another form; the value of a secret is not told.
    """
    form = option.form
    if form is _FLAG:
        return "true" if flag(option.env, text) else "false"
    if "enum" in form and text not in form["enum"]:
        raise _misfit(option, text, f"one of {', '.join(form['enum'])}")
    if form.get("type") == "integer":
        low, high = form["minimum"], form["maximum"]
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise _misfit(option, text, f"a whole number from {low} to {high}")
    if "pattern" in form and not re.search(form["pattern"], text):
        raise _misfit(option, text, f"of the form of its default, {option.default}")
    return text


def _misfit(option: Option, text: str, wanted: str) -> ConfigurationError:
    what = "" if option.secret else f" is {text[:40]!r}, which"
    return ConfigurationError(f"{option.env}{what} is not {wanted}", remedy=f"{option.help} Correct or unset it.")


def number(home: Path, key: str) -> int:
    """Return the value of an option that is a whole number.

    Raises:
        ConfigurationError: the environment sets it to something else.
    """
    return int(next(value for value in resolve(home) if value.option.key == key).text)


def apply(home: Path, environ: MutableMapping[str, str] | None = None) -> None:
    """Put what the file sets into the environment, where the environment does not say otherwise.

    The parts of the product read their options from the environment alone, and so do the processes they start.

    Raises:
        ConfigurationError: the file or a variable holds what cannot be understood.
    """
    env = os.environ if environ is None else environ
    for value in resolve(home, env):
        if value.origin not in ("default", "environment"):
            env[value.option.env] = (
                {"true": "1", "false": ""}.get(value.text, value.text) if value.option.form is _FLAG else value.text
            )
