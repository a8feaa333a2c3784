"""Tags of all templates: icons, badges, times, digests, cells of tables."""

import json
from datetime import UTC, datetime
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from trueup.kernel.http.tables import Column
from trueup.kernel.words import Verdict

register = template.Library()

SPRITE = "trueup/icons.svg"
_STATES: dict[str, tuple[str, str]] = {
    "good": (
        "circle-check",
        "pass done ok covered approved active running verified yes enabled succeeded resolved same allowed completed reliable",
    ),
    "bad": ("circle-x", "fail failed damaged dead revoked rejected disabled critical denied stopped unreliable ended_badly"),
    "warn": (
        "alert-triangle",
        "pass_with_drift drift refused locked expired conditional degraded warning maybe conflict suspended half_open expiring timed_out blocked",
    ),
    "wait": ("clock", "held pending queued open waiting scheduled in_progress acknowledged evidence_submitted retry_wait"),
    "none": ("x", "no none off"),
    "dim": (
        "help",
        "unknown no_data no_baseline insufficient_data stale cancelled void withdrawn paused erased",
    ),
}
_VERDICTS = frozenset(map(str, Verdict))
_BY_WORD = {word: (tone, icon) for tone, (icon, words) in _STATES.items() for word in words.split()}


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """Draw an icon of the sprite; without a label it is decoration."""
    attributes = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html('<svg class="icon" {}><use href="{}#{}"></use></svg>', attributes, static(SPRITE), name)


@register.simple_tag
def badge(word: object) -> SafeString:
    """Show a state: a word with an icon, never a colour alone."""
    text = str(word)
    tone, drawn = _BY_WORD.get(text.lower().replace(" ", "_"), ("dim", "circle-dot"))
    return format_html('<span class="state state-{}">{}{}</span>', tone, icon(drawn), text.replace("_", " ").lower())


@register.simple_tag
def when(value: object) -> SafeString:
    """Show a moment: UTC here, in the reader's own time once the page has loaded."""
    if not value:
        return mark_safe('<span class="text-secondary">–</span>')
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    utc = moment.astimezone(UTC)
    stamp, words = utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html('<time datetime="{}" title="{}">{}</time>', stamp, words, words)


@register.simple_tag
def digest(value: object, length: int = 12) -> SafeString:
    """Show a digest or id: its beginning, with a button that copies the whole of it."""
    text = str(value or "")
    if not text:
        return mark_safe('<span class="text-secondary">–</span>')
    short = text if len(text) <= length + 1 else f"{text[:length]}…"
    return format_html(
        '<span class="digest"><code title="{0}">{1}</code>'
        '<button type="button" class="copy" data-copy="{0}" aria-label="Copy {2}">{3}</button></span>',
        text,
        short,
        text[:8],
        icon("copy"),
    )


@register.simple_tag
def cell(row: dict[str, Any], column: Column) -> SafeString:
    """Show one cell of a table."""
    value = row.get(column.name)
    shown = _shown(column.kind, value)
    url = row.get(f"{column.name}_url")
    return format_html('<a href="{}">{}</a>', url, shown) if url else shown


def _shown(kind: str, value: Any) -> SafeString:
    if (kind == "badge" and value not in (None, "")) or (kind == "value" and value in _VERDICTS):
        return badge(value)
    if kind == "time":
        return when(value)
    if kind == "digest":
        return digest(value)
    if value is None or value == "":
        return mark_safe('<span class="text-secondary">–</span>')
    if kind == "code":
        return format_html("<code>{}</code>", value)
    if kind == "number" and isinstance(value, int | float):
        return format_html('<span class="number">{}</span>', f"{value:,}")
    return format_html("{}", value)


@register.filter
def pretty(value: object) -> str:
    """Return JSON-able data as indented text; text that is JSON is read first."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


@register.filter
def size(value: int) -> str:
    """Return a number of bytes for people.

    >>> size(2048)
    '2.0 KiB'
    """
    number = float(value)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024
    return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
