"""NATS without a server: what is asked for, credentials, keys, and what a missing library is told as."""

import asyncio
import base64
import itertools
import sys
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from tests.conformance.sources.userjwt import ACCOUNT, USER, Identity, written
from trueup.domains.telemetry.sources.live.build import Asked, build, password_of
from trueup.domains.telemetry.sources.live.event import Dead
from trueup.domains.telemetry.sources.live.jetstream import event_from, key_from
from trueup.domains.telemetry.sources.live.nats_client import Arrived, Client, arrived, parse_server
from trueup.domains.telemetry.sources.live.nats_creds import credentials
from trueup.domains.telemetry.sources.live.payload import Fields
from trueup.kernel.errors import ConfigurationError, UsageError

GOOD = {"broker": "nats://127.0.0.1", "stream": "RIG"}
TOKEN = "head.body.signature"


def made(**asked):
    return build(Asked("nats", **GOOD | asked), {}, tenant=UUID(int=1), name="it", told=print)


def acked(stream="RIG", number=7, taken=1_700_000_000_000_000_001, delivered=1):
    return f"$JS.ACK.{stream}.it.{delivered}.{number}.9.{taken}.0".encode()


def message(reply, data=b'{"seq": 1}'):
    return arrived(b"rig.7", reply, data)


def test_a_source_is_made_of_what_was_asked_for():
    server = made(topics=("rig.*.temp",), ack_wait=3.0).server
    assert (server.address, server.stream, server.subject, server.ack_wait) == ("nats://127.0.0.1:4222", "RIG", "rig.*.temp", 3.0)
    assert server.consumer == made().server.consumer
    assert made(client_id="mine").server.consumer == "mine"


@pytest.mark.parametrize(
    ("asked", "option"),
    [
        ({"broker": ""}, "--broker"),
        ({"stream": ""}, "--stream"),
        ({"stream": "a.b"}, "--stream"),
        ({"client_id": "a b"}, "--client-id"),
        ({"topics": ("a", "b")}, "--topic"),
        ({"topics": ("a..b",)}, "--topic"),
        ({"topics": ("a.>.b",)}, "--topic"),
        ({"topics": ("a b",)}, "--topic"),
        ({"topics": ("rig*",)}, "--topic"),
        ({"username": "u"}, "--username"),
        ({"password": "planted"}, "--username"),
        ({"username": "u", "password": "planted", "token": "planted"}, "log in"),
        ({"broker": "nats://u:planted@127.0.0.1"}, "credentials"),
        ({"broker": "u:planted@127.0.0.1"}, "credentials"),
        ({"broker": "mqtt://127.0.0.1"}, "address"),
    ],
)
def test_what_cannot_be_understood_names_its_option_and_shows_no_secret(asked, option):
    with pytest.raises(UsageError) as caught:
        made(**asked)
    assert option in caught.value.message
    assert caught.value.remedy
    assert "planted" not in str(caught.value.as_dict())


def test_addresses_are_read_with_their_ports():
    assert parse_server("tls://[::1]:99") == ("::1", 99, True)
    assert parse_server("nats://server") == ("server", 4222, False)


def test_a_missing_library_is_told_with_the_extra_that_has_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "nats", None)
    with pytest.raises(ConfigurationError) as caught:
        made()
    assert "trueup[nats]" in caught.value.remedy


def test_a_variable_that_is_not_set_is_told_with_its_option():
    with pytest.raises(UsageError) as caught:
        password_of("NOT_SET_AT_ALL", {}, option="--token-env")
    assert "--token-env" in caught.value.remedy


def test_secrets_are_not_in_what_is_printed_of_their_holders(tmp_path):
    user = Identity(USER)
    path = written(tmp_path / "user.creds", TOKEN, user.seed)
    holders = [made(username="u", password="planted"), made(token="planted"), made(creds=path), credentials(path)]
    holders.append(Asked("nats", token="planted"))
    assert not {"planted", TOKEN, user.seed} & {word for word in ("planted", TOKEN, user.seed) if word in repr(holders)}


def test_a_file_of_credentials_signs_as_its_user(tmp_path):
    user = Identity(USER)
    found = credentials(written(tmp_path / "user.creds", TOKEN, user.seed))
    assert found.token == TOKEN.encode()
    user.key.public_key().verify(base64.b64decode(found.sign("nonce")), b"nonce")


@pytest.mark.parametrize(
    ("token", "seed", "line"),
    [
        ("no token", Identity(USER).seed, 2),
        (TOKEN, Identity(ACCOUNT).seed, 8),
        (TOKEN, Identity(USER).name, 8),
        (TOKEN, Identity(USER).seed[:-1] + "!", 8),
        (TOKEN, "SUAAPLANTED", 8),
        (TOKEN, "", 8),
    ],
    ids=["no token", "an account's seed", "a public key", "a letter that is none", "too short", "nothing"],
)
def test_what_is_wrong_in_a_file_of_credentials_is_told_with_its_line_and_not_shown(tmp_path, token, seed, line):
    with pytest.raises(ConfigurationError) as caught:
        credentials(written(tmp_path / "user.creds", token, seed))
    assert f"user.creds, line {line}: " in caught.value.message
    assert not seed or seed not in str(caught.value.as_dict())


