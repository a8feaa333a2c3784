"""No rule goes untested: each id that the source can refuse or allow by stands in a test of this room."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src" / "trueup" / "domains" / "automation"
RULE = re.compile(
    r"egress\.(?:url|address|name|redirect|dns|proxy|upstream)\.[a-z_]+"
    r"|(?:tier|limit|ceiling|robots|breaker|agent)\.[a-z_]+"
    r"|authorization\.(?:inactive|expired|window|stale|open)"
    r"|policy\.(?:port|path|allowlist|denylist)|kill_switch"
)


def rules(folder):
    """Return the rule ids that stand as texts in the files of a folder, but for what only begins like one."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and RULE.fullmatch(node.value):
                found.add(node.value)
    return found


def said_in_tests():
    here = Path(__file__).parent
    texts = [path.read_text() for path in here.rglob("*.py") if path != Path(__file__)]
    return "\n".join([*texts, (here / "ssrf.json").read_text()])


@pytest.mark.requirement("automation:AR-19")
def test_every_rule_that_stands_in_the_source_stands_in_a_test():
    found = rules(SOURCE)
    assert {"kill_switch", "policy.allowlist", "tier.mode", "limit.minute", "ceiling.requests", "egress.url.scheme"} <= found
    text = said_in_tests()
    # tests name the last part alone where all of a table have the same beginning
    left = {rule for rule in found if rule not in text and not re.search(rf'"{re.escape(rule.rpartition(".")[2])}"', text)}
    assert left == set()


def test_the_search_would_see_a_rule_that_no_test_names(tmp_path):
    (tmp_path / "one.py").write_text('RULES = ("egress.url.made_up", "no rule")\n')
    assert rules(tmp_path) == {"egress.url.made_up"}
    assert "egress.url.made_up" not in said_in_tests()
