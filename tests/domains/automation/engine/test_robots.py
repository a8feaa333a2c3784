"""Robots files: the assertions of Google's published unit tests (Apache-2.0) as data, and what RFC 9309 adds."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.robots import MAX_LINE, deciding, is_allowed, parse, path_of

BAR = "http://foo.bar"
GROUPS = (
    "allow: /foo/bar/\n\nuser-agent: FooBot\ndisallow: /\nallow: /x/\nuser-agent: BarBot\ndisallow: /\nallow: /y/\n\n\n"
    "allow: /w/\nuser-agent: BazBot\n\nuser-agent: FooBot\nallow: /z/\ndisallow: /\n"
)
FOO = "user-agent: FooBot\n"
DENY = FOO + "disallow: /\n"
NAMED = {"FOO BAR": "User-Agent: FOO BAR\n", "foo bar": "User-Agent: foo bar\n", "FoO bAr": "User-Agent: FoO bAr\n"}
TSU = "\N{KATAKANA LETTER TU}"


def cases():
    """Yield (file, product token, URL, whether it may be fetched)."""
    yield "", "FooBot", "", True
    yield DENY, "", "", True
    yield DENY, "FooBot", "", False
    yield "", "", "", True
    yield DENY, "FooBot", BAR + "/x/y", False
    yield "foo: FooBot\nbar: /\n", "FooBot", BAR + "/x/y", True
    yield "user-agent FooBot\ndisallow /\n", "FooBot", BAR + "/x/y", False
    for agent, path, allowed in [
        ("FooBot", "/x/b", True), ("FooBot", "/z/d", True), ("FooBot", "/y/c", False), ("BarBot", "/y/c", True),
        ("BarBot", "/w/a", True), ("BarBot", "/z/d", False), ("BazBot", "/z/d", True), ("FooBot", "/foo/bar/", False),
        ("BarBot", "/foo/bar/", False), ("BazBot", "/foo/bar/", False),
    ]:  # fmt: skip
        yield GROUPS, agent, BAR + path, allowed
    for other in ("Sitemap: https://foo.bar/sitemap", "Invalid-Unknown-Line: unknown"):
        for agent in ("FooBot", "BarBot"):
            yield f"User-agent: BarBot\n{other}\nUser-agent: *\nDisallow: /\n", agent, BAR + "/", False
            yield f"User-agent: FooBot\n{other}\nUser-agent: *\nDisallow: /\n", agent, BAR + "/", False
    for upper in ("USER-AGENT: FooBot\nALLOW: /x/\nDISALLOW: /\n", FOO + "allow: /x/\ndisallow: /\n",
                  "uSeR-aGeNt: FooBot\nAlLoW: /x/\ndIsAlLoW: /\n"):  # fmt: skip
        yield upper, "FooBot", BAR + "/x/y", True
        yield upper, "FooBot", BAR + "/a/b", False
    for line in NAMED.values():
        for agent in ("Foo", "foo"):
            yield line + "Allow: /x/\nDisallow: /\n", agent, BAR + "/x/y", True
            yield line + "Allow: /x/\nDisallow: /\n", agent, BAR + "/a/b", False
    spaced = "User-Agent: *\nDisallow: /\nUser-Agent: Foo Bar\nAllow: /x/\nDisallow: /\n"
    yield spaced, "Foo", BAR + "/x/y", True
    yield spaced, "Foo Bar", BAR + "/x/y", False
    secondary = "user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /\n"
    yield secondary, "FooBot", BAR + "/x/y", False
    yield secondary, "BarBot", BAR + "/x/y", True
    only = FOO + "allow: /\nuser-agent: BarBot\ndisallow: /\nuser-agent: BazBot\ndisallow: /\n"
    yield only, "QuxBot", BAR + "/x/y", True
    yield FOO + "disallow: /x/\n", "FooBot", BAR + "/x/y", False
    yield FOO + "disallow: /X/\n", "FooBot", BAR + "/x/y", True
    yield from longest()
    yield from encoded()
    yield from special()
    yield from documented()


def longest():
    page = BAR + "/x/page.html"
    yield FOO + "disallow: /x/page.html\nallow: /x/\n", "FooBot", page, False
    yield FOO + "allow: /x/page.html\ndisallow: /x/\n", "FooBot", page, True
    yield FOO + "allow: /x/page.html\ndisallow: /x/\n", "FooBot", BAR + "/x/", False
    yield FOO + "disallow: \nallow: \n", "FooBot", page, True
    yield FOO + "disallow: /\nallow: /\n", "FooBot", page, True
    yield FOO + "disallow: /x\nallow: /x/\n", "FooBot", BAR + "/x", False
    yield FOO + "disallow: /x\nallow: /x/\n", "FooBot", BAR + "/x/", True
    yield FOO + "disallow: /x/page.html\nallow: /x/page.html\n", "FooBot", page, True
    yield FOO + "allow: /page\ndisallow: /*.html\n", "FooBot", BAR + "/page.html", False
    yield FOO + "allow: /page\ndisallow: /*.html\n", "FooBot", BAR + "/page", True
    yield FOO + "allow: /x/page.\ndisallow: /*.html\n", "FooBot", page, True
    yield FOO + "allow: /x/page.\ndisallow: /*.html\n", "FooBot", BAR + "/x/y.html", False
    both = "User-agent: *\nDisallow: /x/\nUser-agent: FooBot\nDisallow: /y/\n"
    yield both, "FooBot", BAR + "/x/page", True
    yield both, "FooBot", BAR + "/y/page", False


def encoded():
    query = "/foo/bar?qux=taz&baz=http://foo.bar?tar&par"
    yield f"{DENY}Allow: {query}\n", "FooBot", BAR + query, True
    for written in (TSU, "%E3%83%84"):
        yield f"{DENY}Allow: /foo/bar/{written}\n", "FooBot", BAR + "/foo/bar/%E3%83%84", True
        yield f"{DENY}Allow: /foo/bar/{written}\n", "FooBot", f"{BAR}/foo/bar/{TSU}", False
    yield f"{DENY}Allow: /foo/bar/%62%61%7A\n", "FooBot", BAR + "/foo/bar/baz", False
    yield f"{DENY}Allow: /foo/bar/%62%61%7A\n", "FooBot", BAR + "/foo/bar/%62%61%7A", True


def special():
    for path, allowed in [("/foo/bar/quz", False), ("/foo/quz", True), ("/foo//quz", True), ("/foo/bax/quz", True)]:
        yield FOO + "Disallow: /foo/bar/quz\nAllow: /foo/*/qux\n", "FooBot", BAR + path, allowed
    for path, allowed in [("/foo/bar", False), ("/foo/bar/qux", True), ("/foo/bar/", True), ("/foo/bar/baz", True)]:
        yield FOO + "Disallow: /foo/bar$\nAllow: /foo/bar/qux\n", "FooBot", BAR + path, allowed
    commented = FOO + "# Disallow: /\nDisallow: /foo/quz#qux\nAllow: /\n"
    yield commented, "FooBot", BAR + "/foo/bar", True
    yield commented, "FooBot", BAR + "/foo/quz", False
    index = "User-Agent: *\nAllow: /allowed-slash/index.html\nDisallow: /\n"
    for path, allowed in [("allowed-slash/", True), ("allowed-slash/index.htm", False), ("allowed-slash/index.html", True),
                          ("anyother-url", False)]:  # fmt: skip
        yield index, "foobot", "http://foo.com/" + path, allowed
    room = MAX_LINE + 1
    cut = "/x/" + "a" * (room - 3 - len("disallow: ") + 1 - 3)
    yield f"{FOO}disallow: {cut}/qux\n", "FooBot", BAR + "/fux", True
    yield f"{FOO}disallow: {cut}/qux\n", "FooBot", f"{BAR}{cut}/fux", False
    a, b = ("/x/" + letter * (room - 3 - len("allow: ") + 1 - 3) for letter in "ab")
    lines = f"{DENY}allow: {a}/qux\nallow: {b}/qux\n"
    yield lines, "FooBot", BAR + "/", False
    yield lines, "FooBot", f"{BAR}{a}/qux", True
    yield lines, "FooBot", f"{BAR}{b}/fux", True


def documented():
    fish = [("/bar", False), ("/fish", True), ("/fish.html", True), ("/fish/salmon.html", True), ("/fishheads", True),
            ("/fishheads/yummy.html", True), ("/fish.html?id=anything", True), ("/Fish.asp", False), ("/catfish", False),
            ("/?id=fish", False)]  # fmt: skip
    folder = [("/bar", False), ("/fish/", True), ("/fish/salmon", True), ("/fish/?salmon", True), ("/fish/salmon.html", True),
              ("/fish/?id=anything", True), ("/fish", False), ("/fish.html", False), ("/Fish/Salmon.html", False)]  # fmt: skip
    php = [("/bar", False), ("/filename.php", True), ("/folder/filename.php", True), ("/folder/filename.php?parameters", True),
           ("//folder/any.php.file.html", True), ("/filename.php/", True), ("/index?f=filename.php/", True), ("/php/", False),
           ("/index?php", False), ("/windows.PHP", False)]  # fmt: skip
    ends = [("/bar", False), ("/filename.php", True), ("/folder/filename.php", True), ("/filename.php?parameters", False),
            ("/filename.php/", False), ("/filename.php5", False), ("/php/", False), ("/filename?php", False),
            ("/aaaphpaaa", False), ("//windows.PHP", False)]  # fmt: skip
    fish_php = [("/bar", False), ("/fish.php", True), ("/fishheads/catfish.php?parameters", True), ("/Fish.PHP", False)]
    tables = {"/fish": fish, "/fish*": fish, "/fish/": folder, "/*.php": php, "/*.php$": ends, "/fish*.php": fish_php}
    for pattern, table in tables.items():
        for path, allowed in table:
            yield f"{DENY}allow: {pattern}\n", "FooBot", BAR + path, allowed
    here = "http://example.com"
    yield FOO + "allow: /p\ndisallow: /\n", "FooBot", here + "/page", True
    yield FOO + "allow: /folder\ndisallow: /folder\n", "FooBot", here + "/folder/page", True
    yield FOO + "allow: /page\ndisallow: /*.htm\n", "FooBot", here + "/page.htm", False
    yield FOO + "allow: /$\ndisallow: /\n", "FooBot", here + "/", True
    yield FOO + "allow: /$\ndisallow: /\n", "FooBot", here + "/page.html", False


def test_googles_published_assertions_hold():
    wrong = [
        (text[:80], agent, url[:80]) for text, agent, url, allowed in cases() if is_allowed(text.encode(), agent, url) != allowed
    ]
    assert wrong == []


def test_there_are_as_many_assertions_as_published():
    assert len(list(cases())) >= 130


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("", "/"), ("http://www.example.com", "/"), ("http://www.example.com/", "/"), ("http://www.example.com/a", "/a"),
        ("http://www.example.com/a/", "/a/"), ("http://www.example.com/a/b?c=http://d.e/", "/a/b?c=http://d.e/"),
        ("http://www.example.com/a/b?c=d&e=f#fragment", "/a/b?c=d&e=f"), ("example.com", "/"), ("example.com/", "/"),
        ("example.com/a", "/a"), ("example.com/a/", "/a/"), ("example.com/a/b?c=d&e=f#fragment", "/a/b?c=d&e=f"), ("a", "/"),
        ("a/", "/"), ("/a", "/a"), ("a/b", "/b"), ("example.com?a", "/?a"), ("example.com/a;b#c", "/a;b"), ("//a/b/c", "/b/c"),
        ("http://a/%e3", "/%E3"),
    ],
)  # fmt: skip
def test_the_path_that_patterns_are_held_against(url, path):
    assert path_of(url) == path.encode()


@pytest.mark.parametrize(
    ("written", "meant"), [("/a/b/c", "/a/b/c"), ("/\N{LATIN SMALL LETTER A WITH ACUTE}", "/%C3%A1"), ("/%aa", "/%AA")]
)
def test_patterns_are_percent_encoded(written, meant):
    (group,) = parse(f"user-agent: a\ndisallow: {written}".encode())
    assert group.rules[0].pattern == meant.encode()


LINES = ("User-Agent: foo", "Allow: /some/path", "User-Agent: bar", "", "", "Disallow: /")


@pytest.mark.parametrize(
    "text",
    ["\n".join((*LINES, "")), "\r\n".join((*LINES, "")), "\r".join((*LINES, "")), "\n".join(LINES),
     "User-Agent: foo\nAllow: /some/path\r\nUser-Agent: bar\n\r\n\nDisallow: /"],
)  # fmt: skip
def test_every_kind_of_line_end_is_one(text):
    assert [(sorted(group.agents), len(group.rules)) for group in parse(text.encode())] == [([b"foo"], 1), ([b"bar"], 1)]


@pytest.mark.parametrize(
    ("mark", "groups"), [(b"\xef\xbb\xbf", 1), (b"\xef\xbb", 1), (b"\xef", 1), (b"\xef\x11\xbf", 0), (b"\n\xef\xbb\xbf", 0)]
)
def test_a_byte_order_mark_is_passed_over_at_the_beginning_alone(mark, groups):
    assert len(parse(mark + b"User-Agent: foo\nAllow: /AnyValue\n")) == groups


def test_a_version_after_the_product_token_is_not_part_of_it():
    text = b"user-agent: *\ndisallow:\nuser-agent: trueup\ndisallow: /\n"
    assert not is_allowed(text, "Trueup/1.0", "http://a/x")
    assert is_allowed(text, "Other/1.0", "http://a/x")


def test_the_rule_that_decided_can_be_named():
    rule = deciding(b"user-agent: *\ndisallow: /a\nallow: /a/b", "t", "http://h/a/b/c")
    assert rule is not None
    assert (rule.allow, rule.pattern) == (True, b"/a/b")
    assert deciding(b"user-agent: *\ndisallow: /a", "t", "http://h/b") is None


def test_misspelt_names_are_understood():
    for name in ("dissallow", "dissalow", "disalow", "diasllow", "disallaw"):
        assert not is_allowed(f"useragent: x\n{name}: /\n".encode(), "x", "http://h/")


def _naive(pattern, path):
    """Match as the text of the standard has it: each set of places that a pattern's beginning can end at."""
    places = {0}
    for index, octet in enumerate(pattern):
        if octet == ord("$") and index == len(pattern) - 1:
            return len(path) in places
        if octet == ord("*"):
            places = {place for start in places for place in range(start, len(path) + 1)}
        else:
            places = {place + 1 for place in places if place < len(path) and path[place] == octet}
    return bool(places)


_octets = st.text("/ab*$", max_size=8)


@given(_octets, st.text("/ab$", max_size=10), st.booleans())
def test_matching_is_what_the_standard_says(pattern, rest, allow):
    line = f"{'allow' if allow else 'disallow'}: /{pattern}"
    decides = deciding(f"user-agent: x\n{line}".encode(), "x", f"http://h/{rest}")
    assert (decides is not None) == _naive(f"/{pattern}".encode(), f"/{rest}".encode())


@given(st.binary(max_size=400), st.text(max_size=20), st.text(max_size=40))
def test_no_file_agent_or_url_is_too_odd(body, agent, url):
    url = url.encode("utf-8", "replace").decode()
    assert is_allowed(body, agent.encode("utf-8", "replace").decode(), url) in (True, False)


def test_a_hostile_pattern_takes_linear_time():
    text = b"user-agent: *\ndisallow: /" + b"a*" * 8000 + b"b$\n"
    started = time.process_time()
    assert is_allowed(text, "x", "http://h/" + "a" * 16_000)
    assert time.process_time() - started < 1.0
