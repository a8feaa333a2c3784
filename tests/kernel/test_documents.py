"""Documents that people write by hand: nothing is guessed, everything has its line."""

import json
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trueup.kernel.documents import MAX_YAML_CHARS, Document, check_schema, dotted, parse_json, parse_yaml
from trueup.kernel.errors import UnreadableInput, UsageError


def test_only_the_scalars_of_json_have_types():
    text = "[x, no, yes, on, 1:30, 2026-01-01, 010, 0x1f, .inf, 1_000, '', 'true', true, false, null, ~, 12, -3, 1.5, 1e3]"
    strings = ["x", "no", "yes", "on", "1:30", "2026-01-01", "010", "0x1f", ".inf", "1_000", "", "true"]
    assert parse_yaml(text, "f").value == [*strings, True, False, None, None, 12, -3, 1.5, 1000.0]


def test_every_field_knows_its_line():
    document = parse_yaml("a:\n  b: 1\n  c:\n    - x\n    - y\n", "f.yaml")
    assert document.place(("a", "c", 1)) == "f.yaml:5: a.c[1]"
    assert document.place(("a", "missing", "below")) == "f.yaml:1: a.missing.below"
    assert document.place(()) == "f.yaml:1"


def test_a_document_without_lines_is_named_by_file_and_field():
    assert Document("f.json", {}).place(("facts", 3, "value")) == "f.json: facts[3].value"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2", "f:2: duplicate key 'a'"),
        ("a: &x 1\nb: *x", "f:1: anchors and aliases"),
        ("a: 1\nb: *x", "f:2: anchors and aliases"),
        ("a: !!python/object:os.system x", "f:1: tags"),
        ("a: !x {}", "f:1: tags"),
        ("a: 1\n---\nb: 2", "f:2: a second document"),
        ("1: a", "f:1: a key is not text"),
        ("[a]: b", "f:1: a key is not text"),
        ("a: 1e999", "f:1: number 1e999 is out of range"),
        (f"a: {2**63}", "out of range"),
        ("a: [", "f:1:"),
        ("a: b: c", "f:1:"),
        ("", "f: the document is empty"),
        ("# only words", "f: the document is empty"),
        ("a: \x01", "f: unacceptable character"),
        ("[" * 40 + "]" * 40, "f:1: deeper than 32"),
        ("[" * 100_000, "f:1: deeper than 32"),
        ("[" + "x," * 20_001 + "]", "more than 20000 values"),
        ("x" * (MAX_YAML_CHARS + 1), "longer than"),
    ],
)
def test_yaml_that_could_be_misread_is_refused_with_its_line(text, words):
    with pytest.raises(UnreadableInput) as caught:
        parse_yaml(text, "f")
    assert words in caught.value.message


def test_yaml_within_the_bounds_is_read():
    assert parse_yaml("[" * 30 + "]" * 30, "f").value is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "f: duplicate key 'a'"),
        ('{"a": NaN}', "f: NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity"),
        ('{"a": 1e999}', "out of range"),
        (f'{{"a": {10**40}}}', "out of range"),
        ('{"a": 1,\n "b": }', "f:2: "),
        ('["\\ud800"]', "surrogate"),
        ("[" * 200_000, "nested too deeply"),
        ("", "f:1: "),
        ("\ufeff{}", "f:1: "),
    ],
)
def test_json_that_could_be_misread_is_refused(text, words):
    with pytest.raises(UnreadableInput) as caught:
        parse_json(text, "f")
    assert words in caught.value.message


def test_json_that_is_too_long_is_refused(monkeypatch):
    monkeypatch.setattr("trueup.kernel.documents.MAX_JSON_CHARS", 5)
    with pytest.raises(UnreadableInput, match="longer than"):
        parse_json("[1, 2]", "f")


@settings(max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(max_size=8),
        lambda c: st.lists(c, max_size=4) | st.dictionaries(st.text(max_size=5), c, max_size=4),
        max_leaves=12,
    )
)
def test_json_is_read_as_the_standard_library_reads_it(value):
    assert parse_json(json.dumps(value), "f").value == value


@settings(max_examples=300)
@example("a: !\n")
@example("\t- x")
@example('"\\ud800"')
@example("? \n? \n")
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@`?,0.1e\n\t \\~<", max_size=60) | st.text(max_size=40))
def test_any_text_is_a_document_or_a_refusal_and_never_a_crash(text):
    for parse in (parse_yaml, parse_json):
        with suppress(UnreadableInput):
            parse(text, "f")


SCHEMA = {
    "type": "object",
    "required": ["a"],
    "additionalProperties": False,
    "properties": {"a": {"type": "integer"}, "b": {"type": "string", "pattern": "^x", "$comment": "a word with x"}},
}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: x", "f:1: a: 'x' is not of type 'integer'"),
        ("a: 1\nc: 2", "f:2: c: unknown key; known here: a, b"),
        ("b: x", "f:1: missing: a"),
        ("a: 1\nb: y", 'f:2: b: expected a word with x, got "y"'),
        ("a: 1\nb: " + "y" * 200, "…"),
        ("a: " + "y" * 300, "…"),
        ("[]", "f:1: [] is not of type 'object'"),
        ("a: x\nb: y", "f:1: a: "),
    ],
)
def test_what_does_not_follow_its_schema_is_named_with_line_and_field(text, words):
    with pytest.raises(UnreadableInput) as caught:
        check_schema(parse_yaml(text, "f"), SCHEMA)
    assert words in caught.value.message


def test_what_follows_its_schema_is_accepted():
    check_schema(parse_yaml("a: 1\nb: xy", "f"), SCHEMA)


def test_a_refusal_carries_the_field_for_machines():
    with pytest.raises(UsageError) as caught:
        Document("f", {}).refuse(("a", 0, "b"), "no", remedy="do")
    assert caught.value.details == {"field": "a[0].b"}
    assert dotted(()) == ""
