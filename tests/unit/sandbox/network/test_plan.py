"""Which network a run gets; and that nothing falls silently between deny and everything."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from reconciler.sandbox.allow import parse_entry
from reconciler.sandbox.capabilities import Capabilities
from reconciler.sandbox.network.gate import local_addresses
from reconciler.sandbox.network.pasta import Pasta
from reconciler.sandbox.network.plan import choose
from reconciler.sandbox.network.port import Choice, Held, Host, Routeless, Unavailable
from reconciler.sandbox.network.probe import Ran, judge
from reconciler.sandbox.network.resolve import resolve
from reconciler.sandbox.network.slirp import Slirp, subnet_beside
from reconciler.sandbox.policy import Network

TOOLS = {name: f"/usr/bin/{name}" for name in ("bwrap", "nft", "nsenter", "ip", "slirp4netns", "pasta")}
OWN = frozenset({ip_address("10.9.0.1"), ip_address("127.0.0.1")})


def host(*, without: tuple[str, ...] = (), **more: Any) -> Capabilities:
    tools = {name: path for name, path in TOOLS.items() if name not in without}
    return Capabilities(
        **{"platform": "linux", "uid": 0, "tools": tools, "sandbox": True, "tun": True, "nft": True, **more}
    )


def chosen(capabilities: Capabilities, *allow: str, only: str | None = None, **network: Any) -> Choice:
    policy = Network(**{"mode": "allowlist", "allow": allow, **network})
    return choose(policy, capabilities, lookup=lambda _: ["10.0.0.7"], own=OWN, only=only)


def backend(choice: Choice) -> str:
    assert isinstance(choice, Held)
    helpers: Any = None
    network: Any = choice.backend(helpers)
    return str(network._plan.tap.name)


@pytest.mark.parametrize("capabilities", [host(), host(without=("slirp4netns", "pasta", "nft")), Capabilities()])
def test_nothing_listed_is_routeless_whatever_there_is(capabilities: Capabilities) -> None:
    assert chosen(capabilities) == Routeless()
    assert chosen(capabilities, "10.0.0.1:80", mode="deny") == Routeless()


def test_unrestricted_without_the_block_is_the_host() -> None:
    assert chosen(host(), mode="unrestricted", deny_link_local_and_metadata=False) == Host()


def test_unrestricted_with_the_block_is_fenced_or_says_why_not() -> None:
    choice = chosen(host(), mode="unrestricted")
    assert isinstance(choice, Held)
    assert choice.resolv == b"nameserver 10.0.2.3\n"
    assert "169.254.0.0/16" in choice.rules
    choice = chosen(host(tun=False), mode="unrestricted")
    assert isinstance(choice, Host)
    assert choice.downgrade is not None
    assert "/dev/net/tun" in choice.downgrade


def test_backends_in_order() -> None:
    assert backend(chosen(host(), "10.0.0.1:80")) == "slirp4netns"
    assert backend(chosen(host(without=("slirp4netns",)), "10.0.0.1:80")) == "pasta"
    assert backend(chosen(host(egress={"slirp4netns": "it lied"}), "10.0.0.1:80")) == "pasta"


@pytest.mark.parametrize(
    ("capabilities", "why"),
    [
        (host(without=("slirp4netns", "pasta")), "slirp4netns is missing; gate: no system call filter that asks us"),
        (host(without=("slirp4netns", "pasta")), "pasta: pasta is missing"),
        (host(without=("nft", "nsenter")), "nft and nsenter are missing"),
        (host(tun=False), "/dev/net/tun can't be opened"),
        (host(nft=False), "packet filter"),
        (host(egress={"slirp4netns": "it lied", "pasta": "so did it"}), "pasta: so did it"),
    ],
)
def test_what_cannot_be_had_says_why_and_is_never_the_host(capabilities: Capabilities, why: str) -> None:
    choice = chosen(capabilities, "10.0.0.1:80")
    assert isinstance(choice, Unavailable)
    assert why in choice.reason


def test_no_survivor_refuses_with_the_reasons() -> None:
    policy = Network(mode="allowlist", allow=("svc.example:443",))
    choice = choose(policy, host(), lookup=lambda _: ["169.254.169.254"], own=OWN)
    assert isinstance(choice, Unavailable)
    assert "svc.example resolves to 169.254.169.254" in choice.reason


def test_names_are_pinned_into_hosts_and_rules() -> None:
    choice = chosen(host(), "svc.example:443", "127.0.0.1:9000")
    assert isinstance(choice, Held)
    assert b"10.0.0.7 svc.example" in choice.hosts
    assert b"10.0.2.2 host.sandbox" in choice.hosts
    assert "ip daddr 10.0.0.7 meta l4proto { tcp, udp } th dport 443" in choice.rules
    assert "ip daddr 10.0.2.2 meta l4proto { tcp, udp } th dport 9000" in choice.rules
    assert choice.resolv == b""


def test_pasta_cannot_reach_the_hosts_own_address() -> None:
    choice = chosen(host(), "10.9.0.1:80", only="pasta")
    assert isinstance(choice, Unavailable)
    assert "the sandbox's own" in choice.reason
    assert backend(chosen(host(), "10.9.0.1:80")) == "slirp4netns"


def test_ipv6_needs_ip() -> None:
    assert backend(chosen(host(), "[2001:db8::1]:80")) == "slirp4netns"
    assert backend(chosen(host(without=("ip",)), "[2001:db8::1]:80")) == "pasta"


@pytest.mark.parametrize("entry", ["[::1]:80", "127.0.0.2:80"])
def test_another_loopback_address_never_ends_at_the_first(entry: str) -> None:
    choice = chosen(host(), "10.0.0.1:443", entry)
    assert isinstance(choice, Unavailable)
    assert choice.reason.count("only 127.0.0.1 can be reached") == 2


def test_the_inside_hides_no_destination() -> None:
    assert str(subnet_beside([ip_network("10.0.0.1/32")])) == "10.0.2.0/24"
    assert str(subnet_beside([ip_network("10.0.2.7/32")])) == "10.213.77.0/24"
    assert str(subnet_beside([ip_network("0.0.0.0/0")])) == "10.0.2.0/24"
    assert str(subnet_beside([ip_network("0.0.0.0/0"), ip_network("10.0.2.3/32")])) == "10.213.77.0/24"


def test_flags_of_slirp4netns() -> None:
    plain = Slirp("/s", subnet=ip_network("10.0.2.0/24")).arguments()  # type: ignore[arg-type]
    assert plain == (
        "/s",
        "--configure",
        "--mtu=65520",
        "--enable-seccomp",
        "--disable-host-loopback",
        "--disable-dns",
        "--ready-fd=5",
        "--exit-fd=6",
        "--userns-path=/proc/self/fd/3",
        "--netns-type=path",
        "/proc/self/fd/4",
        "tap0",
    )
    more = Slirp("/s", subnet=ip_network("10.1.2.0/24"), loopback=True, ipv6=True, dns=True).arguments()  # type: ignore[arg-type]
    assert "--enable-sandbox" not in plain + more
    assert {"--enable-ipv6", "--cidr=10.1.2.0/24"} <= set(more)
    assert not {"--disable-host-loopback", "--disable-dns"} & set(more)


def test_flags_of_pasta() -> None:
    line = " ".join(Pasta("/p").arguments())
    assert line == (
        "/p --config-net -f -q -t none -u none -T none -U none --no-map-gw --no-dhcp --no-dhcpv6 --no-ra --no-ndp "
        "--userns /proc/self/fd/3 --netns /proc/self/fd/4"
    )
    assert "-T 80,90 -U 80,90 --no-map-gw" in " ".join(Pasta("/p", loopback=[90, 80, 90], ipv6=True).arguments())


GOOD = {"backend": "slirp4netns", "counters": {"a0": 1, "denied": 1}}


@pytest.mark.parametrize(
    ("ran", "heard", "why"),
    [
        (Ran(b'["t", "EHOSTUNREACH"]', GOOD, None), False, ""),
        (Ran(b'["t", "EHOSTUNREACH"]', GOOD, None), True, "isn't listed was reached"),
        (Ran(b'["t", "t"]', GOOD, None), False, "isn't listed was reached"),
        (Ran(b'["ECONNREFUSED", "EHOSTUNREACH"]', GOOD, None), False, "wasn't reached"),
        (Ran(b"", GOOD, None), False, "without a report"),
        (Ran(b"", {}, "no tap"), False, "no tap"),
        (Ran(b'["t", "EHOSTUNREACH"]', {"backend": "slirp4netns"}, None), False, "can't be read"),
        (
            Ran(b'["t", "EHOSTUNREACH"]', {**GOOD, "counters": {"a0": 1, "denied": 0}}, None),
            False,
            "didn't move",
        ),
    ],
)
def test_a_probe_is_believed_only_when_everything_fits(ran: Ran, heard: bool, why: str) -> None:
    said = judge(ran, "t", heard=heard)
    assert said == "" if not why else why in said


def test_the_gate_stands_in_without_a_tun_device() -> None:
    able = host(tun=False, listener=True, seccomp=True)
    choice = chosen(able, "10.0.0.1:80", "10.2.0.0/16:443", "svc.example:443", "127.0.0.1:9000", "[2001:db8::1]:80")
    assert isinstance(choice, Held)
    assert choice.launcher[1:4] == ("-I", "-S", "-c")
    assert choice.launcher[5:] == ("20", "[0.0.0.0]:443,[10.0.0.1]:80,[127.0.0.1]:9000,[2001:db8::1]:80")
    assert b"127.0.0.1 host.sandbox" in choice.hosts
    many = [f"10.0.{n // 256}.{n % 256}:80" for n in range(201)]
    refused = chosen(able, *many, only="gate")
    assert isinstance(refused, Unavailable)
    assert "more than 200" in refused.reason


def test_what_the_gate_makes_local() -> None:
    found = resolve(
        [parse_entry(e) for e in ("10.0.0.1:80", "10.0.0.1:81", "10.2.0.0/16:443", "127.0.0.1:90")], own=OWN
    )
    assert local_addresses(found.pins, 4).splitlines() == [
        "addr add 10.0.0.1/32 dev lo",
        "route add local 10.2.0.0/16 dev lo",
        "rule add pref 1 lookup local",
        "rule del pref 0",
        "rule add pref 0 ipproto udp to 10.0.0.1/32 prohibit",
        "rule add pref 0 ipproto udp to 10.2.0.0/16 prohibit",
    ]
    assert local_addresses(found.pins, 6) == ""
    found = resolve([parse_entry("[2001:db8::1]:80")], own=OWN)
    assert local_addresses(found.pins, 6).splitlines()[0] == "addr add 2001:db8::1/128 dev lo nodad"