def test_a_changed_letter_of_a_seed_is_found_by_its_checksum(tmp_path):
    seed = Identity(USER).seed
    other = seed[:20] + ("A" if seed[20] != "A" else "B") + seed[21:]
    with pytest.raises(ConfigurationError):
        credentials(written(tmp_path / "user.creds", TOKEN, other))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text()
    | st.binary()
    | st.lists(st.sampled_from(["-----BEGIN NATS USER JWT-----", TOKEN, "-----BEGIN USER NKEY SEED-----", "SU"]))
)
def test_any_file_is_credentials_or_refused_by_its_name(tmp_path, content):
    path = tmp_path / "any.creds"
    content = "\n".join(content) if isinstance(content, list) else content
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigurationError, match=r"any\.creds"):
        credentials(path)


def test_a_file_of_credentials_that_is_not_there_is_refused_when_the_source_is_made(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.creds: cannot be read"):
        made(creds=tmp_path / "none.creds")


def test_a_message_that_is_sent_again_has_its_key():
    assert key_from(message(acked(delivered=1))) == key_from(message(acked(delivered=3)))


def test_a_server_with_domains_gives_the_same_key():
    reply = b"$JS.ACK.hub.ACCHASH.RIG.it.1.7.9.1700000000000000001.0.random"
    assert key_from(message(reply)) == key_from(message(acked()))


@given(st.tuples(*[st.integers(0, 10**18)] * 2), st.tuples(*[st.integers(0, 10**18)] * 2), st.sampled_from(["RIG", "7"]))
def test_messages_of_other_numbers_times_or_streams_have_other_keys(one, other, stream):
    keys = [key_from(message(acked(name, *pair))) for name, pair in (("RIG", one), (stream, other))]
    assert (keys[0] == keys[1]) == ((("RIG", *one)) == (stream, *other))


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda tail: b"$JS.ACK.RIG.it." + tail))
def test_any_reply_is_a_streams_or_none(reply):
    found = message(reply)
    assert found is None or isinstance(key_from(found), bytes)


@given(st.binary(min_size=1, max_size=20), st.binary(max_size=60))
def test_any_message_is_an_event_with_a_key_or_a_dead_letter(subject, data):
    found = event_from(Arrived(subject, acked(), data, b"RIG", 7, 1), 1, Fields())
    assert isinstance(found, Dead) or found.key is not None


WORD = st.binary(min_size=1, max_size=12).map(lambda text: bytes(c for c in text if c not in b" \t\r\n") or b"x")
MESSAGES = st.lists(
    st.tuples(WORD, st.binary(max_size=30), st.none() | st.binary(max_size=20), st.sampled_from([1, 2])), max_size=8
)


def sent(messages):
    """Return what a server sends of them, with words between them that are none."""
    found = b""
    for subject, data, headers, sid in messages:
        reply = acked(taken=len(found))
        if headers is None:
            head = b"MSG %b %d %b %d" % (subject, sid, reply, len(data))
        else:
            head = b"HMSG %b %d %b %d %d" % (subject, sid, reply, len(headers), len(headers) + len(data))
        found += b"%b\r\n%b%b\r\n+OK\r\n" % (head, headers or b"", data)
    return found


def parsed(chunks):
    async def run():
        client = Client(tls=False)
        client.frames.pulled = 1
        for chunk in chunks:
            await client.frames.parse(chunk)
        return [(one.subject, one.data) for one in client.arrived]

    return asyncio.run(run())


@given(MESSAGES, st.lists(st.integers(0, 400), max_size=6))
def test_messages_are_the_same_however_what_was_sent_comes_in_pieces(messages, cuts):
    whole = sent(messages)
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    expected = [(subject, data) for subject, data, _, sid in messages if sid == 1]
    assert parsed(whole[low:high] for low, high in itertools.pairwise(places)) == expected


@pytest.mark.parametrize("line", [b"MSG a 1", b"MSG a one 3", b"MSG a 1 b c 3", b"HMSG a 1 9 3", b"MSG a 1 -3", b"NONSENSE"])
def test_what_no_server_sends_ends_the_connection(line):
    with pytest.raises(ProtocolError):
        parsed([line + b"\r\nabc\r\n"])


def test_the_librarys_own_parser_would_end_it_at_a_form_feed_in_a_subject():
    with pytest.raises(ProtocolError):
        asyncio.run(Parser(Client(tls=False)).parse(sent([(b"rig.\x0c7", b"{}", None, 1)])))
