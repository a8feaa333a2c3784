"""The web part of the settings: what the environment says, and the key that seals sessions."""

import stat

import pytest

from trueup.config.home import Home
from trueup.config.web import LOCAL, rate_limit, secret_key, web
from trueup.kernel.errors import ConfigurationError


def test_without_a_word_the_server_is_for_this_machine_and_its_cookies_need_no_tls():
    made = web({})
    assert made["ALLOWED_HOSTS"] == list(LOCAL)
    assert (made["SESSION_COOKIE_SECURE"], made["SECURE_HSTS_SECONDS"], made["SECURE_PROXY_SSL_HEADER"]) == (False, 0, None)
    assert (made["SESSION_COOKIE_HTTPONLY"], made["CSRF_COOKIE_HTTPONLY"]) == (True, True)
    assert (made["SESSION_COOKIE_SAMESITE"], made["CSRF_COOKIE_SAMESITE"]) == ("Lax", "Lax")
    assert made["TRUEUP_DOORS"].metrics_to_loopback is False


def test_a_public_address_with_https_makes_cookies_secure_and_names_its_host_and_origin():
    made = web({"TRUEUP_PUBLIC_URL": "https://trueup.example.org:8443"})
    assert made["ALLOWED_HOSTS"] == [*LOCAL, "trueup.example.org"]
    assert made["CSRF_TRUSTED_ORIGINS"] == ["https://trueup.example.org:8443"]
    assert (made["SESSION_COOKIE_SECURE"], made["CSRF_COOKIE_SECURE"]) == (True, True)
    assert made["SESSION_COOKIE_NAME"].startswith("__Host-")


def test_a_proxy_is_believed_only_where_the_settings_say_that_there_is_one():
    assert web({"TRUEUP_BEHIND_PROXY": "1"})["TRUEUP_DOORS"].behind_proxy is True
    assert web({"TRUEUP_BEHIND_PROXY": "no"})["TRUEUP_DOORS"].behind_proxy is False
    with pytest.raises(ConfigurationError, match="neither yes nor no"):
        web({"TRUEUP_BEHIND_PROXY": "perhaps"})


@pytest.mark.parametrize("address", ["trueup.example.org", "ftp://x.example.org", "https://", "javascript:1"])
def test_a_public_address_that_is_none_is_refused(address):
    with pytest.raises(ConfigurationError, match="no web address"):
        web({"TRUEUP_PUBLIC_URL": address})


@pytest.mark.parametrize("text", ["", "50", "0:10", "10:0", "-1:5", "x:y", "1:2:3", "1e3:5"])
def test_a_rate_that_is_none_is_refused(text):
    with pytest.raises(ConfigurationError, match="no rate"):
        rate_limit(text)


def test_pages_may_load_their_own_files_and_run_nothing_inline():
    policy = web({})["SECURE_CSP"]
    assert policy["default-src"] == ["'none'"]
    assert {source for sources in policy.values() for source in sources} == {"'none'", "'self'", "data:"}
    assert [name for name, sources in policy.items() if "data:" in sources] == ["img-src"]


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.make()
    return made


def test_the_key_that_seals_sessions_is_made_once_and_readable_by_its_owner_alone(home):
    first = secret_key(home)
    assert len(first) >= 60
    assert secret_key(home) == first
    assert stat.S_IMODE((home.keys / "web.key").stat().st_mode) == 0o600
    assert [path.name for path in home.keys.iterdir()] == ["web.key"]


def test_two_homes_have_two_keys(home, tmp_path):
    other = Home(tmp_path / "other")
    other.make()
    assert secret_key(other) != secret_key(home)


def test_a_place_where_no_key_can_be_made_is_said(home):
    home.keys.rmdir()
    home.keys.write_text("a file in its place")
    with pytest.raises(ConfigurationError, match="cannot make the web key"):
        secret_key(home)
