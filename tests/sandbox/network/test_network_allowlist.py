"""What an allow list opens and, by as many ways around it as we know, what it doesn't: from inside real sandboxes."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

INSIDE = (Path(__file__).parent / "inside.py").read_text()
ALLOW = (
    "10.233.1.2:8080",
    "svc.test:8080",
    "[2001:db8:233::2]:8080",
    "10.233.2.0/24:8080",
    "six.test:8080",
    "half.test:8080",
    "10.233.1.2:8090",
    "10.233.1.2:8099",
    "[2001:db8:233::2]:8099",
)
WHO = ("root", "user")
BACKENDS = ("slirp4netns", "pasta", "gate")
Seen = dict[str, Any]

OPEN: dict[str, list[Any]] = {
    "tcp": ["tcp", "10.233.1.2", 8080],
    "tcp by name": ["tcp", "svc.test", 8080],
    "tcp over IPv6": ["tcp", "2001:db8:233::2", 8080],
    "tcp over IPv6 by name": ["tcp", "six.test", 8080],
    "tcp within a range": ["tcp", "10.233.2.5", 8080],
    "without blocking": ["nonblocking", "10.233.1.2", 8080],
    "the same address mapped": ["tcp", "::ffff:10.233.1.2", 8080],
    "udp": ["udp", "10.233.1.2", 8080],
    "udp over IPv6": ["udp", "2001:db8:233::2", 8080],
}
WHOLE: dict[str, list[Any]] = {
    "much, with one side closed first": ["bulk", "10.233.1.2", 8090, 3 << 20],
    "many at a time": ["many", "10.233.1.2", 8080, 24],
    "a closed port": ["tcp", "10.233.1.2", 8099],
    "a closed port over IPv6": ["tcp", "2001:db8:233::2", 8099],
    "a closed port without blocking": ["nonblocking", "10.233.1.2", 8099],
}
CLOSED: dict[str, list[Any]] = {
    "another port": ["tcp", "10.233.1.2", 8081],
    "another port without blocking": ["nonblocking", "10.233.1.2", 8081],
    "another port over IPv6": ["tcp", "2001:db8:233::2", 8081],
    "another host": ["tcp", "10.233.1.3", 8080],
    "another port of a range": ["tcp", "10.233.2.5", 8081],
    "an address of the host": ["tcp", "10.233.1.1", 9091],
    "metadata": ["tcp", "169.254.169.254", 8080],
    "metadata of Alibaba": ["tcp", "100.100.100.200", 8080],
    "platform of Azure": ["tcp", "168.63.129.16", 8080],
    "metadata in decimal": ["tcp", "2852039166", 8080],
    "metadata in hexadecimal": ["tcp", "0xA9FEA9FE", 8080],
    "metadata in octal": ["tcp", "0251.0376.0251.0376", 8080],
    "metadata in short": ["tcp", "169.254.43518", 8080],
    "metadata mapped": ["tcp", "::ffff:169.254.169.254", 8080],
    "metadata mapped in hexadecimal": ["tcp", "::ffff:a9fe:a9fe", 8080],
    "metadata in 6to4": ["tcp", "2002:a9fe:a9fe::1", 8080],
    "metadata behind NAT64": ["tcp", "64:ff9b::a9fe:a9fe", 8080],
    "metadata of AWS over IPv6": ["tcp", "fd00:ec2::254", 8080],
    "another host mapped": ["tcp", "::ffff:10.233.1.3", 8080],
    "another port by fast open": ["fastopen", "10.233.1.2", 8081],
    "metadata by fast open": ["fastopen", "169.254.169.254", 8080],
    "another port by multipath": ["mptcp", "10.233.1.2", 8081],
    "broadcast": ["udp", "255.255.255.255", 8080],
    "multicast": ["udp", "224.0.0.1", 8080],
    "udp to another port": ["udp", "10.233.1.2", 8081],
    "udp to another host": ["udp", "10.233.1.3", 8080],
    "udp to metadata": ["udp", "169.254.169.254", 8080],
    "dns of the helper": ["udp", "10.0.2.3", 53],
    "loopback of the host by the gateway": ["tcp", "10.0.2.2", 9090],
    "loopback of the host by the real gateway": ["tcp", "10.233.1.2", 9090],
    "loopback of the host by loopback": ["tcp", "127.0.0.1", 9090],
    "loopback of the host by zero": ["tcp", "0.0.0.0", 9090],
    "loopback of the host over IPv6": ["tcp", "::1", 9090],
    "tftp of the helper": ["udp", "10.0.2.2", 69],
}
REFUSALS = {"EHOSTUNREACH", "ECONNREFUSED", "ENETUNREACH", "EPERM", "EACCES", "EPROTONOSUPPORT", "ENOSYS"}
NAMES: dict[str, list[Any]] = {
    "a name that is listed": ["name", "svc.test"],
    "half of a name": ["name", "half.test"],
    "a name that isn't": ["name", "other.test"],
    "a name of the outside": ["name", "example.org"],
    "hosts": ["read", "/etc/hosts"],
    "resolver": ["read", "/etc/resolv.conf"],
    "hosts rewritten": ["write", "/etc/hosts", "10.233.1.3 svc.test"],
}
RIGHTS: dict[str, list[Any]] = {
    "raw socket": ["make", "raw"],
    "raw socket of IPv6": ["make", "raw6"],
    "packet socket": ["make", "packet"],
    "netfilter socket": ["make", "netfilter"],
    "vsock": ["make", "vsock"],
    "sysctl": ["write", "/proc/sys/net/ipv4/ip_forward", "1"],
}
COMMANDS = {
    "nft flush": ["nft", "flush", "ruleset"],
    "nft list": ["nft", "list", "ruleset"],
    "ip addr": ["ip", "addr", "add", "10.233.1.9/24", "dev", "lo"],
    "ip link": ["ip", "link", "set", "lo", "down"],
    "ip route": ["ip", "route", "add", "blackhole", "10.233.1.2"],
    "ip rule": ["ip", "rule", "add", "to", "10.233.1.2", "prohibit"],
    "ip tuntap": ["ip", "tuntap", "add", "mode", "tap"],
}


def job(steps: dict[str, list[Any]], allow: tuple[str, ...] = ALLOW) -> dict[str, Any]:
    return {
        "network": {"mode": "allowlist", "allow": allow},
        "argv": ["/usr/bin/python3", "-I", "/scratch/inside.py"],
        "files": {"inside.py": INSIDE, "steps.json": json.dumps(steps)},
        "timeout": 60_000,
    }


ALL = [(who, backend) for backend in BACKENDS for who in WHO]
Look = Callable[[str, str], Seen]


@pytest.fixture(scope="module")
def look(drive: Callable[..., list[Seen]], world: Any) -> Look:
    """One sandbox for each backend and user, that tries everything."""
    return functools.cache(lambda who, backend: _try_all(drive, world, who, backend))


@pytest.fixture(scope="module", params=ALL, ids="-".join)
def seen(request: pytest.FixtureRequest, look: Look) -> Seen:
    """What came of it, with every backend."""
    return look(*request.param)


@pytest.fixture(scope="module", params=[each for each in ALL if each[1] != "pasta"], ids="-".join)
def whole(request: pytest.FixtureRequest, look: Look) -> Seen:
    """The backends that carry connections as they are: pasta of 2023 hides closed ports, which is why it comes last."""
    return look(*request.param)


@pytest.fixture(scope="module", params=[each for each in ALL if each[1] != "gate"], ids="-".join)
def helped(request: pytest.FixtureRequest, look: Look) -> Seen:
    """The backends that are a helper process; the gate is part of the run."""
    return look(*request.param)


def _try_all(drive: Callable[..., list[Seen]], world: Any, who: str, backend: str) -> Seen:
    """What the servers noticed meanwhile is beside it."""
    rights = {**RIGHTS, **{name: ["command", *argv] for name, argv in COMMANDS.items()}}
    before = len(world.visits())
    result = drive(who, backend, [job({**OPEN, **CLOSED, **(WHOLE if backend != "pasta" else {}), **NAMES, **rights})])[
        0
    ]
    assert result["refused"] is None, result
    assert result["exit"] == 0, result
    return {**result, "said": json.loads(result["out"]), "visits": world.visits()[before:], "backend": backend}


@pytest.mark.parametrize("probe", OPEN)
def test_what_is_listed_answers(seen: Seen, probe: str) -> None:
    if seen["backend"] == "gate" and "udp" in probe:
        assert seen["said"][probe][0] in REFUSALS
    else:
        assert seen["said"][probe][0] == "hello"


def test_connections_are_whole(whole: Seen) -> None:
    assert whole["said"]["much, with one side closed first"][0] == "same"
    assert whole["said"]["many at a time"][0] == "hello"


@pytest.mark.parametrize("probe", [name for name in WHOLE if "closed port" in name])
def test_a_closed_port_is_told_from_a_refusal(whole: Seen, probe: str) -> None:
    assert whole["said"][probe][0] == "ECONNREFUSED"


@pytest.mark.parametrize("probe", CLOSED)
def test_what_is_not_listed_is_refused_at_once(seen: Seen, probe: str) -> None:
    said, took = seen["said"][probe]
    assert said in REFUSALS, said
    # Multipath TCP and fast open hear of a refusal with their first retransmission only.
    late = "multipath" in probe or "fast open" in probe
    assert took < (4000 if late else 900), f"{said} after {took} ms"


@pytest.mark.parametrize("probe", ["another port", "another port without blocking", "another host", "metadata"])
def test_the_error_tells_a_refusal_from_a_closed_port(seen: Seen, probe: str) -> None:
    assert seen["said"][probe][0] == "EHOSTUNREACH"


def test_nobody_was_visited_but_those_who_are_listed(seen: Seen) -> None:
    expected = {"tcp 0.0.0.0 8080", "tcp 0.0.0.0 8090", "tcp 2001:db8:233::2 8080"}
    if seen["backend"] != "gate":
        expected |= {"udp 0.0.0.0 8080", "udp 2001:db8:233::2 8080"}
    if seen["backend"] == "pasta":
        expected -= {"tcp 0.0.0.0 8090"}
    assert set(seen["visits"]) == expected
    # The address behind the wildcard: as many visits as probes that were meant to get through.
    assert seen["visits"].count("tcp 0.0.0.0 8080") == (5 if seen["backend"] == "pasta" else 5 + 24)


def test_names_are_pinned(seen: Seen) -> None:
    said = {name: seen["said"][name][0] for name in NAMES}
    assert said["a name that is listed"] == "10.233.1.2"
    assert said["half of a name"] == "10.233.1.2"
    assert "10.233.1.2 svc.test" in said["hosts"].splitlines()
    assert said["resolver"] == ""
    assert said["hosts rewritten"] in {"EACCES", "EROFS", "EPERM"}


@pytest.mark.parametrize("probe", ["a name that isn't", "a name of the outside"])
def test_there_is_no_dns(seen: Seen, probe: str) -> None:
    said, took = seen["said"][probe]
    assert said.startswith("gaierror")
    assert took < 900


@pytest.mark.parametrize("probe", RIGHTS)
def test_no_socket_or_switch_lies_below_the_filter(seen: Seen, probe: str) -> None:
    assert seen["said"][probe][0] in {"EPERM", "EACCES", "EROFS", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ENOENT"}


@pytest.mark.parametrize("probe", COMMANDS)
def test_the_fence_is_out_of_reach(seen: Seen, probe: str) -> None:
    said = seen["said"][probe][0]
    if said == "ENOENT":
        pytest.skip(f"NETWORK PROBE DIDN'T RUN: {COMMANDS[probe][0]} isn't there inside")
    code, _, text = said.partition(" ")
    assert code != "0", text
    assert any(words in text for words in ("not permitted", "denied", "not supported", "No such file")), text


def test_the_report_says_so_by_the_counters_of_the_run(seen: Seen) -> None:
    report = seen["report"]
    network = report["evidence"]["network"]
    assert report["enforced"]["network"] is True
    assert report["downgrades"] == []
    assert network["backend"] == seen["backend"]
    counters = network["counters"]
    assert counters["a0"] + counters["a1"] + counters["a5"] >= 4
    assert counters["a2"] >= 2
    assert counters["a3"] >= 1
    assert counters["denied-always"] >= 8
    assert counters["denied"] >= 5
    assert network["pinned"]["a1"] == {"entry": "svc.test:8080", "addresses": ["10.233.1.2/32"]}
    assert network["dropped"] == [
        "half.test resolves to 169.254.169.254, which is link-local, where cloud metadata services live"
    ]


def test_the_helper_is_gone_with_the_run(helped: Seen) -> None:
    assert not Path(f"/proc/{helped['report']['evidence']['network']['helper']}").exists()


def test_these_servers_are_reachable_without_a_sandbox(world: Any) -> None:
    """The control: refusals above come from the fence, and not from a world where nobody answers."""
    import subprocess
    import sys

    script = (
        "import socket, sys\n"
        "for place in sys.argv[1:]:\n"
        "    address, _, port = place.rpartition('@')\n"
        "    s = socket.create_connection((address, int(port)), 5)\n"
        "    assert s.recv(9) == b'hello', place\n"
    )
    places = [
        "169.254.169.254@8080",
        "100.100.100.200@8080",
        "168.63.129.16@8080",
        "10.233.1.2@8081",
        "10.233.1.3@8080",
    ]
    places += ["127.0.0.1@9090", "10.233.1.1@9091", "2001:db8:233::2@8081"]
    argv = ["ip", "netns", "exec", world.host, sys.executable, "-c", script, *places]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
