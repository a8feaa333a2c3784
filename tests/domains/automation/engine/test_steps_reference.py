"""The page about steps, what performs them, and the vocabulary are one."""

from typing import get_args

import pytest

from tests.conftest import ROOT
from trueup.domains.automation.browser.perform import _LEAVES
from trueup.domains.automation.engine.codes import Code
from trueup.domains.automation.engine.profiles import PROFILES
from trueup.domains.automation.engine.stepkinds import Step
from trueup.domains.automation.engine.steps import AnyStep, ForEach, If, ScreenshotDiff

PAGE = (ROOT / "docs" / "reference" / "steps.md").read_text()
KINDS = get_args(get_args(AnyStep)[0])


def action_of(kind):
    (action,) = get_args(kind.model_fields["action"].annotation)
    return action


@pytest.mark.requirement("automation:W4")
def test_every_step_of_the_vocabulary_is_performed():
    holding = {action_of(kind) for kind in (If, ForEach, ScreenshotDiff)}
    assert {action_of(kind) for kind in KINDS} == set(_LEAVES) | holding
    assert len(KINDS) == 22


def test_the_page_names_every_action_with_its_fields_every_code_and_every_profile():
    rows = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `")}
    for kind in KINDS:
        own = {field.alias or name for name, field in kind.model_fields.items() if name not in {*Step.model_fields, "action"}}
        row = rows[action_of(kind)]
        own -= {"wait_for"}
        assert [name for name in own if f"`{name}`" not in row] == [], action_of(kind)
    assert [code for code in Code if f"`{code}`" not in PAGE] == []
    assert [name for name in PROFILES if f"`{name}`" not in PAGE] == []
