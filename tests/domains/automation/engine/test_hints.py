"""Selectors that could stand for one that found nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.hints import MOST, hints


def element(tag="button", **given_):
    empty = dict.fromkeys(("id", "classes", "name", "label", "role", "type", "placeholder", "test", "text"), "")
    return {"tag": tag, **empty, **given_}


@pytest.mark.parametrize(
    ("selector", "near", "offered"),
    [
        ("#login-button", element(id="login-btn"), "#login-btn"),
        ("div > #login-button", element(id="btn-login-button2"), "#btn-login-button2"),
        ("[data-testid='buy-now']", element(test="data-testid=buy-now-2", id="x"), '[data-testid="buy-now-2"]'),
        ("[data-testid=buy-now]", element(test="data-qa=buy-now"), '[data-qa="buy-now"]'),
        ('input[name="email"]', element("input", name="e-mail"), 'input[name="e-mail"]'),
        ("#emailAddress", element("input", name="email_address"), 'input[name="email_address"]'),
        (".btn-primary", element(classes="btn btn-primary-new", id="go"), "#go"),
        ("button:has-text('Add to cart')", element(text="Add to basket"), 'button:text-is("Add to basket")'),
        ("[aria-label='Search']", element(label="Search site"), 'button[aria-label="Search site"]'),
        ("[id='a:1']", element(id="a:12"), '[id="a:12"]'),
    ],
)
def test_what_resembles_is_offered_by_its_most_lasting_name(selector, near, offered):
    found = hints(selector, [element("h1", id="something-else", text="Hello"), near])
    assert [one.selector for one in found][:1] == [offered]
    assert "resembles" in found[0].why


def test_nothing_is_offered_that_is_not_alike_or_not_the_only_one():
    assert hints("#checkout", [element(id="zzz"), element("a", text="Home")]) == []
    assert hints(".item", [element(classes="items"), element(classes="items")]) == []
    assert hints("#same", [element(id="same")]) == []


def test_the_nearest_comes_first_and_no_more_than_three_do():
    near = [element(id=f"submit-order-{n}") for n in range(6)] + [element(id="submit-orders")]
    found = hints("#submit-order", near)
    assert (len(found), found[0].selector) == (MOST, "#submit-orders")


@given(st.text(max_size=200), st.lists(st.fixed_dictionaries({key: st.text(max_size=20) for key in element()}), max_size=5))
def test_no_selector_and_no_page_breaks_it(selector, elements):
    assert len(hints(selector, elements)) <= MOST
