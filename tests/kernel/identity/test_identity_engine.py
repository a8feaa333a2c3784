"""What identity computes: roles that stand for others, lock-outs, the text of keys."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.kernel.identity.engine import keytext, lockout
from trueup.kernel.identity.engine.roles import STANDS_FOR, beyond, covered


def test_a_role_stands_for_another_only_where_the_policies_give_it_every_right_of_the_other():
    from trueup.config.wiring import WholeProduct
    from trueup.kernel.policy.engine.decide import roles_that_may
    from trueup.kernel.policy.engine.matrix import with_examples
    from trueup.kernel.policy.load import load_policies

    product = WholeProduct()
    store = with_examples(load_policies(product.folders(), actions=product.actions()))
    assert len(store.actions) > 30
    for action in store.actions:
        may = set(roles_that_may(store, action))
        wrong = [(role, other) for role, others in STANDS_FOR.items() for other in others if other in may and role not in may]
        assert wrong == [], action


def test_nobody_hands_on_a_role_that_theirs_does_not_stand_for():
    assert beyond({"owner", "viewer"}, {"admin"}) == ["owner"]
    assert beyond({"admin", "viewer"}, {"owner"}) == []
    assert beyond({"operator"}, {"analyst", "auditor"}) == ["operator"]
    assert covered({"room-role"}) == {"room-role"}


@given(st.integers(0, 10_000))
def test_each_lock_out_lasts_longer_than_the_one_before_up_to_a_day(before):
    present, following = lockout.lock_for(before), lockout.lock_for(before + 1)
    assert timedelta(minutes=15) <= present <= following <= timedelta(hours=24)
    assert following in (2 * present, timedelta(hours=24))


@given(st.integers(0, 4_000_000_000))
def test_a_moment_lies_in_its_window(seconds):
    now = datetime.fromtimestamp(seconds, UTC)
    start = lockout.window(now)
    assert start <= now < start + lockout.WINDOW
    assert lockout.window(start) == start


@given(st.text())
def test_a_text_that_is_no_key_is_none(text):
    assert keytext.parse(text) is None or keytext.parse(text).text == text.strip()


def test_a_new_key_is_256_random_bits_and_reads_back():
    from base64 import urlsafe_b64decode

    from trueup.kernel.identity.credentials import new_key

    key = new_key()
    assert keytext.parse(key.text) == key
    assert len(urlsafe_b64decode(key.secret + "=")) == 32
    assert key.secret not in repr(key)
    assert new_key().secret != key.secret


@pytest.mark.parametrize("stored", ["", "-" * 64])
def test_a_digest_that_is_none_matches_no_secret(stored):
    assert not keytext.matches("", stored)
    assert not keytext.matches("x" * 43, stored)


def test_a_secret_matches_its_own_digest_alone():
    assert keytext.matches("a" * 43, keytext.digest("a" * 43))
    assert not keytext.matches("b" * 43, keytext.digest("a" * 43))
