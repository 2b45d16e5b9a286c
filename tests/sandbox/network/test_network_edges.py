"""Loopback on purpose, the host's own addresses, what can't be had, and what is left when a worker dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
INSIDE = (HERE / "inside.py").read_text()
BOTH = pytest.mark.parametrize(
    ("who", "backend"),
    [("root", "slirp4netns"), ("user", "slirp4netns"), ("root", "pasta"), ("root", "gate"), ("user", "gate")],
)
Drive = Callable[..., list[dict[str, Any]]]


def job(allow: list[str], steps: dict[str, list[Any]], **network: Any) -> dict[str, Any]:
    return {
        "network": {"mode": "allowlist", "allow": allow, **network},
        "argv": ["/usr/bin/python3", "-I", "/scratch/inside.py"],
        "files": {"inside.py": INSIDE, "steps.json": json.dumps(steps)},
    }


def said(result: dict[str, Any]) -> dict[str, str]:
    assert result["refused"] is None, result
    return {key: value[0] for key, value in json.loads(result["out"]).items()}


@BOTH
def test_loopback_of_the_host_where_it_is_listed_and_only_that_port(drive: Drive, who: str, backend: str) -> None:
    steps: dict[str, list[Any]] = {
        "listed": ["tcp", "host.sandbox", 9090],
        "another port": ["tcp", "host.sandbox", 9092],
        "another address": ["tcp", "10.233.1.1", 9091],
    }
    result = drive(who, backend, [job(["127.0.0.1:9090"], steps)])[0]
    found = said(result)
    assert found.pop("listed") == "hello"
    assert set(found.values()) <= {"EHOSTUNREACH", "ECONNREFUSED"}
    assert result["report"]["evidence"]["network"]["loopbackName"] == "host.sandbox"


@pytest.mark.parametrize("who", ["root", "user"])
def test_an_address_of_the_host_only_where_it_is_listed_itself(drive: Drive, who: str) -> None:
    steps: dict[str, list[Any]] = {"own": ["tcp", "10.233.1.1", 8080], "beside": ["tcp", "10.233.1.2", 8080]}
    ranged, listed = drive(
        who,
        "slirp4netns",
        [job(["10.233.1.0/24:8080"], steps), job(["10.233.1.0/24:8080", "10.233.1.1:8080"], steps)],
    )
    assert said(ranged) == {"own": "EHOSTUNREACH", "beside": "hello"}
    assert ranged["report"]["evidence"]["network"]["counters"]["denied-own"] == 1
    assert said(listed) == {"own": "hello", "beside": "hello"}


@pytest.mark.parametrize("backend", ["slirp4netns", "gate"])
def test_a_range_of_everything_still_closes_metadata_and_the_host(drive: Drive, backend: str) -> None:
    steps: dict[str, list[Any]] = {
        "anything": ["tcp", "10.233.1.3", 8080],
        "metadata": ["tcp", "169.254.169.254", 8080],
        "host": ["tcp", "10.233.1.1", 8080],
        "port": ["tcp", "10.233.1.3", 8081],
    }
    found = said(drive("root", backend, [job(["0.0.0.0/0:8080"], steps)])[0])
    assert found.pop("anything") == "hello"
    assert set(found.values()) == {"EHOSTUNREACH"}


@pytest.mark.parametrize("backend", ["slirp4netns", "gate"])
def test_a_range_of_ipv6(drive: Drive, backend: str) -> None:
    steps: dict[str, list[Any]] = {
        "inside": ["tcp", "2001:db8:233::2", 8080],
        "host": ["tcp", "2001:db8:233::1", 8080],
        "metadata": ["tcp", "fd00:ec2::254", 8080],
    }
    found = said(drive("root", backend, [job(["[2001:db8:233::/64]:8080"], steps)])[0])
    assert found.pop("inside") == "hello"
    assert set(found.values()) <= {"ECONNREFUSED", "EHOSTUNREACH"}


def test_a_name_whose_answers_are_all_forbidden_refuses_the_run(drive: Drive) -> None:
    result = drive("root", None, [job(["evil.test:8080"], {})])[0]
    assert result["exit"] == -1
    assert result["refused"].startswith("sandbox unavailable: network: nothing on the allow list can be reached: ")
    for why in (
        "169.254.169.254, which is link-local",
        "127.0.0.1, which is the loopback",
        "10.233.1.1, which is this host",
    ):
        assert why in result["refused"]
    assert "network" not in result["report"]["evidence"]


@pytest.mark.parametrize(
    ("missing", "why"),
    [
        ({"tun": False, "listener": False}, "/dev/net/tun can't be opened"),
        ({"without": ["slirp4netns", "pasta", "ip"]}, "slirp4netns is missing"),
        ({"without": ["nft"], "listener": False}, "nft is missing"),
        ({"nft": False, "listener": False}, "the packet filter can't be loaded"),
    ],
)
def test_what_cannot_be_fenced_is_refused_or_cut_off_but_never_open(drive: Drive, missing: Any, why: str) -> None:
    steps: dict[str, list[Any]] = {"listed": ["tcp", "10.233.1.2", 8080]}
    strict = job(["10.233.1.2:8080"], steps)
    lenient = {**strict, "policy": {"onUnavailable": "degrade"}}
    refused, degraded = drive("root", None, [strict, lenient], **missing)
    assert why in refused["refused"]
    assert said(degraded) == {"listed": "ENETUNREACH"}
    assert [d["layer"] for d in degraded["report"]["downgrades"]] == ["network"]
    assert degraded["report"]["enforced"]["network"] is False


def test_a_tap_that_cannot_be_made_refuses_with_the_helpers_own_words(drive: Drive, world: Any) -> None:
    """Without a copy of the device that everybody may open; the probe that would have said so is left out here."""
    if os.stat("/dev/net/tun").st_mode & 0o006:
        pytest.skip("NETWORK PROBE DIDN'T RUN: everybody may open /dev/net/tun here")
    asked = {"jobs": [job(["10.233.1.2:8080"], {})], "only": "slirp4netns", "lookup": {}}
    argv = world.argv("user", str(HERE / "driver.py"))
    start = argv.index("ip")
    done = subprocess.run(argv[start:], input=json.dumps(asked).encode(), capture_output=True)
    if done.returncode != 0:
        pytest.skip(f"NETWORK PROBE DIDN'T RUN as a non-root user: {done.stderr.decode()[-200:]}")
    result = json.loads(done.stdout)[0]
    assert result["exit"] == -1
    assert "slirp4netns didn't open the network" in result["refused"]


@pytest.mark.parametrize("who", ["root", "user"])
def test_without_a_tun_device_the_gate_takes_over(drive: Drive, who: str) -> None:
    steps: dict[str, list[Any]] = {"listed": ["tcp", "svc.test", 8080], "another": ["tcp", "svc.test", 8081]}
    result = drive(who, None, [job(["svc.test:8080"], steps)], tun=False)[0]
    assert said(result) == {"listed": "hello", "another": "EHOSTUNREACH"}
    network = result["report"]["evidence"]["network"]
    assert network["backend"] == "gate"
    assert network["protocols"] == ["tcp"]
    assert network["counters"] == {"a0": 1, "denied": 1, "denied-always": 0}
    assert result["report"]["enforced"]["network"] is True


RACE = """
import ctypes, socket, struct, sys, threading
libc = ctypes.CDLL(None)
def address(host, port):
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)
good, bad = address("10.233.1.2", 8080), address(sys.argv[1], int(sys.argv[2]))
place = ctypes.create_string_buffer(good, 16)
stop = False
def flip():
    while not stop:
        ctypes.memmove(place, bad, 16)
        ctypes.memmove(place, good, 16)
