"""Which network addresses are no public place: special-purpose ranges, IPv4 inside IPv6, metadata services of clouds.

Nothing here is taken from the interpreter's own tables, which change with its version: an answer has to be the same everywhere.

References:
    IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190); RFC 4291 (IPv6), RFC 6052 and RFC 8215 (NAT64),
    RFC 3056 (6to4), RFC 4380 (Teredo), RFC 5214 (ISATAP); the instance metadata documentation of the clouds.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

type Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Special:
    """Why an address is no public place: the rule's id, and words."""

    rule: str
    reason: str


_V4 = {
    "0.0.0.0/8": ("unspecified", "this network"),
    "10.0.0.0/8": ("private", "private use"),
    "100.64.0.0/10": ("shared", "shared address space"),
    "127.0.0.0/8": ("loopback", "loopback"),
    "169.254.0.0/16": ("link_local", "link local"),
    "172.16.0.0/12": ("private", "private use"),
    "192.0.0.0/24": ("reserved", "IETF protocol assignments"),
    "192.0.2.0/24": ("documentation", "documentation"),
    "192.31.196.0/24": ("reserved", "AS112"),
    "192.52.193.0/24": ("reserved", "AMT"),
    "192.88.99.0/24": ("reserved", "6to4 relay anycast"),
    "192.168.0.0/16": ("private", "private use"),
    "192.175.48.0/24": ("reserved", "AS112"),
    "198.18.0.0/15": ("benchmarking", "benchmarking"),
    "198.51.100.0/24": ("documentation", "documentation"),
    "203.0.113.0/24": ("documentation", "documentation"),
    "224.0.0.0/4": ("multicast", "multicast"),
    "240.0.0.0/4": ("reserved", "reserved"),
    "255.255.255.255/32": ("broadcast", "limited broadcast"),
}
_V6 = {
    "::/128": ("unspecified", "unspecified"),
    "::1/128": ("loopback", "loopback"),
    "::/96": ("embedded", "IPv4-compatible, deprecated"),
    "::ffff:0:0:0/96": ("embedded", "IPv4-translated"),
    "64:ff9b:1::/48": ("embedded", "local-use NAT64"),
    "100::/64": ("reserved", "discard only"),
    "2001::/23": ("reserved", "IETF protocol assignments, Teredo among them"),
    "2001:db8::/32": ("documentation", "documentation"),
    "2002::/16": ("embedded", "6to4"),
    "2620:4f:8000::/48": ("reserved", "AS112"),
    "3fff::/20": ("documentation", "documentation"),
    "5f00::/16": ("reserved", "segment routing"),
    "fc00::/7": ("private", "unique local"),
    "fe80::/10": ("link_local", "link local"),
    "fec0::/10": ("private", "site local, deprecated"),
    "ff00::/8": ("multicast", "multicast"),
}
# of clouds; those that lie in special ranges too are named here so that a refusal says what was asked for
_METADATA = (
    "169.254.169.254",
    "169.254.169.253",
    "169.254.169.123",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.0.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd00:ec2::253",
    "fd00:ec2::123",
    "fd00:ec2::23",
    "fd20:ce::254",
)

type _Range = tuple[int, int, Special]


def _ranges(table: dict[str, tuple[str, str]]) -> tuple[_Range, ...]:
    """Return first and last address of each range as integers, the narrowest range first."""
    networks: list[tuple[IPv4Network | IPv6Network, Special]] = [
        (ip_network(text), Special(f"egress.address.{rule}", f"{words} ({text})")) for text, (rule, words) in table.items()
    ]
    networks.sort(key=lambda one: -one[0].prefixlen)
    return tuple((int(net.network_address), int(net.broadcast_address), special) for net, special in networks)


_RANGES = {4: _ranges(_V4), 6: _ranges(_V6)}
_KNOWN_METADATA = frozenset(ip_address(text) for text in _METADATA)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


def special(address: Address) -> Special | None:
    """Say why an address is no public place; None where it is one.

    >>> special(ip_address("::ffff:127.0.0.1")).rule
    'egress.address.loopback'
    """
    if address in _KNOWN_METADATA:
        return Special("egress.address.metadata", f"metadata service of a cloud ({address})")
    inner = embedded(address) if isinstance(address, IPv6Address) else None
    if inner is not None and (found := special(inner)) is not None:
        return Special(found.rule, f"{found.reason}, inside {address}")
    number = int(address)
    # what is written as IPv6 and means one IPv4 address is judged by that alone
    if inner is not None and isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return None
    for first, last, found in _RANGES[address.version]:
        if first <= number <= last:
            return found
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return Special("egress.address.reserved", "not global unicast")
    return None


def embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address carries; None where it carries none.

    Mapped, translated and compatible addresses, both NAT64 prefixes, 6to4, Teredo (the client) and ISATAP.
    """
    number = int(address)
    low = number & 0xFFFF_FFFF
    if address in _MAPPED or address in _NAT64 or number >> 32 == 0xFFFF_0000:
        return IPv4Address(low)
    if number >> 32 == 0 and number > 1:
        return IPv4Address(low)
    if number >> 80 == 0x0064_FF9B_0001:
        # RFC 6052, 2.2: after a prefix of 48 bits 16 bits of the address, 8 of zeros, the other 16
        return IPv4Address(((number >> 64) & 0xFFFF) << 16 | (number >> 40) & 0xFFFF)
    if number >> 112 == 0x2002:
        return IPv4Address((number >> 80) & 0xFFFF_FFFF)
    if number >> 96 == 0x2001_0000:
        return IPv4Address(low ^ 0xFFFF_FFFF)
    if (number >> 32) & 0xFFFF_FFFF in _ISATAP:
        return IPv4Address(low)
    return None
