"""Messages of the DNS: the answer to our question alone is believed, and nothing breaks the reading."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domains.automation.egress.nameserver import answer, encoded
from trueup.domains.automation.engine.dns import Cut, DnsFailed, answers, question

NAME = "_trueup-challenge.example.org"


def test_strings_of_a_record_are_joined_and_other_names_passed_over():
    message = answer(question(NAME, 7), {NAME: ["a" * 255 + "b", "second"], "other.org": ["no"]})
    assert answers(message, NAME, 7) == ("a" * 255 + "b", "second")


def test_an_alias_is_followed_within_the_answer():
    message = answer(question(NAME, 7), {"target.example.net": ["token"]}, aliases={NAME: "target.example.net"})
    assert answers(message, NAME, 7) == ("token",)
    stray = answer(question(NAME, 7), {"target.example.net": ["token"]})
    assert answers(stray, NAME, 7) == ()


def test_a_ring_of_aliases_ends():
    assert answers(answer(question(NAME, 7), {}, aliases={NAME: "b.org", "b.org": NAME}), NAME, 7) == ()


@pytest.mark.parametrize(("asked", "number"), [("other.example.org", 7), (NAME, 8)])
def test_an_answer_to_another_question_is_none(asked, number):
    assert answers(answer(question(asked, 7), {asked: ["x"]}), NAME, number) is None


def test_a_question_is_no_answer():
    assert answers(question(NAME, 7), NAME, 7) is None


def test_no_such_name_is_an_answer_and_an_error_of_the_server_is_none():
    assert answers(answer(question(NAME, 7), {}, code=3), NAME, 7) == ()
    with pytest.raises(DnsFailed, match="error 2"):
        answers(answer(question(NAME, 7), {}, code=2), NAME, 7)


def test_an_answer_that_did_not_fit_is_asked_for_again():
    with pytest.raises(Cut):
        answers(answer(question(NAME, 7), {}, cut=True), NAME, 7)


def test_pointers_that_lead_to_themselves_end():
    header = struct.pack("!6H", 7, 0x8000, 1, 0, 0, 0)
    with pytest.raises(DnsFailed, match="broken"):
        answers(header + b"\xc0\x0c" + struct.pack("!HH", 16, 1), NAME, 7)


@given(st.binary(max_size=200))
def test_what_comes_after_a_true_header_never_breaks_the_reading(noise):
    message = struct.pack("!6H", 7, 0x8000, 1, 2, 0, 0) + encoded(NAME) + struct.pack("!HH", 16, 1) + noise
    try:
        found = answers(message, NAME, 7)
    except DnsFailed:
        return
    assert isinstance(found, tuple)


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_flipped_byte_never_breaks_the_reading(place, value):
    message = bytearray(answer(question(NAME, 7), {NAME: ["token"]}))
    message[place % len(message)] = value
    try:
        found = answers(bytes(message), NAME, 7)
    except (DnsFailed, Cut):
        return
    assert found is None or isinstance(found, tuple)


@pytest.mark.parametrize("name", ["", "a..b", "a" * 64 + ".org", ".".join(["a" * 60] * 5)])
def test_what_is_no_name_is_not_asked_for(name):
    with pytest.raises(DnsFailed, match="no name"):
        question(name, 1)
