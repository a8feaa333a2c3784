"""One reading of a URL: what others could read differently is refused, and what is read is what is connected to."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.addresses import embedded, special
from trueup.domains.automation.engine.urls import UrlRefused, private_name, read


@pytest.mark.parametrize(
    ("text", "url", "host", "port", "path"),
    [
        ("http://example.org", "http://example.org/", "example.org", 80, "/"),
        ("HTTPS://Example.ORG:443/a?b=c#d", "https://example.org/a?b=c", "example.org", 443, "/a?b=c"),
        ("http://example.org.:8080/", "http://example.org.:8080/", "example.org", 8080, "/"),
        ("https://fa\u00df.de/", "https://xn--fa-hia.de/", "xn--fa-hia.de", 443, "/"),
        ("http://8.8.8.8/x", "http://8.8.8.8/x", "8.8.8.8", 80, "/x"),
        ("wss://[2606:4700::1111]/", "wss://[2606:4700::1111]/", "2606:4700::1111", 443, "/"),
        ("http://a.example/../b/./c", "http://a.example/b/c", "a.example", 80, "/b/c"),
    ],
)
def test_a_plain_url_is_read(text, url, host, port, path):
    target = read(text)
    assert (target.url, target.host, target.port, target.path) == (url, host, port, path)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("http://user@example.org/", "userinfo"),
        ("http://user:pw@example.org/", "userinfo"),
        ("http://@example.org/", "userinfo"),
        ("http://example.org\\@127.0.0.1/", "backslash"),
        ("http:\\\\example.org/", "backslash"),
        ("http://exam\tple.org/", "control"),
        ("http://example.org/\n", "control"),
        (" http://example.org/", "control"),
        ("http://example.org/a b", "control"),
        ("http://example.org\x00.evil.example/", "control"),
        ("http://127.0.0.1%00.example.org/", "invalid"),
        ("http://%31%32%37.0.0.1/", "host_encoding"),
        ("http://example%2eorg/", "host_encoding"),
        ("http://2130706433/", "host_form"),
        ("http://0x7f000001/", "host_form"),
        ("http://0177.0.0.1/", "host_form"),
        ("http://127.1/", "host_form"),
        ("http://0/", "host_form"),
        ("http://127\u30020\u30020\u30021/", "host_form"),
        ("http://\u2460\u2461\u2466.0.0.1/", "host_form"),
        ("http://\uff11\uff12\uff17.0.0.1/", "host_form"),
        ("http://0x08080808/", "host_form"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://example.org/", "scheme"),
        ("ftp://example.org/", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("data:text/html,x", "scheme"),
        ("blob:http://example.org/1", "scheme"),
        ("example.org", "invalid"),
        ("//example.org/", "invalid"),
        ("", "invalid"),
        ("http://", "invalid"),
        ("http://256.256.256.256/", "invalid"),
        ("http://[fe80::1%25eth0]/", "invalid"),
        ("http://example.org:0/", "port"),
        ("http://example.org:99999/", "invalid"),
        ("http://example.org/" + "a" * 9000, "length"),
    ],
)
def test_what_could_be_read_differently_is_refused_by_a_named_rule(text, rule):
    with pytest.raises(UrlRefused) as refused:
        read(text)
    assert refused.value.rule == f"egress.url.{rule}"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("127.0.0.1", "loopback"), ("127.255.255.254", "loopback"), ("::1", "loopback"), ("0.1.2.3", "unspecified"),
        ("::", "unspecified"), ("10.1.2.3", "private"), ("172.31.255.255", "private"), ("192.168.1.1", "private"),
        ("fd12::1", "private"), ("fec0::1", "private"), ("169.254.1.1", "link_local"), ("fe80::1", "link_local"),
        ("100.64.0.1", "shared"), ("198.18.0.1", "benchmarking"), ("203.0.113.9", "documentation"),
        ("2001:db8::1", "documentation"), ("3fff::1", "documentation"), ("224.0.0.1", "multicast"), ("ff02::1", "multicast"),
        ("255.255.255.255", "broadcast"), ("240.0.0.1", "reserved"), ("192.0.0.8", "reserved"), ("4000::1", "reserved"),
        ("169.254.169.254", "metadata"), ("100.100.100.200", "metadata"), ("168.63.129.16", "metadata"),
        ("fd00:ec2::254", "metadata"), ("::ffff:169.254.169.254", "metadata"), ("64:ff9b::a9fe:a9fe", "metadata"),
        ("::ffff:10.0.0.1", "private"), ("::127.0.0.1", "loopback"), ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b:1:7f00:0:100::", "loopback"), ("2002:7f00:1::", "loopback"), ("2001:0:5ef5:79fd:0:0:80ff:fffe", "loopback"),
        ("2606:4700:0:1:0:5efe:a00:1", "private"), ("2606:4700:0:1:200:5efe:7f00:1", "loopback"), ("2002:808:808::", "embedded"),
        ("64:ff9b:1:808:8:800::", "embedded"), ("2001:0:1:2:3:4:5:6", "reserved"),
    ],
)  # fmt: skip
def test_an_address_that_is_no_public_place_is_refused_by_a_named_rule(text, rule):
    found = special(ip_address(text))
    assert found is not None
    assert found.rule == f"egress.address.{rule}"


@pytest.mark.parametrize(
    "text",
    ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "198.20.0.1", "2606:4700:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8",
     "64:ff9b::808:808", "2606:4700:0:1:0:5efe:808:808"],
)  # fmt: skip
def test_a_public_address_is_not_refused(text):
    assert special(ip_address(text)) is None


@given(st.ip_addresses(v=4))
def test_an_address_is_as_special_inside_ipv6_as_outside(inner):
    number = int(inner)
    for address in (
        (0xFFFF << 32) | number,
        number,
        (0x64FF9B << 96) | number,
        (0x2002 << 112) | (number << 80),
        (0x20010000 << 96) | (number ^ 0xFFFF_FFFF),
        (0x2606_4700 << 96) | (0x5EFE << 32) | number,
    ):
        outer = ip_address(address.to_bytes(16, "big"))
        if number > 1:
            assert embedded(outer) == inner
        if special(inner) is not None:
            assert special(outer) is not None


@pytest.mark.parametrize(
    ("host", "rule"),
    [
        ("localhost", "localhost"), ("a.b.localhost", "localhost"), ("metadata.google.internal", "metadata"), ("metadata", "metadata"),
        ("printer", "private"), ("nas.local", "private"), ("git.corp", "private"), ("router.home.arpa", "private"),
        ("x.onion", "private"),
    ],
)  # fmt: skip
def test_a_name_of_no_public_place_is_refused_whatever_it_resolves_to(host, rule):
    assert private_name(host) == f"egress.name.{rule}"


@pytest.mark.parametrize("host", ["example.org", "local.example.org", "localhost.example", "internal.example.com"])
def test_a_public_name_is_not_refused(host):
    assert private_name(host) == ""


@given(st.text(max_size=60))
def test_whatever_is_read_is_read_the_same_again(text):
    try:
        target = read(f"http://{text}")
    except UrlRefused:
        return
    again = read(target.url)
    assert (again.host, again.port, again.path) == (target.host, target.port, target.path)
