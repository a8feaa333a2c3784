"""A challenge counts where its publisher alone can write, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.challenge import front, in_file, in_page, in_records, record_name

TOKEN = "s3cret-token_of-the-challenge"
META = f'<meta name="trueup-challenge" content="{TOKEN}">'


@pytest.mark.parametrize(
    "page",
    [
        f"<!doctype html><html><head><title>x</title>{META}</head><body></body></html>",
        f"<head>{META}",
        f'<META NAME="Trueup-Challenge" CONTENT=" {TOKEN} ">',
        f"<head><script>var a = '</hea' + 'd>'</script>{META}</head>",
    ],
)
def test_a_meta_element_in_the_head_counts(page):
    assert in_page(page.encode(), TOKEN)


@pytest.mark.parametrize(
    "page",
    [
        f"<head></head><body>{META}</body>",
        f"<head><title>{META}</title></head>",
        f"<head><title>a{META}",
        f"<head><!-- {META} --></head>",
        f"<head><script>'{META}'</script></head>",
        f"<head><noscript>{META}</noscript></head>",
        f"<p>comment: {META}",
        f"some words {META}",
        f"<head></head>{META}",
        f'<head><meta name="description" content="{TOKEN}"></head>',
        f'<head><meta name="trueup-challenge" content="other" content="{TOKEN}"></head>',
        '<head><meta name="trueup-challenge"></head>',
        "<head>" + " " * (1 << 18) + META,
    ],
)
def test_what_visitors_could_have_left_does_not_count(page):
    assert not in_page(page.encode(), TOKEN)


@given(st.binary(max_size=300))
def test_no_page_file_or_record_breaks_the_reading_and_none_holds_an_empty_token(body):
    assert in_page(body, TOKEN) is in_file(body, TOKEN) is False
    assert not any((in_page(body, ""), in_file(body, ""), in_records([body.decode("latin-1")], "")))


def test_a_file_and_a_record_hold_the_token_alone():
    assert in_file(f"{TOKEN}\n".encode(), TOKEN)
    assert not in_file(f"{TOKEN} and more".encode(), TOKEN)
    assert not in_file(TOKEN.encode() + b" " * 2000, TOKEN)
    assert in_records(["v=spf1 -all", TOKEN], TOKEN)
    assert not in_records([f"x{TOKEN}"], TOKEN)


def test_where_it_stands_follows_from_the_host():
    assert record_name("example.org") == record_name("*.example.org") == "_trueup-challenge.example.org"
    assert (front("example.org", ()), front("example.org", (80,)), front("::1", (443,))) == (
        "https://example.org", "http://example.org", "https://[::1]",
    )  # fmt: skip
