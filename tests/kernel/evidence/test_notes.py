"""Signed notes, checkpoints, DSSE and canonical JSON, against the vectors of their standards."""

import base64

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from trueup.kernel.evidence.engine import notes
from trueup.kernel.evidence.keys import Signer

# The example of the C2SP signed-note specification (also golang.org/x/mod/sumdb/note).
NOTE_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE_SKEY = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
NOTE_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    NOTE_TEXT
    + "\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_note_of_the_specification_verifies():
    name, raw = notes.parse_vkey(NOTE_VKEY)
    assert name == "PeterNeumann"
    assert notes.vkey(name, raw) == NOTE_VKEY
    assert notes.verify_note(NOTE, name, raw) == NOTE_TEXT


def test_signing_the_text_of_the_specification_gives_its_note_byte_for_byte():
    seed = base64.b64decode(NOTE_SKEY)[1:]
    signer = Signer.of(Ed25519PrivateKey.from_private_bytes(seed))
    blob = notes.note_key_hash("PeterNeumann", signer.public) + signer.sign(NOTE_TEXT.encode())
    assert f"{NOTE_TEXT}\n\u2014 PeterNeumann {base64.b64encode(blob).decode()}\n" == NOTE


@given(st.integers(0, len(NOTE) - 1), st.characters(codec="utf-8"))
def test_a_note_with_one_changed_character_does_not_verify(place, character):
    name, raw = notes.parse_vkey(NOTE_VKEY)
    changed = NOTE[:place] + character + NOTE[place + 1 :]
    if changed != NOTE:
        with pytest.raises(ValueError):  # noqa: PT011 - any of its reasons will do
            notes.verify_note(changed, name, raw)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        NOTE_TEXT,
        NOTE_TEXT + "\n",
        NOTE[:-1],
        NOTE.replace("\u2014", "-"),
        NOTE + NOTE.rpartition("\n\n")[2],
        NOTE.replace("\n\n", "\n\t\n"),
        NOTE.replace("PeterNeumann x", "Peter+Neumann x"),
        NOTE.replace("x08go/ZJ", "x08go*ZJ"),
        NOTE.replace("NeumAnn", "Neumann").replace("PeterNeumann", "SomeoneElse"),
        NOTE_TEXT + "\n\u2014 PeterNeumann AAAA\n",
    ],
)
def test_a_malformed_note_is_refused(bad):
    name, raw = notes.parse_vkey(NOTE_VKEY)
    with pytest.raises(ValueError):  # noqa: PT011
        notes.verify_note(bad, name, raw)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "PeterNeumann",
        NOTE_VKEY.replace("c74f20a3", "c74f20a4"),
        NOTE_VKEY.replace("Peter", "Petra"),
        NOTE_VKEY[:-1],
        "+" + NOTE_VKEY.partition("+")[2],
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_a_malformed_verifier_key_is_refused(bad):
    with pytest.raises(ValueError):  # noqa: PT011
        notes.parse_vkey(bad)


P = 2**255 - 19


def small_order_encodings():
    """Find every encoding whose point, eight times added to itself, is the neutral element (RFC 8032 section 5.1)."""
    d = -121665 * pow(121666, P - 2, P) % P

    def add(a, b):
        (x1, y1), (x2, y2) = a, b
        m = d * x1 * x2 * y1 * y2 % P
        return (
            (x1 * y2 + x2 * y1) * pow(1 + m, P - 2, P) % P,
            (y1 * y2 + x1 * x2) * pow(1 - m, P - 2, P) % P,
        )

    def x_of(y):
        square = (y * y - 1) * pow(d * y * y + 1, P - 2, P) % P
        x = pow(square, (P + 3) // 8, P)
        if (x * x - square) % P:
            x = x * pow(2, (P - 1) // 4, P) % P
        return x if (x * x - square) % P == 0 else None

    order8 = [int.from_bytes(bytes.fromhex(y), "little") for y in notes._ORDER_8]
    for y in (0, 1, P - 1, *order8):
        x = x_of(y)
        assert x is not None
        point = (x, y)
        for _ in range(3):
            point = add(point, point)
        assert point == (0, 1), "not of small order"
        for sign in (0, 1):
            yield (y | sign << 255).to_bytes(32, "little")


@pytest.mark.parametrize("raw", list(small_order_encodings()), ids=lambda raw: raw.hex()[:8])
def test_a_public_key_of_small_order_is_refused(raw):
    with pytest.raises(ValueError, match="small order"):
        notes.check_public_key(raw)


@pytest.mark.parametrize("y", [P, P + 1, 2**255 - 1])
def test_a_public_key_that_is_not_canonical_is_refused(y):
    with pytest.raises(ValueError, match="canonical"):
        notes.check_public_key(y.to_bytes(32, "little"))


def test_an_ordinary_public_key_is_accepted():
    notes.check_public_key(Ed25519PrivateKey.generate().public_key().public_bytes_raw())


def test_a_signature_by_a_small_order_key_is_no_signature():
    identity = (1).to_bytes(32, "little")
    assert not notes.verify_signature(identity, identity + bytes(32), b"anything")


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "a\n1\n",
        "a\n1\nAAAA\n",
        "a\n01\n" + "A" * 43 + "=\n",
        "a\n-1\n" + "A" * 43 + "=\n",
        "a\n1\n" + "A" * 43 + "=\nmore\n",
        "\n1\n" + "A" * 43 + "=\n",
        "a\n1\n*\n",
    ],
)
def test_a_malformed_checkpoint_is_refused(bad):
    with pytest.raises(ValueError):  # noqa: PT011
        notes.parse_checkpoint(bad)


def test_a_checkpoint_states_origin_size_and_root():
    text = "trueup/x/y\n3\n" + base64.b64encode(bytes(32)).decode() + "\n"
    assert notes.parse_checkpoint(text) == ("trueup/x/y", 3, bytes(32))


def test_the_pre_authentication_encoding_is_that_of_the_dsse_protocol():
    assert notes.pae("http://example.com/HelloWorld", b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_canonical_json_is_that_of_rfc_8785():
    sample = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '\u20ac$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    expected = '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    assert rfc8785.dumps(sample) == expected.encode()


def test_canonical_json_sorts_keys_by_utf16_code_units():
    sample = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew",
        "1": "One",
        "\U0001f600": "Smiley",
        "\u0080": "Control",
        "\u00f6": "o",
    }
    keys = rfc8785.dumps(sample).decode()
    order = [keys.index(value) for value in ("Carriage", "One", "Control", '"o"', "Euro", "Smiley", "Hebrew")]
    assert order == sorted(order)
