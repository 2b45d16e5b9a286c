"""Which layers a run gets: every case of the table, with the host made up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.sandbox.banner import banner
from reconciler.sandbox.capabilities import Capabilities, CgroupPlace, Row
from reconciler.sandbox.decide import decide, dropped
from reconciler.sandbox.findings import Findings, read_findings
from reconciler.sandbox.network.port import Choice, Host, Routeless, Unavailable
from reconciler.sandbox.policy import merge, shipped_default
from reconciler.sandbox.report import refusal

STRICT = shipped_default({})
GROUP = CgroupPlace(2, ("/g",), ("/g",))
ROOT = Capabilities("linux", 0, {}, sandbox=True, seccomp=True, limits=True, landlock=7, cgroup=GROUP)
USER = replace(ROOT, uid=1000, cgroup=None, cgroup_why_not="it can't be written")
NONE = replace(ROOT, sandbox=False, why_not="no user namespaces")
MAC = Capabilities("darwin", 501, why_not="there are no namespaces on darwin")


@pytest.mark.parametrize(
    ("overlay", "found", "network", "mode", "layers"),
    [
        ({}, ROOT, Routeless(), "sandbox", []),
        ({}, USER, Routeless(), "sandbox", []),
        ({}, ROOT, Unavailable("no tun"), "refused", ["network"]),
        ({"onUnavailable": "degrade"}, ROOT, Unavailable("no tun"), "sandbox", ["network"]),
        ({}, ROOT, Host("no filter"), "refused", ["network"]),
        ({}, ROOT, Host(), "sandbox", []),
        ({}, replace(ROOT, seccomp=False), Routeless(), "refused", ["privilege"]),
        ({}, replace(ROOT, limits=False), Routeless(), "refused", ["resources"]),
        ({}, NONE, Routeless(), "refused", ["resources", "filesystem", "network", "privilege"]),
        (
            {"onUnavailable": "degrade"},
            NONE,
            Routeless(),
            "confined",
            ["resources", "filesystem", "network", "privilege"],
        ),
        ({}, MAC, Routeless(), "refused", ["resources", "filesystem", "network", "privilege"]),
        ({"onUnavailable": "degrade"}, MAC, Routeless(), "plain", ["resources", "filesystem", "network", "privilege"]),
        ({"enabled": False}, MAC, Host(), "off", []),
        ({"privilege": {"mode": "inherit"}}, ROOT, Routeless(), "refused", ["privilege"]),
        ({"privilege": {"mode": "inherit"}}, USER, Routeless(), "sandbox", []),
    ],
)
def test_table(overlay: dict[str, Any], found: Capabilities, network: Choice, mode: str, layers: list[str]) -> None:
    made = decide(merge(STRICT, overlay), found, network)
    assert made.mode == mode
    assert [d.layer for d in made.downgrades] == layers
    assert (refusal(made.downgrades) is not None) is bool(layers)


def test_a_missing_network_never_becomes_the_hosts() -> None:
    lenient = merge(STRICT, {"onUnavailable": "degrade"})
    assert decide(lenient, ROOT, Unavailable("no tun")).network == Routeless()


def test_memory_is_never_claimed_in_total_without_a_group() -> None:
    (note,) = decide(STRICT, USER, Routeless()).notes
    assert "not in total, at worst 256 times that: it can't be written" in note.note
    assert decide(STRICT, ROOT, Routeless()).notes == ()


def test_only_root_drops() -> None:
    assert dropped(STRICT.privilege, root=True) == (65534, 65534)
    assert dropped(STRICT.privilege, root=False) is None


HONEST: dict[str, Any] = {
    "uid": [65534] * 3,
    "gid": [65534] * 3,
    "capabilities": ["0" * 16] * 5,
    "noNewPrivileges": True,
    "filter": True,
    "processes": [1, 2],
    "descriptors": [0, 1, 2],
    "interfaces": ["lo"],
    "routes": 0,
    "writes": {"/x": "EROFS", "/proc/sys/kernel/hostname": "EACCES"},
    "reads": {"/root": "ENOENT"},
    "scratch": "done",
    "loopback": "ECONNREFUSED",
    "abstract": "ECONNREFUSED",
    "ptrace": "EPERM",
    "unshare": "EPERM",
    "vsock": "EAFNOSUPPORT",
    "memory": "MemoryError",
    "fileSize": 1 << 20,
    "forks": 22,
    "listener": True,
}


def read(**changed: Any) -> Findings:
    return read_findings({**HONEST, **changed}, 65534, (65534, 65534), uid=0, processes=24, file_size=1 << 20)


def test_an_honest_sandbox() -> None:
    found = read()
    assert (found.sandbox, found.seccomp, found.limits, found.why_not) == (True, True, True, "")
    assert all(row.enforceable and row.how and not row.why_not for row in found.rows)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"uid": [0, 0, 0]}, "privilege: the script runs as uid 0 instead of 65534"),
        ({"capabilities": ["0" * 16] * 4 + ["000001ffffffffff"]}, "privilege: capabilities are left"),
        ({"noNewPrivileges": False}, "privilege: programs with set-uid could gain privileges"),
        ({"unshare": "done"}, "privilege: further user namespaces can be made"),
        ({"writes": {"/usr/probe": "done"}}, "filesystem: /usr/probe can be written"),
        ({"reads": {"/root": "done"}}, "filesystem: /root can be seen"),
        ({"reads": {"/root": "EACCES"}}, "filesystem: /root can be seen"),
        ({"scratch": "EROFS"}, "filesystem: /scratch can't be written (EROFS)"),
        ({"descriptors": [0, 1, 2, 7]}, "filesystem: descriptors are inherited: [0, 1, 2, 7]"),
        ({"processes": list(range(1, 90))}, "filesystem: processes of the host can be seen"),
        ({"interfaces": ["lo", "eth0"]}, "network: there are interfaces or routes: lo, eth0"),
        ({"routes": 1}, "network: there are interfaces or routes: lo"),
        ({"loopback": "done"}, "network: the host's loopback listener can be reached"),
        ({"abstract": "done"}, "network: the host's abstract listener can be reached"),
    ],
)
def test_a_lie_is_found_out(changed: dict[str, Any], why: str) -> None:
    found = read(**changed)
    assert not found.sandbox
    assert found.why_not == why
    missing = [row for row in found.rows if not row.enforceable]
    assert missing
    assert all(row.why_not and row.what_to_do for row in missing)


@pytest.mark.parametrize("changed", [{"filter": False}, {"ptrace": "done"}, {"vsock": "done"}])
def test_a_missing_filter_is_found_out(changed: dict[str, Any]) -> None:
    assert not read(**changed).seccomp


@pytest.mark.parametrize("changed", [{"forks": 64}, {"memory": "done"}, {"fileSize": 4 << 20}])
def test_limits_that_do_not_bind_are_found_out(changed: dict[str, Any]) -> None:
    assert not read(**changed).limits


def test_the_banner_is_78_columns_or_nothing() -> None:
    assert banner(STRICT, ROOT) is None
    rows = (Row("privilege", False, "", "no user namespaces " * 6, "x"), Row("control group", False, "", "y", "z"))
    for policy in (STRICT, merge(STRICT, {"enabled": False}), merge(STRICT, {"onUnavailable": "degrade"})):
        text = banner(policy, replace(NONE, rows=rows))
        assert text is not None
        assert {len(line) for line in text.splitlines()} == {78}
