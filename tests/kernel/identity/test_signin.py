"""Signing in: lock-out, throttle, one answer to every refusal, codes that work once, and what is written down."""

import time
from datetime import UTC, datetime

import pytest

from tests.kernel.identity.people import PASSWORD
from trueup.kernel.errors import TrueupError

HERE = "192.0.2.1"


@pytest.fixture
def user(people):
    return people.add("vera@example.org", "viewer")


@pytest.fixture
def sign_in(session, clock):
    from trueup.kernel.identity import signin

    def call(email="vera@example.org", password=PASSWORD, address=HERE):
        return signin.password(session.installation, email=email, password=password, address=address)

    return call


@pytest.fixture
def refused(sign_in):
    """Try to sign in and return the refusal."""
    from trueup.kernel.identity.signin import SignInRefused

    def call(**more):
        with pytest.raises(SignInRefused) as caught:
            sign_in(**more)
        return caught.value.as_dict()

    return call


def fresh(user):
    from trueup.kernel.identity.models import User

    return User.objects.get(id=user.id)


def failures():
    from trueup.kernel.identity.models import LoginFailure

    return [(row.account, row.count) for row in LoginFailure.objects.order_by("account")]


@pytest.fixture
def lock(refused, user):
    """Fail until the account is locked."""

    def call(address=HERE):
        for _ in range(10):
            refused(password="wrong", address=address)

    return call


def test_who_knows_the_password_comes_in_whatever_the_letters_of_the_address(user, sign_in, log):
    assert sign_in(email=" Vera@Example.ORG ").user.id == user.id
    entry = log(system=True)[0]
    assert (entry["action"], entry["outcome"], entry["note"]["user"]) == ("identity.session.begin", "done", str(user.id))


@pytest.mark.requirement("kernel:identity.lock-out")
def test_unknown_wrong_disabled_and_locked_get_one_and_the_same_answer(people, user, sign_in, refused, lock):
    from trueup.kernel.identity.models import User

    off = people.add("off@example.org", "viewer")
    User.objects.filter(id=off.id).update(is_active=False)
    answers = [refused(password="wrong"), refused(email="nobody@example.org"), refused(email=off.email)]
    lock(address="192.0.2.2")
    answers.append(refused())
    assert all(answer == answers[0] for answer in answers)


def test_an_unknown_account_takes_about_as_long_to_refuse_as_a_known_one(user, refused):
    def best(**more):
        times = []
        for n in range(3):
            began = time.process_time()
            refused(address=f"192.0.2.{n + 10}", **more)
            times.append(time.process_time() - began)
        return min(times)

    known, unknown = best(password="wrong"), best(email="nobody@example.org", password="wrong")
    assert 0.5 < unknown / known < 2


@pytest.mark.requirement("kernel:identity.lock-out")
def test_ten_failures_lock_the_account_and_the_right_password_does_not_open_it(user, lock, refused, log):
    lock()
    assert fresh(user).locked_until is not None
    refused()
    locks = [entry for entry in log(system=True) if entry["action"] == "identity.user.lock"]
    assert [(entry["outcome"], entry["note"]["seconds"]) for entry in locks] == [("done", 900)]


def test_nine_failures_do_not_lock_and_a_good_login_forgives_them(user, refused, sign_in):
    for _ in range(9):
        refused(password="wrong")
    sign_in()
    assert fresh(user).failures == 0
    refused(password="wrong")
    sign_in()


def test_a_lock_out_ends_by_itself_and_the_next_one_lasts_twice_as_long(user, lock, sign_in, refused, clock):
    lock()
    clock.step(minutes=15)
    lock(address="192.0.2.3")
    clock.step(minutes=29)
    refused()
    clock.step(minutes=1)
    sign_in()
    assert (fresh(user).lockouts, fresh(user).locked_until) == (0, None)


def test_guesses_at_a_locked_account_do_not_make_its_lock_out_longer(user, lock, refused):
    lock()
    until = fresh(user).locked_until
    for _ in range(15):
        refused(password="wrong", address="192.0.2.4")
    assert (fresh(user).locked_until, fresh(user).failures) == (until, 0)


def test_an_admin_ends_a_lock_out(people, user, lock, sign_in):
    from trueup.kernel.identity.actions_users import UnlockUser

    lock()
    people.run(people.add("admin@example.org", "admin"), UnlockUser, user=user.id)
    sign_in()


