"""What no allow-list can open, by every spelling of it."""

from __future__ import annotations

import pytest

from reconciler.sandbox.network.ranges import Standing, judge, judge_network, other_spelling


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fc00::1",
        "ff02::1",
        "::",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "::ffff:0:10.0.0.1",
        "::7f00:1",
        "::a00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:a9fe:a9fe::1",
        "2001:0:1::1",
        "2001:db8::1%eth0",
    ],
)
def test_denied_with_a_reason(address: str) -> None:
    verdict = judge(address)
    assert verdict.standing is Standing.DENIED
    assert verdict.reason
    assert not verdict.open


@pytest.mark.parametrize("address", ["127.0.0.1", "127.255.0.3", "::1"])
def test_loopback_is_a_standing_of_its_own(address: str) -> None:
    assert judge(address).standing is Standing.LOOPBACK
    assert judge_network(address).standing is Standing.LOOPBACK


@pytest.mark.parametrize("address", ["1.1.1.1", "10.0.0.1", "192.168.1.1", "100.100.100.201", "2001:db8::1", "2606::1"])
def test_open(address: str) -> None:
    assert judge(address).open


@pytest.mark.parametrize(
    "network",
    [
        "127.0.0.0/8",
        "127.0.0.0/31",
        "169.254.0.0/31",
        "169.254.169.0/24",
        "fd00::/8",
        "::ffff:0:0/100",
        "::/97",
        "2002::/16",
    ],
)
def test_ranges_inside_denied_ones_are_denied(network: str) -> None:
    verdict = judge_network(network)
    assert verdict.standing is Standing.DENIED
    assert verdict.reason


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "168.0.0.0/8", "10.0.0.0/8"])
def test_ranges_around_denied_ones_are_left_to_the_filter(network: str) -> None:
    assert judge_network(network).open


def test_the_reason_shows_a_way_out() -> None:
    assert "write the IPv4 address itself" in judge("::ffff:10.0.0.1").reason
    assert "global IPv6" in judge("fd12::1").reason


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("2852039166", "169.254.169.254"),
        ("0xA9FEA9FE", "169.254.169.254"),
        ("1.2.3.4", "1.2.3.4"),
        ("0", "0.0.0.0"),
    ],
)
def test_other_spellings_are_seen_through(text: str, plain: str) -> None:
    assert other_spelling(text) == plain


@pytest.mark.parametrize("text", ["db", "a.1", "1a", "999.1.1.1", "", "1.2.3.4.5", "0xg", "１.1"])
def test_names_are_no_spellings(text: str) -> None:
    assert other_spelling(text) is None


def test_not_an_address() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        judge("example.org")
