"""Asking real name servers for TXT records."""

import asyncio
import socket

import pytest

from tests.domains.automation.egress.nameserver import answer, naming
from trueup.domains.automation.egress.dns import Server, servers, txt
from trueup.domains.automation.engine.dns import DnsFailed
from trueup.kernel.errors import ConfigurationError

NAME = "_trueup-challenge.example.org"


def ask(address, *, seconds=2.0, name=NAME):
    return asyncio.run(txt(name, servers(address), seconds=seconds))


def test_a_record_is_found_and_one_that_is_not_there_is_not():
    with naming({NAME: ["token", "other"]}) as (address, _):
        assert ask(address) == ("token", "other")
    with naming({}) as (address, _):
        assert ask(address) == ()


def test_a_long_answer_is_fetched_over_tcp():
    long = ["x" * 600, "token"]
    with naming({NAME: long}, cut=True) as (address, _):
        assert ask(address) == tuple(long)


def test_a_forged_answer_that_comes_first_is_not_believed():
    def reply(asked):
        forged = answer(asked, {NAME: ["forged"]})
        return [bytes([forged[0] ^ 1]) + forged[1:], b"noise", answer(asked, {NAME: ["true"]})]

    with naming({}, reply=reply) as (address, asked):
        assert ask(address) == ("true",)
    assert len(asked) == 1


def test_each_question_has_a_number_of_its_own():
    with naming({}) as (address, asked):
        for _ in range(4):
            ask(address)
    assert len({data[:2] for data in asked}) > 1


def test_a_server_that_does_not_answer_leaves_it_unknown():
    with naming({}, reply=lambda _asked: []) as (address, asked), pytest.raises(DnsFailed, match="no name server answered"):
        ask(address, seconds=0.1)
    assert len(asked) == 2
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    with pytest.raises(DnsFailed):
        ask(f"127.0.0.1:{port}", seconds=0.2)


def test_the_servers_of_the_system_are_those_it_names(tmp_path):
    (tmp_path / "resolv.conf").write_text(
        "search lan\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver x\n# nameserver 1.1.1.1\n"
    )
    assert servers("", tmp_path / "resolv.conf") == (Server("192.0.2.1"), Server("fe80::1"))
    with pytest.raises(ConfigurationError, match="names no name server"):
        servers("", tmp_path / "none")


@pytest.mark.parametrize("setting", ["example.org", "192.0.2.1:0", "192.0.2.1:x", "[::1", ":53"])
def test_a_setting_that_is_no_address_is_refused(setting):
    with pytest.raises(ConfigurationError, match="no address of a name server"):
        servers(setting)


def test_a_setting_is_an_address_with_or_without_a_port():
    assert [servers(text)[0] for text in ("192.0.2.1", "192.0.2.1:5353", "::1", "[::1]:5353")] == [
        Server("192.0.2.1"), Server("192.0.2.1", 5353), Server("::1"), Server("::1", 5353),
    ]  # fmt: skip