threading.Thread(target=flip).start()
heard = set()
for _ in range(300):
    with socket.socket() as s:
        s.settimeout(None)
        if libc.connect(s.fileno(), place, 16) == 0:
            try:
                heard.add((s.recv(9).decode(), s.getpeername()))
            except OSError:
                pass
stop = True
print(sorted(heard))
"""


@pytest.mark.parametrize("target", [("10.233.1.3", "8080"), ("169.254.169.254", "8080"), ("10.233.1.2", "8081")])
def test_an_address_that_changes_while_the_gate_looks_leads_nowhere(
    drive: Drive, world: Any, target: tuple[str, str]
) -> None:
    before = len(world.visits())
    racing = {**job(["10.233.1.2:8080"], {}), "argv": ["/usr/bin/python3", "-I", "/scratch/race.py", *target]}
    racing["files"] = {"race.py": RACE}
    result = drive("root", "gate", [racing])[0]
    assert result["exit"] == 0, result
    assert "10.233.1.2', 8080" in result["out"] or result["out"] == "[]\n"
    assert set(world.visits()[before:]) <= {"tcp 0.0.0.0 8080"}
    assert target[0] not in result["out"] or target[0] == "10.233.1.2"
    assert "8081" not in result["out"]


def test_a_command_that_is_not_there_is_told_so(drive: Drive) -> None:
    result = drive("root", "gate", [{**job(["10.233.1.2:8080"], {}), "argv": ["/bin/nowhere"]}])[0]
    assert result["exit"] == 127
    assert result["err"] == "sandbox: /bin/nowhere: No such file or directory\n"


def test_the_gate_leaves_nothing_in_the_script(drive: Drive) -> None:
    script = (
        "ls -l /proc/self/fd | wc -l; ls -A /scratch | wc -l; grep SigIgn /proc/self/status; env | sort | grep -c LC_"
    )
    result = drive("root", "gate", [{**job(["10.233.1.2:8080"], {}), "argv": ["/bin/sh", "-c", script], "files": {}}])[
        0
    ]
    plain = drive("root", None, [{**job([], {}), "argv": ["/bin/sh", "-c", script], "files": {}}])[0]
    assert result["out"] == plain["out"]


def test_unrestricted_with_the_block_reaches_all_but_metadata(drive: Drive) -> None:
    steps: dict[str, list[Any]] = {
        "anything": ["tcp", "10.233.1.3", 8081],
        "IPv6": ["tcp", "2001:db8:233::2", 8081],
        "metadata": ["tcp", "169.254.169.254", 8080],
        "metadata mapped": ["tcp", "::ffff:169.254.169.254", 8080],
        "metadata over IPv6": ["tcp", "fd00:ec2::254", 80],
        "resolver": ["read", "/etc/resolv.conf"],
    }
    result = drive("root", "slirp4netns", [job([], steps, mode="unrestricted")])[0]
    found = said(result)
    assert (found["anything"], found["IPv6"]) == ("hello", "hello")
    assert (found["metadata"], found["metadata mapped"]) == ("EHOSTUNREACH", "EHOSTUNREACH")
    assert found["metadata over IPv6"] == "ECONNREFUSED"
    assert found["resolver"] == "nameserver 10.0.2.3\n"
    assert result["report"]["enforced"]["network"] is True


def test_an_empty_list_has_no_helper_and_no_route(drive: Drive) -> None:
    steps: dict[str, list[Any]] = {
        "anything": ["tcp", "10.233.1.2", 8080],
        "IPv6": ["tcp", "2001:db8:233::2", 8080],
        "metadata": ["tcp", "169.254.169.254", 8080],
        "mapped": ["tcp", "::ffff:10.233.1.2", 8080],
        "decimal": ["tcp", "2852039166", 8080],
        "udp": ["udp", "10.233.1.2", 8080],
    }
    result = drive("root", None, [job([], steps)])[0]
    assert set(said(result).values()) == {"ENETUNREACH"}
    assert result["report"]["evidence"]["network"] == {"backend": "routeless"}


@pytest.mark.parametrize("backend", ["slirp4netns", "pasta"])
def test_helpers_end_with_a_worker_that_is_killed(world: Any, backend: str) -> None:
    sleeping = {**job(["10.233.1.2:8080"], {}), "argv": ["/bin/sleep", "60"], "timeout": 60_000}
    asked = {"jobs": [sleeping], "only": backend, "lookup": {}}
    worker = subprocess.Popen(
        world.argv("root", str(HERE / "driver.py")), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(asked).encode())
    worker.stdin.close()
    try:
        _until(lambda: helpers(world, backend) != [] and helpers(world, "sleep") != [], 10)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    _until(lambda: helpers(world, backend) == [] and helpers(world, "sleep") == [], 2)


def test_twenty_runs_leave_no_helper_and_no_namespace(drive: Drive, world: Any) -> None:
    before = len(set(namespaces()))
    results = drive("root", "slirp4netns", [{**job(["10.233.1.2:8080"], {}), "argv": ["/bin/true"]}] * 20)
    assert [r["exit"] for r in results] == [0] * 20
    _until(lambda: helpers(world, "slirp4netns") == [] and len(set(namespaces())) <= before, 2)


def helpers(world: Any, name: str) -> list[int]:
    """Processes of that name in the namespace of the host, or in a sandbox below it. pasta runs as a build of passt."""
    argv = ["pgrep", "^passt" if name == "pasta" else f"^{name}$"]
    found = [int(pid) for pid in subprocess.run(argv, capture_output=True, text=True).stdout.split()]
    return [pid for pid in found if _below(pid, world)]


def _below(pid: int, world: Any) -> bool:
    try:
        host = os.stat(f"/run/netns/{world.host}").st_ino
        while pid > 1:
            if os.stat(f"/proc/{pid}/ns/net").st_ino == host:
                return True
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return False
    return False


def namespaces() -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append(os.readlink(entry / "ns" / "net"))
            except OSError:
                continue
    return found


def _until(seen: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, "it didn't happen in time"
        time.sleep(0.02)
