"""Build the sprite of icons that the pages use: ``python scripts/make_icons.py FOLDER``.

FOLDER holds the outline icons of @tabler/icons (``package/icons/outline`` of the published archive); see
``src/trueup/faces/web/static/vendor/VENDORED.md`` for version and licence. An icon that is missing is an error.
"""

import re
import sys
from pathlib import Path

SPRITE = Path(__file__).parent.parent / "src" / "trueup" / "faces" / "web" / "static" / "trueup" / "icons.svg"
ICONS = (
    "activity", "alert-triangle", "api", "arrow-back-up", "ban", "bell", "bolt", "briefcase", "building", "calendar-time",
    "chart-line", "check", "checklist", "chevron-down", "chevron-left", "chevron-right", "chevron-up", "circle-check",
    "circle-dot", "circle-x", "clock", "copy", "database", "device-desktop", "download", "edit", "eye", "file-text", "help",
    "history", "home", "id-badge", "inbox", "info-circle", "key", "list-details", "lock", "login", "logout", "mail", "menu-2",
    "moon", "package", "player-pause", "player-play", "plus", "qrcode", "refresh", "repeat", "scale", "search", "selector",
    "send", "settings", "shield", "shield-check", "stack-2", "sun", "tool", "trash", "user-circle", "users", "x",
)  # fmt: skip


def symbol(folder: Path, name: str) -> str:
    """Return one icon as a symbol of the sprite."""
    text = (folder / f"{name}.svg").read_text()
    shapes = re.findall(r"<(?:path|circle|rect|line|polyline|ellipse)\b[^>]*/>", text)
    drawn = "".join(" ".join(shape.split()) for shape in shapes if "M0 0h24v24H0z" not in shape)
    attributes = 'viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-linecap="round" stroke-linejoin="round"'
    return f'<symbol id="{name}" {attributes}>{drawn}</symbol>'


def main() -> None:
    """Write the sprite."""
    folder = Path(sys.argv[1])
    body = "\n".join(symbol(folder, name) for name in sorted(ICONS))
    SPRITE.write_text(f'<svg xmlns="http://www.w3.org/2000/svg">\n{body}\n</svg>\n')
    print(f"{len(ICONS)} icons, {SPRITE.stat().st_size} bytes: {SPRITE}")


if __name__ == "__main__":
    main()