@pytest.mark.requirement("kernel:identity.lock-out")
def test_a_lock_out_holds_in_another_process(user, lock, home, database):
    import os
    import subprocess
    import sys

    lock()
    code = """
import sys
from trueup.config.home import find_home
from trueup.config.installation import Installation
from trueup.kernel import tenancy
made = Installation(find_home())
tenancy.reach()
from trueup.kernel.identity import signin
try:
    signin.password(made, email="vera@example.org", password=sys.argv[1], address="192.0.2.9")
except signin.SignInRefused as exc:
    print(exc.code)
"""
    env = os.environ | {"TRUEUP_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", code, PASSWORD], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "SIGN_IN_REFUSED"


def test_an_address_that_fails_too_often_waits_whatever_the_account(user, refused, sign_in, clock):
    from trueup.kernel.identity.models import LoginFailure
    from trueup.kernel.identity.signin import TooManyFailures

    refused(email="nobody@example.org")
    LoginFailure.objects.update(count=50)
    with pytest.raises(TooManyFailures) as caught:
        sign_in()
    assert caught.value.code == "TOO_MANY_REQUESTS"
    sign_in(address="192.0.2.200")
    clock.step(minutes=20)
    sign_in()


def test_failures_against_unknown_accounts_are_one_row_with_a_count_and_no_entries(refused, log):
    before = len(log(system=True))
    for n in range(5):
        refused(email=f"guess{n}@example.org")
    assert failures() == [("", 5)]
    assert len(log(system=True)) == before


def test_failures_of_last_month_are_forgotten(refused, clock):
    refused(email="a@example.org")
    clock.step(days=31)
    refused(email="b@example.org")
    assert failures() == [("", 1)]


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("nonsense", "unknown"),
    ],
)
def test_failures_are_counted_for_the_network_of_one_visitor(address, counted):
    from trueup.kernel.identity.signin import network

    assert network(address) == counted


@pytest.fixture
def secret(user):
    """The secret of the user's authenticator app."""
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
    from allauth.mfa.totp.internal.auth import TOTP

    from trueup.kernel.identity.secondfactor import new_secret

    made = new_secret()
    TOTP.activate(user, made)
    RecoveryCodes.activate(user)
    return made


def code_of(secret, moment, step=0):
    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

    return format_hotp_value(hotp_value(secret, int(moment.timestamp()) // 30 + step))


@pytest.fixture
def show(session, user):
    from trueup.kernel.identity import signin

    return lambda code, address=HERE: signin.code(session.installation, user, code=code, address=address)


def test_nobody_is_signed_in_before_the_code_is_shown(user, secret, sign_in, show, log, clock):
    assert sign_in().needs_code
    assert "identity.session.begin" not in {entry["action"] for entry in log(system=True)}
    show(code_of(secret, clock()))
    assert log(system=True)[0]["note"]["second_factor"] is True


def test_a_code_works_once(secret, show, clock):
    code = code_of(secret, clock())
    show(code)
    with pytest.raises(TrueupError):
        show(code)


def test_a_code_of_the_step_before_or_after_works_and_no_other(secret, show, clock):
    for step in (-2, 2):
        with pytest.raises(TrueupError):
            show(code_of(secret, clock(), step))
    show(code_of(secret, clock(), -1))
    show(code_of(secret, clock(), 1))


def test_an_older_code_than_the_last_one_used_does_not_work(secret, show, clock):
    show(code_of(secret, clock(), 1))
    with pytest.raises(TrueupError):
        show(code_of(secret, clock()))


def test_a_recovery_code_works_once(user, secret, show):
    from trueup.kernel.identity.secondfactor import recovery_codes

    code, *others = recovery_codes(user)
    show(code)
    assert recovery_codes(user) == others
    with pytest.raises(TrueupError):
        show(code)


def test_wrong_codes_lock_the_account_as_wrong_passwords_do(user, secret, show, clock):
    for _ in range(10):
        with pytest.raises(TrueupError):
            show("000000x")
    assert fresh(user).locked_until is not None
    with pytest.raises(TrueupError):
        show(code_of(secret, clock()))


def test_the_secret_of_the_app_is_stored_sealed(secret):
    from allauth.mfa.models import Authenticator

    assert secret not in str(list(Authenticator.objects.values_list("data", flat=True)))


def test_nonsense_is_no_code(secret):
    from trueup.kernel.identity.secondfactor import step_of

    now = datetime.now(UTC)
    assert step_of(secret, "", now) is None
    assert step_of("not base32!", "123456", now) is None
