"""Names to pins: every answer is judged, and what is dropped is said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from reconciler.sandbox.allow import parse_entry
from reconciler.sandbox.network.own import own_addresses
from reconciler.sandbox.network.ranges import Standing
from reconciler.sandbox.network.resolve import NothingToReach, Resolution, hosts_file, resolve

OWN = frozenset({ip_address("10.9.0.1"), ip_address("127.0.0.1"), ip_address("::1")})


def answering(**answers: list[str]) -> Callable[[str], list[str]]:
    """A resolver that knows ``name_tld`` as name.tld."""
    return lambda host: answers.get(host.replace(".", "_").replace("-", "__"), [])


def pins(*entries: str, **answers: list[str]) -> Resolution:
    return resolve([parse_entry(e) for e in entries], lookup=answering(**answers), own=OWN, time_limit=1)


def test_a_literal_is_pinned_without_a_question() -> None:
    def never(host: str) -> list[str]:
        raise AssertionError(host)

    found = resolve([parse_entry("10.0.0.1:443"), parse_entry("10.1.0.0/16:80")], lookup=never, own=OWN)
    assert [(p.label, str(p.network), p.port) for p in found.pins] == [
        ("a0", "10.0.0.1/32", 443),
        ("a1", "10.1.0.0/16", 80),
    ]


def test_every_answer_is_pinned_once_with_the_name() -> None:
    found = pins("Svc.Example.:443", svc_example=["10.0.0.1", "2001:db8::1", "10.0.0.1"])
    assert [(p.host, str(p.network)) for p in found.pins] == [
        ("svc.example", "10.0.0.1/32"),
        ("svc.example", "2001:db8::1/128"),
    ]
    assert b"10.0.0.1 svc.example\n2001:db8::1 svc.example\n" in hosts_file(found.pins)


def test_names_outside_ascii_are_asked_for_in_ascii() -> None:
    found = pins("bücher.example:443", xn____bcher__kva_example=["10.0.0.1"])
    assert found.pins[0].host == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("169.254.169.254", "link-local"),
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:10.0.0.1", "mapped"),
        ("fd00:ec2::254", "unique-local"),
        ("10.9.0.1", "this host itself"),
        ("fe80::1%eth0", "interface"),
        ("nonsense", "isn't an address"),
    ],
)
def test_answers_that_must_not_be_reached_are_dropped(answer: str, why: str) -> None:
    found = pins("svc.example:443", svc_example=["10.0.0.1", answer])
    assert [str(p.network.network_address) for p in found.pins] == ["10.0.0.1"]
    assert len(found.dropped) == 1
    assert why in found.dropped[0]
    with pytest.raises(NothingToReach, match=why):
        pins("svc.example:443", svc_example=[answer])


def test_our_own_address_counts_where_it_is_listed_with_that_port() -> None:
    found = pins("10.9.0.1:443", "svc.example:443", svc_example=["10.9.0.1"])
    assert [p.standing for p in found.pins] == [Standing.OWN, Standing.OWN]
    found = pins("10.9.0.1:80", "svc.example:443", svc_example=["10.9.0.1"])
    assert [p.port for p in found.pins] == [80]


def test_one_broken_name_closes_only_itself() -> None:
    found = pins("gone.example:443", "svc.example:443", svc_example=["10.0.0.1"])
    assert [p.host for p in found.pins] == ["svc.example"]
    assert found.dropped == ("gone.example has no address",)


def test_errors_of_the_resolver_are_reasons() -> None:
    def broken(host: str) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(NothingToReach, match=r"svc.example doesn't resolve: Name or service not known"):
        resolve([parse_entry("svc.example:443")], lookup=broken, own=OWN)


def test_a_slow_resolver_costs_no_more_than_the_limit() -> None:
    release = threading.Event()

    def slow(host: str) -> list[str]:
        release.wait(5)
        return ["10.0.0.1"]

    started = time.monotonic()
    with pytest.raises(NothingToReach, match=r"within 0\.1 s"):
        resolve([parse_entry(f"h{i}.example:443") for i in range(5)], lookup=slow, own=OWN, time_limit=0.1)
    assert time.monotonic() - started < 1
    release.set()


def test_permits_in_the_order_of_the_filter() -> None:
    found = pins("0.0.0.0/0:80", "10.9.0.1:443", "127.0.0.1:9000")
    assert found.permits(ip_address("10.0.0.1"), 80) is not None
    assert found.permits(ip_address("10.0.0.1"), 81) is None
    assert found.permits(ip_address("169.254.169.254"), 80) is None
    assert found.permits(ip_address("10.9.0.1"), 80) is None
    assert found.permits(ip_address("10.9.0.1"), 443) is not None
    assert found.permits(ip_address("127.0.0.1"), 9000) is not None
    assert found.permits(ip_address("127.0.0.1"), 9001) is None


def test_the_host_knows_its_own_addresses() -> None:
    assert ip_address("127.0.0.1") in own_addresses()


def test_the_hosts_file_always_has_loopback_and_names_the_way_to_the_hosts_one() -> None:
    text = hosts_file((), loopback="10.0.2.2").decode()
    assert text.splitlines()[0] == "127.0.0.1 localhost"
    assert "10.0.2.2 host.sandbox" in text
