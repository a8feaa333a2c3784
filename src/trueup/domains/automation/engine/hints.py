"""Selectors that could stand for one that is no longer on a page: offered with a reason, never applied.

A selector that drifts mostly keeps something: its id with another number, its test id, its name, its text.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

MOST = 3
CANDIDATES = 300
"""Elements that are looked at."""

_LIKE = 0.62
_WORD = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\]\s]+)"""
_ATTRIBUTE = re.compile(rf"\[\s*([A-Za-z_][\w-]*)\s*[~|^$*]?=\s*({_WORD})\s*[is]?\s*\]")
_ID = re.compile(r"#((?:[\w-]|\\.)+)")
_CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
_TAG = re.compile(r"^[a-z][a-z0-9-]*$")
_TEXT = re.compile(r"""(?:^text\s*=|:(?:has-)?text(?:-is)?\()\s*("[^"]*"|'[^']*'|[^)>]+)""")
_PLAIN_ID = re.compile(r"^-?[A-Za-z_][\w-]*$")
_TEST_IDS = ("data-testid", "data-test", "data-test-id", "data-qa", "data-cy")

SCRIPT = """(most) => [...document.querySelectorAll(
    '[id],[data-testid],[data-test],[data-test-id],[data-qa],[data-cy],[name],[aria-label],[role],' +
    'a,button,input,select,textarea,label,form,h1,h2,h3')].slice(0, most).map((e) => ({
    tag: e.localName, id: e.id || '', classes: String(e.getAttribute('class') || '').slice(0, 200),
    name: e.getAttribute('name') || '', label: e.getAttribute('aria-label') || '', role: e.getAttribute('role') || '',
    type: e.getAttribute('type') || '', placeholder: e.getAttribute('placeholder') || '',
    test: ['data-testid', 'data-test', 'data-test-id', 'data-qa', 'data-cy'].filter((a) => e.hasAttribute(a))
        .map((a) => a + '=' + e.getAttribute(a))[0] || '',
    text: ['input', 'select', 'textarea', 'form'].includes(e.localName) ? '' : (e.textContent || '').trim().slice(0, 80)}))"""
"""What returns candidates from a page: attributes that are made to last, and short texts; no values of fields."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A selector that is on the page, and why it could be meant."""

    selector: str
    why: str
    likeness: float

    def document(self) -> dict[str, str]:
        """Return it as an error says it."""
        return {"selector": self.selector, "why": self.why}


@dataclass(frozen=True, slots=True)
class _Meant:
    """What a selector says about the element that it means: words by the attribute that they are of."""

    words: Mapping[str, str]
    classes: frozenset[str]
    tag: str


def hints(selector: str, candidates: Iterable[Mapping[str, str]]) -> list[Hint]:
    """Return the selectors that resemble one that found nothing, the nearest first, at most ``MOST``.

    Args:
        selector: that found nothing.
        candidates: elements of the page, as ``SCRIPT`` returns them.
    """
    elements = list(candidates)[:CANDIDATES]
    meant = _read(selector)
    found: dict[str, Hint] = {}
    for element in elements:
        stable = _stable(element, elements)
        likeness, why = _likeness(meant, element)
        if stable and stable != selector and likeness >= _LIKE and likeness > found.get(stable, Hint("", "", 0.0)).likeness:
            found[stable] = Hint(stable, why, round(likeness, 3))
    return sorted(found.values(), key=lambda hint: (-hint.likeness, hint.selector))[:MOST]


def _read(selector: str) -> _Meant:
    last = re.split(r"\s+(?:>>\s*|>\s*|\+\s*|~\s*)?|>>|>", selector.strip())[-1] if "[" not in selector else selector
    words = {name.lower(): _unquoted(value) for name, value in _ATTRIBUTE.findall(selector)}
    bare = _ATTRIBUTE.sub("", selector)
    text = _TEXT.search(selector)
    if text:
        words["text"] = _unquoted(text.group(1).strip())
        bare = _TEXT.sub("", bare)
    ids = _ID.findall(bare)
    if ids:
        words.setdefault("id", ids[-1].replace("\\", ""))
    tag = re.split(r"[#.:\[]", last, maxsplit=1)[0]
    return _Meant(words, frozenset(_CLASS.findall(_ID.sub("", bare))), tag if _TAG.match(tag) else "")


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _likeness(meant: _Meant, element: Mapping[str, str]) -> tuple[float, str]:
    """Return how much an element resembles what is meant, 0 to 1, and what of it does most."""
    test = element["test"].partition("=")[2]
    has = {"id": element["id"], "test id": test, "name": element["name"], "label": element["label"], "text": element["text"],
           "placeholder": element["placeholder"]}  # fmt: skip
    best, why = 0.0, ""
    for attribute, word in meant.words.items():
        own = {"aria-label": "label"}.get(attribute, "test id" if attribute in _TEST_IDS else attribute)
        for name, value in has.items():
            if not value or not word:
                continue
            # the same word under another attribute is nearly as good
            likeness = _ratio(word, value) * (1.0 if name == own else 0.9)
            if likeness > best:
                best, why = likeness, f"its {name} {value!r} resembles {attribute} {word!r}"
    classes = set(element["classes"].split())
    if meant.classes and classes:
        shared = max((_ratio(one, other), one, other) for one in meant.classes for other in classes)
        if shared[0] * 0.85 > best:
            best, why = shared[0] * 0.85, f"its class {shared[2]!r} resembles {shared[1]!r}"
    if best and meant.tag:
        best = best * 0.9 + 0.1 * (element["tag"] == meant.tag)
    return best, why


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one.lower(), other.lower(), autojunk=False).ratio()


def _stable(element: Mapping[str, str], elements: list[Mapping[str, str]]) -> str:
    """Return the selector of an element that is likeliest to last and is the only one of the page; empty where none is."""
    tag, kind, test = element["tag"], element["type"], element["test"].partition("=")
    forms = (
        ("test", f"[{test[0]}={_quoted(test[2])}]" if test[2] else ""),
        ("id", (f"#{element['id']}" if _PLAIN_ID.match(element["id"]) else f"[id={_quoted(element['id'])}]")),
        ("name", f"{tag}[name={_quoted(element['name'])}]"),
        ("label", f"{tag}[aria-label={_quoted(element['label'])}]"),
        ("text", f"{tag}:text-is({_quoted(element['text'])})" if len(element["text"]) <= 40 else ""),
        ("placeholder", f"{tag}[placeholder={_quoted(element['placeholder'])}]"),
    )
    for key, selector in forms:
        if selector and element[key] and sum(other[key] == element[key] for other in elements) == 1:
            return selector
    return f'{tag}[type="{kind}"]' if kind and sum((e["tag"], e["type"]) == (tag, kind) for e in elements) == 1 else ""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
