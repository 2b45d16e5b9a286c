"""The guard from the attacker's side: a denied address in every way that it can be written, wrapped or led to."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.execute.egress import DENIED, Guard
from reconciler.execute.names import Found, Names
from reconciler.execute.port import Failed

METADATA = IPv4Address("169.254.169.254")

# How an IPv6 address leads to an IPv4 one: what comes before and after the 32 bits.
WRAPPINGS = {
    "mapped": ("::ffff:0:0", 0),
    "compatible": ("::", 0),
    "translated": ("::ffff:0:0:0", 0),
    "NAT64": ("64:ff9b::", 0),
    "local NAT64": ("64:ff9b:1::", 0),
    "local NAT64, a longer prefix": ("64:ff9b:1:7:8:9::", 0),
    "6to4": ("2002::", 80),
    "ISATAP": ("2001:db8::5efe:0:0", 0),
    "ISATAP, a public one": ("2001:db8::200:5efe:0:0", 0),
}


def wrapped(how: str, address: IPv4Address) -> str:
    """The IPv4 address inside an IPv6 one."""
    prefix, shift = WRAPPINGS[how]
    return str(IPv6Address(int(IPv6Address(prefix)) | int(address) << shift))


def resolve(guard: Guard, host: str) -> list[str]:
    """What may be connected to under this name."""
    return [address.ip for address in asyncio.run(guard.resolve(host, 80)).addresses]


@pytest.mark.parametrize("how", WRAPPINGS)
@settings(deadline=None)
@given(number=st.integers(0, 2**16 - 1))
def test_no_wrapping_hides_a_link_local_address(how: str, number: int) -> None:
    with pytest.raises(Failed, match="may not be connected to"):
        Guard().check(wrapped(how, IPv4Address(0xA9FE0000 + number)))


@settings(deadline=None)
@given(how=st.sampled_from(sorted(WRAPPINGS)), number=st.integers(0, 2**24 - 1))
def test_the_operators_networks_are_looked_for_inside_too(how: str, number: int) -> None:
    inside = IPv4Address(0x0A000000 + number)
    Guard().check(str(inside))
    for form in (str(inside), wrapped(how, inside)):
        with pytest.raises(Failed):
            Guard(["10.0.0.0/8"]).check(form)


@settings(deadline=None)
@given(server=st.integers(0, 2**32 - 1), client=st.integers(0, 2**16 - 1))
def test_teredo_hides_neither_its_server_nor_its_client(server: int, client: int) -> None:
    prefix = 0x20010000 << 96
    hidden = 0xA9FE0000 + client
    for number in (prefix | server << 64 | (hidden ^ 0xFFFFFFFF), prefix | hidden << 64 | server):
        with pytest.raises(Failed):
            Guard().check(str(IPv6Address(number)))


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "::ffff:169.254.169.254%1",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.16689662",
        "0xa9.0376.169.254",
        "\u2460\u2465\u2468.254.169.254",
        "\uff11\uff16\uff19.254.169.254",
        "169\u3002254\u3002169\u3002254",
        "fe80::1%lo",
        "fd00:ec2::254",
        "fd20:ce::254",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
    ],
)
def test_a_metadata_service_has_no_other_name(host: str) -> None:
    with pytest.raises(Failed, match="may not be connected to"):
        resolve(Guard(), host)


@pytest.mark.parametrize("host", ["0.0.0.0", "0", "::", "[::]", "127.1", "0x7f000001", "localhost"])
def test_this_host_has_no_name_that_an_operators_ban_misses(host: str) -> None:
    assert resolve(Guard(), host)
    with pytest.raises(Failed, match="may not be connected to"):
        resolve(Guard(["127.0.0.0/8", "::1/128"]), host)


@pytest.mark.parametrize("host", ["", "[]", "a\0b", "169.254.169.254 ", "169.254.169.254%lo", "a..b", "x" * 300])
def test_what_is_no_host_is_refused_with_a_sentence(host: str) -> None:
    with pytest.raises(Failed):
        resolve(Guard(), host)


def test_one_denied_address_among_good_ones_is_enough() -> None:
    def lookup(host: str) -> Found:
        return [(socket.AF_INET, "192.0.2.1"), (socket.AF_INET, str(METADATA))]

    with pytest.raises(Failed, match=r"169\.254\.169\.254 may not be connected to"):
        resolve(Guard(names=Names(lookup)), "rebind.example.net")


def test_a_name_that_changes_its_mind_is_checked_each_time() -> None:
    answers = iter(["192.0.2.1", str(METADATA)])

    def lookup(host: str) -> Found:
        return [(socket.AF_INET, next(answers))]

    guard = Guard(names=Names(lookup))
    assert resolve(guard, "rebind.example.net") == ["192.0.2.1"]
    with pytest.raises(Failed):
        resolve(guard, "rebind.example.net")


def test_what_passed_one_guard_does_not_pass_a_stricter_one() -> None:
    guard = Guard()
    guard.check("192.0.2.1")
    with pytest.raises(Failed):
        guard.extended(["192.0.2.0/24"]).check("192.0.2.1")
    with pytest.raises(Failed):
        guard.extended(["10.0.0.0/8"]).check(str(METADATA))


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_everything_else_passes(address: IPv4Address) -> None:
    from ipaddress import ip_network

    denied = any(address in ip_network(network) for network in DENIED if "." in network)
    if denied:
        with pytest.raises(Failed):
            Guard().check(str(address))
    else:
        Guard().check(str(address))
