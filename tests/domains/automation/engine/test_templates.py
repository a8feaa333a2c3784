"""Names in texts: put in once, never evaluated, and never guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.steps import Script
from trueup.domains.automation.engine.templates import LONGEST, TemplateUnknown, filled, rendered

VALUES = {"name": "Ann", "n": 3, "yes": True, "none": None, "row": {"id": "a7", "tags": ["x", {"y": 1.5}]}, "items": [1, 2]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("plain", "plain"),
        ("{{name}}", "Ann"),
        ("/{{ row.id }}/{{row.tags.0}}?n={{n}}", "/a7/x?n=3"),
        ("{{yes}} {{none}}|{{row.tags.1.y}}", "true |1.5"),
        ("{{items}}", "[1, 2]"),
        ("}} {single} { {x} }", "}} {single} { {x} }"),
    ],
)
def test_what_was_stored_is_put_in(text, says):
    assert rendered(text, VALUES) == says


@pytest.mark.parametrize(
    "text",
    ["{{nothing}}", "{{row.none}}", "{{row.tags.9}}", "{{name.x}}", "{{n.0}}", "{{}}", "{{1+1}}", "{{row['id']}}", "{{name", "{{__class__}}",
     "{{row.__len__}}", "{{items.-1}}"],
)  # fmt: skip
def test_what_is_not_there_or_is_no_name_is_an_error(text):
    with pytest.raises(TemplateUnknown):
        rendered(text, VALUES)


@given(st.text())
def test_what_is_put_in_is_never_looked_at_again(value):
    assert rendered("a{{x}}b", {"x": value + "{{y}}", "y": "no"}) == f"a{value}{{{{y}}}}b"


def test_a_text_does_not_grow_without_end():
    with pytest.raises(TemplateUnknown, match="characters"):
        rendered("{{x}}{{x}}", {"x": "y" * (LONGEST // 2 + 1)})


def step(**given):
    return Script.model_validate({"steps": [given]}).steps[0]


def test_every_text_of_a_step_is_filled_in_and_what_was_reviewed_is_not():
    form = step(
        action="form_submit",
        form="#{{name}}",
        submit="b",
        fields=[{"selector": "[name={{name}}]", "value": "{{n}}"}, {"selector": "c", "value": True, "type": "checkbox"}],
        name="{{name}}",
    )
    found = filled(form, VALUES)
    assert (found.form, found.fields[0].selector, found.fields[0].value, found.fields[1].value) == (
        "#Ann",
        "[name=Ann]",
        "3",
        True,
    )
    assert (found.name, found.fields[1]) == ("{{name}}", form.fields[1])
    assert filled(step(action="evaluate", script="'{{name}}'"), VALUES).script == "'{{name}}'"
    fields = filled(step(action="extract", fields={"a": "#{{n}}", "b": {"selector": "{{n}}"}}), VALUES).fields
    assert (fields["a"], fields["b"].selector) == ("#3", "3")
    assert filled(step(action="select", selector="a", values=["{{n}}"]), VALUES).values == ("3",)


def test_steps_inside_wait_for_their_own_turn_and_a_step_without_names_is_itself():
    loop = step(action="for_each", items=["{{n}}"], steps=[{"action": "click", "selector": "{{item}}"}])
    found = filled(loop, VALUES)
    assert (found.items, found.steps) == (("3",), loop.steps)
    plain = step(action="click", selector="a")
    assert filled(plain, VALUES) is plain
