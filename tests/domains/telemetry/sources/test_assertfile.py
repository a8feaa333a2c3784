"""Files of asserts: read whole, or refused with file, line and field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.telemetry.engine.asserts import OPERATORS, Assert
from trueup.domains.telemetry.sources.assertfile import load_asserts, read_asserts
from trueup.kernel.documents import Document
from trueup.kernel.errors import TrueupError, UnreadableInput

GOOD = """\
version: 1
asserts:
  - {id: volt-high, metric: volt, op: "<=", value: 12.5}
  - {id: mode, metric: mode, op: in, value: [1, 2], severity: warning, persistence: {k: 2, n: 3}}
"""


@pytest.fixture
def read(tmp_path):
    def call(text, name="a.yaml"):
        (tmp_path / name).write_text(text)
        return read_asserts(load_asserts(tmp_path / name))

    return call


def test_asserts_are_read_from_yaml(read):
    assert read(GOOD) == (
        Assert("volt-high", "volt", "<=", 12.5),
        Assert("mode", "mode", "in", (1.0, 2.0), "warning", (2, 3)),
    )


def test_asserts_are_read_from_json(read):
    (found,) = read('{"asserts": [{"id": "a", "metric": "x", "op": "!=", "value": 3}]}', "a.json")
    assert found == Assert("a", "x", "!=", 3.0)


@pytest.mark.parametrize(
    ("line", "place", "says"),
    [
        ("{id: a, metric: x, op: <, value: 1, unit: V}", r"a\.yaml:2: asserts\[0\]\.unit", "unknown key"),
        ("{id: a, metric: x, op: ~=, value: 1}", r"a\.yaml:2: asserts\[0\]\.op", "not one of"),
        ("{id: a, metric: x, op: <, value: high}", r"a\.yaml:2: asserts\[0\]\.value", "number"),
        ("{id: a, metric: x, op: <, value: [1]}", r"a\.yaml:2: asserts\[0\]\.value", "number"),
        ("{id: a, metric: x, op: in, value: 1}", r"a\.yaml:2: asserts\[0\]\.value", "array"),
        ("{id: a, metric: x, op: in, value: []}", r"a\.yaml:2: asserts\[0\]\.value", ""),
        ("{id: a b, metric: x, op: <, value: 1}", r"a\.yaml:2: asserts\[0\]\.id", "letters, digits"),
        ("{id: a, metric: x, op: <, value: 1, severity: fatal}", r"a\.yaml:2: asserts\[0\]\.severity", "not one of"),
        ("{id: a, metric: x, op: <, value: 1, persistence: {k: 4, n: 3}}", r"a\.yaml:2: asserts\[0\]\.persistence", "k ≤ n"),
        ("{id: a, metric: x, op: <}", r"a\.yaml:2: asserts\[0\]", "missing: value"),
    ],
)
def test_what_is_no_assert_is_refused_with_file_line_and_field(read, line, place, says):
    with pytest.raises(UnreadableInput, match=place) as told:
        read(f"asserts:\n  - {line}\n")
    assert says in told.value.message


def test_an_id_that_is_there_twice_is_refused_where_it_stands(read):
    with pytest.raises(UnreadableInput, match=r"a\.yaml:5: asserts\[2\]\.id: 'volt-high' is there twice"):
        read(GOOD + "  - {id: volt-high, metric: volt, op: <, value: 1}\n")


@pytest.mark.parametrize("text", ["", "asserts: []\n", "asserts: 3\n", "{}\n", "version: 1\n", "- a\n", GOOD + "more: 1\n"])
def test_a_file_without_an_assert_is_refused(read, text):
    with pytest.raises(UnreadableInput):
        read(text)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([*OPERATORS, "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "metric", "op", "value", "severity", "persistence", "k", "n"]), inner, max_size=6
        )
    ),
    max_leaves=10,
)


@given(st.fixed_dictionaries({"asserts": st.lists(ANYTHING, max_size=3)}) | ANYTHING)
def test_any_document_is_read_or_refused(data):
    try:
        found = read_asserts(Document("asserts", data))
    except TrueupError:
        return
    assert found
    assert all(isinstance(check, Assert) for check in found)
