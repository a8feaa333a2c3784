"""Names in texts: ``{{name}}`` stands for something that an earlier step stored, and ``{{name.part.0}}`` for a part of it.

Nothing is evaluated: what is put in is never looked at again, and a name that is not known is an error.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from trueup.domains.automation.engine.stepkinds import Part

LONGEST = 200_000
"""Characters of a text with all its names put in."""

_NAME = re.compile(r"\{\{\s*([A-Za-z][A-Za-z0-9_]{0,59}(?:\.[A-Za-z0-9_]{1,60}){0,8})\s*\}\}")
_ANY = re.compile(r"\{\{")
# what runs as it was reviewed, names of things, and steps that have their own turn
_AS_IT_IS = frozenset({"action", "name", "script", "store_as", "artifact", "sha256", "secret", "credential", "before", "as_"})
_LATER = frozenset({"steps", "then", "otherwise"})


class TemplateUnknown(Exception):
    """A name that nothing was stored under, or a part that is not there; says which."""


def rendered(text: str, values: Mapping[str, Any]) -> str:
    """Put what was stored into a text.

    Raises:
        TemplateUnknown: a name is not known, or the text becomes too long.

    >>> rendered("/item/{{ row.id }}?n={{n}}", {"row": {"id": "a7"}, "n": 3})
    '/item/a7?n=3'
    """
    if "{{" not in text:
        return text
    if len(_ANY.findall(text)) != len(_NAME.findall(text)):
        raise TemplateUnknown(f"{text[:80]!r} holds {{{{ that begins no name")
    found = _NAME.sub(lambda match: _written(_looked_up(match.group(1), values)), text)
    if len(found) > LONGEST:
        raise TemplateUnknown(f"a text of {len(found)} characters; {LONGEST} are allowed")
    return found


def filled[P: Part](part: P, values: Mapping[str, Any]) -> P:
    """Return a step, or a part of one, with all its texts filled in; scripts, names and the steps inside it are left as they are.

    Raises:
        TemplateUnknown: a name is not known.
    """
    changed = {}
    for name in type(part).model_fields:
        value = getattr(part, name)
        if name in _AS_IT_IS or name in _LATER:
            continue
        new = _filled(value, values)
        if new is not value:
            changed[name] = new
    return part.model_copy(update=changed) if changed else part


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    """Return a value with its texts filled in; the same object where there is nothing to fill in."""
    if isinstance(value, str):
        return rendered(value, values) if "{{" in value else value
    if isinstance(value, Part):
        return filled(value, values)
    if isinstance(value, tuple):
        many = tuple(_filled(one, values) for one in value)
        return value if all(new is old for new, old in zip(many, value, strict=True)) else many
    if isinstance(value, dict):
        named = {key: _filled(one, values) for key, one in value.items()}
        return value if all(named[key] is value[key] for key in value) else named
    return value


def _looked_up(name: str, values: Mapping[str, Any]) -> Any:
    value: Any = values
    for part in name.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list | tuple) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise TemplateUnknown(f"nothing is stored as {name!r}")
    return value


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False)
