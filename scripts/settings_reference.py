"""Write docs/reference/settings.md from the options themselves.

python scripts/settings_reference.py             write the page
python scripts/settings_reference.py --check     fail when the page is not what the options say
"""

import sys
from pathlib import Path
from typing import Any

from trueup.config.options import FILE, OPTIONS, Option

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "settings.md"
HEAD = f"""# Settings

Made by `scripts/settings_reference.py` from the options themselves.

Each setting is taken from its variable of the environment; else from `{FILE}` in the [home](home.md); else it has its
default. An empty variable counts as none. `trueup config show` says what holds and where it came from, down to the line of
the file; `trueup config check` holds the file against its schema, and `trueup config schema` prints that.

The file has one mapping for each section:

```yaml
server:
  public_url: https://trueup.example.org
  behind_proxy: true
retention:
  jobs_days: 14
```

A key that is not in the table, or a value in the file that is not of its form, stops every command with exit 3 and names
the line. Settings are read when a process starts: start servers and workers anew after a change. In the environment a flag
is `1` or `true`; anything else is false.

| setting | variable | form | default | meaning |
|---|---|---|---|---|
"""
TAIL = """
## Beside the file

| variable | meaning |
|---|---|
| `TRUEUP_HOME` | the [home](home.md), where `--home` does not name one |

The password of a database belongs into the environment, or into PostgreSQL's own password file (`PGPASSFILE`), rather than
into a file that is shown around; `config show` never prints it. [Secrets](../how-to/secrets.md) of the product are no
settings: they are sealed in the store.

How the server is reached, in context: [run it for many](../how-to/run-it.md). What `retention` removes:
[back up, restore, forget](../how-to/backup.md#forget-what-may-be-forgotten).
"""


def form(option: Option) -> str:
    """Return the form of an option's value in words.

    >>> form(next(option for option in OPTIONS if option.key == "server.port"))
    'number, 0…65535'
    """
    schema: dict[str, Any] = dict(option.form)
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema["type"] == "integer":
        return f"number, {schema['minimum']}…{schema['maximum']}"
    return {"string": "text", "boolean": "`true` or `false`", "array": "list of texts; in the environment parted by spaces"}[
        schema["type"]
    ]


def page() -> str:
    """Return the page as Markdown."""
    rows = [
        f"| `{option.key}` | `{option.env}` | {form(option)} | {f'`{option.default}`' if option.default else '–'} "
        f"| {option.help} |"
        for option in OPTIONS
    ]
    return HEAD + "\n".join(rows) + "\n" + TAIL


def main() -> int:
    """Check, or write."""
    if "--check" not in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        sys.stderr.write(f"settings: {PAGE.relative_to(ROOT)} is out of date: run python scripts/settings_reference.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
