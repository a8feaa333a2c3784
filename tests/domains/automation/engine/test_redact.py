"""Secrets are taken out of what is written down, in every form that pages and protocols write them."""

import base64
import html
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.redact import MASK, Redactor, headers, without_passwords


def knowing(*values):
    redactor = Redactor()
    for value in values:
        redactor.learn(value)
    return redactor


SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=6).filter(lambda text: len(text.strip()) > 5)


@given(SECRETS)
def test_a_secret_is_taken_out_of_all_its_forms(secret):
    redactor = knowing(secret)
    coded = base64.b64encode(secret.encode()).decode()
    for form in (secret, html.escape(secret), html.escape(secret, quote=False), quote(secret, safe=""), quote_plus(secret), coded,
                 json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], urlencode({"": secret})[1:]):  # fmt: skip
        assert redactor.text(f"<{form}>") == f"<{MASK}>"


@given(
    st.recursive(
        st.text() | st.integers() | st.none() | st.booleans(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_data_without_a_secret_stays_as_it_is(data):
    assert knowing("a planted secret").data(data) == data
    assert Redactor().data(data) is data


def test_data_is_masked_at_any_depth_in_keys_and_as_numbers():
    found = knowing("hunter22", "4711").data({"a": ["x hunter22", {"hunter22": 4711}], "b": 47110, "c": True})
    assert found == {"a": [f"x {MASK}", {MASK: MASK}], "b": 47110, "c": True}


def test_a_short_secret_is_taken_out_where_it_stands_by_itself():
    assert knowing("on").text("on phone, on.") == f"{MASK} phone, {MASK}."


def test_a_longer_secret_goes_first_and_an_empty_one_is_none():
    redactor = knowing("pass", "password-1", "", "   ")
    assert redactor.text("password-1 pass  .") == f"{MASK} {MASK}  ."
    assert (redactor.knows, knowing("", " ").knows) == (True, False)


def test_headers_that_carry_credentials_lose_their_values():
    given_ = {"Authorization": "Basic x", "cookie": "a=b", "Set-Cookie": "a=b", "Proxy-Authorization": "x", "Accept": "y"}
    assert headers(given_) == {**dict.fromkeys(given_, MASK), "Accept": "y"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<input type="password" value="x">', f'<input type="password" value="{MASK}">'),
        ('<INPUT value="x > y" TYPE="PASSWORD">', f'<INPUT value="{MASK}" TYPE="PASSWORD">'),
        ('<input placeholder="a>b" type="password" data-value="k" value="x">', f'<input placeholder="a>b" type="password" data-value="k" value="{MASK}">'),
        ('<input type="text" value="x" placeholder="password">', None),
        ('<inputs type="password" value="x">', None),
        ("<p>password value</p>", None),
    ],
)  # fmt: skip
def test_no_password_field_shows_its_value(before, after):
    assert without_passwords(f"<b>{before}</b>") == f"<b>{after or before}</b>"
