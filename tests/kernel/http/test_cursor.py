"""Cursors: sealed, of one list, and of no use to who changes them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.kernel.errors import UsageError
from trueup.kernel.http.engine.cursor import seal, unseal

KEY = b"k" * 32
values = st.lists(st.one_of(st.text(max_size=30), st.integers(-(2**60), 2**60), st.booleans(), st.none()), min_size=1, max_size=4)


@given(values=values, scope=st.text(max_size=40))
def test_a_cursor_gives_back_what_was_sealed(values, scope):
    assert unseal(KEY, scope, seal(KEY, scope, values), length=len(values)) == values


@given(values=values, place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_cursor_with_one_changed_bit_is_refused(values, place, bit):
    blob = bytearray(base64.urlsafe_b64decode(seal(KEY, "list", values) + "=="))
    blob[place % len(blob)] ^= 1 << bit
    with pytest.raises(UsageError):
        unseal(KEY, "list", base64.urlsafe_b64encode(bytes(blob)).decode().rstrip("="), length=len(values))


@given(text=st.text(max_size=60))
def test_no_other_text_is_a_cursor(text):
    with pytest.raises(UsageError):
        unseal(KEY, "list", text, length=1)


@pytest.mark.parametrize(("key", "scope", "length"), [(b"x" * 32, "list", 1), (KEY, "other", 1), (KEY, "list", 2)])
def test_a_cursor_of_another_list_installation_or_order_is_refused(key, scope, length):
    with pytest.raises(UsageError, match="not one of this list"):
        unseal(key, scope, seal(KEY, "list", ["a"]), length=length)


def test_where_the_scope_ends_and_the_values_begin_cannot_be_moved():
    sealed = seal(KEY, 'a["x"]', [])
    with pytest.raises(UsageError):
        unseal(KEY, "a", sealed, length=1)


def test_a_very_long_cursor_is_refused_unread():
    with pytest.raises(UsageError):
        unseal(KEY, "list", "A" * 10_000, length=1)
