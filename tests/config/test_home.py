"""The home: which folder it is, who may enter it, and what it holds."""

import stat
import threading
import time
from pathlib import Path

import pytest

from trueup.config.home import Home, find_home
from trueup.kernel.errors import ConfigurationError


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """A user without any wish about the home."""
    monkeypatch.delenv("TRUEUP_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_the_option_goes_before_the_variable_and_the_variable_before_the_users_folder(environment, tmp_path):
    assert find_home().path == tmp_path / "data" / "trueup"
    environment.setenv("TRUEUP_HOME", str(tmp_path / "from-variable"))
    assert find_home().path == tmp_path / "from-variable"
    assert find_home("/from/option").path == Path("/from/option")


def test_an_empty_variable_is_no_wish(environment, tmp_path):
    environment.setenv("TRUEUP_HOME", "")
    assert find_home().path == tmp_path / "data" / "trueup"


def test_a_relative_home_and_the_users_own_sign_are_made_absolute(environment, tmp_path):
    assert find_home("here").path == tmp_path / "here"
    assert find_home("~/there").path == tmp_path / "there"


def test_a_home_is_for_its_owner_alone(tmp_path):
    home = Home(tmp_path / "new")
    home.make()
    folders = (home.path, home.keys, home.artifacts, home.spool, home.run)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700] * 5
    assert not home.exists
    home.database.touch()
    assert home.exists
    home.make()


def test_a_home_in_a_place_that_cannot_hold_one_names_the_remedy(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot create the home") as caught:
        Home(tmp_path / "file" / "home").make()
    assert "--home" in caught.value.remedy


def test_a_lock_of_the_home_is_held_by_one_at_a_time(tmp_path):
    home = Home(tmp_path / "new")
    home.make()
    order = []

    def second():
        with home.locked("x"):
            order.append("second")

    with home.locked("x"):
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.1)
        order.append("first")
        with home.locked("y"):
            order.append("another lock")
    other.join()
    assert order == ["first", "another lock", "second"]
