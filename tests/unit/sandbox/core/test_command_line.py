"""What bubblewrap is told, whole, for the policies that matter. ``GITOPS_UPDATE_GOLDENS=1`` refreshes the goldens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.sandbox.bubblewrap import Host, Layout, arguments, command_line, encode
from reconciler.sandbox.decide import dropped
from reconciler.sandbox.limits import limits, prlimit_arguments
from reconciler.sandbox.policy import SandboxPolicy, merge, shipped_default

GOLDEN = Path(__file__).parents[3] / "golden" / "sandbox"
MERGED = Host(
    merged=(("/bin", "usr/bin"), ("/sbin", "usr/sbin"), ("/lib", "usr/lib"), ("/lib64", "usr/lib64")),
    masks=("/proc/keys", "/proc/kallsyms"),
    top=(("/bin", "usr/bin"), ("/dev", None), ("/etc", None), ("/proc", None), ("/usr", None), ("/var", None)),
)
SEPARATE = Host(separate=("/bin", "/sbin", "/lib"))
ETC = ("ld.so.cache", "passwd", "group", "hosts", "nsswitch.conf", "resolv.conf")
SHIPPED = shipped_default({})
FULL = Layout(etc=ETC, scratch=("script", "lib/helper.py"), read_only=(("/srv/packages/abc", "/packages"),))
CASES: dict[str, tuple[SandboxPolicy, Host, Layout]] = {
    "shipped": (SHIPPED, MERGED, Layout(etc=ETC)),
    "files-and-packages": (SHIPPED, MERGED, FULL),
    "held-for-the-network": (SHIPPED, MERGED, Layout(etc=ETC, block=True)),
    "host-network": (SHIPPED, MERGED, Layout(etc=ETC, host_network=True)),
    "folders-apart": (SHIPPED, SEPARATE, Layout(etc=ETC)),
    "own-limiter": (SHIPPED, MERGED, Layout(etc=ETC, limiter=True)),
    "no-filter": (SHIPPED, MERGED, Layout(etc=ETC, seccomp=False)),
    "whole-host": (merge(SHIPPED, {"filesystem": {"mode": "off"}}), MERGED, Layout()),
    "another-uid": (
        merge(SHIPPED, {"privilege": {"uid": 65532, "gid": 65531}, "filesystem": {"scratchBytes": 1 << 20}}),
        MERGED,
        Layout(etc=ETC),
    ),
    "no-ceilings": (SandboxPolicy(), MERGED, Layout(etc=ETC)),
}


def told(policy: SandboxPolicy, host: Host, layout: Layout) -> str:
    """Who starts it as root and as a user, the command line, and each option on a line of its own."""
    inner = (*prlimit_arguments("/usr/bin/prlimit", limits(policy.resources)), "/bin/sh", "-c", "SCRIPT")
    lines = [
        f"as root:   {dropped(policy.privilege, root=True)}",
        f"as a user: {dropped(policy.privilege, root=False)}",
        " ".join(command_line("/usr/bin/bwrap", inner)),
    ]
    for word in arguments(policy, host, layout):
        if word.startswith("--"):
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", list(CASES))
def test_golden(case: str) -> None:
    path, now = GOLDEN / f"{case}.txt", told(*CASES[case])
    if os.environ.get("GITOPS_UPDATE_GOLDENS"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(now)
    assert now == path.read_text(), "look at the difference; GITOPS_UPDATE_GOLDENS=1 pytest tests/unit/sandbox/core"


@pytest.mark.parametrize("case", list(CASES))
def test_what_must_hold_of_every_command_line(case: str) -> None:
    words = arguments(*CASES[case])
    for needed in ("user", "pid", "ipc", "uts", "cgroup-try"):
        assert f"--unshare-{needed}" in words
    assert ("--unshare-net" in words) is (case != "host-network")
    for banned in ("--unshare-all", "--share-net", "--clearenv", "--setenv", "--dev-bind"):
        assert banned not in words
    for needed in ("--disable-userns", "--die-with-parent", "--new-session", "--json-status-fd"):
        assert needed in words
    last = max(i for i, w in enumerate(words) if w in ("--bind", "--ro-bind", "--tmpfs", "--file", "--proc", "--dev"))
    assert list(words).index("/", last) == list(words).index("--remount-ro", last) + 1
    sized = [words[i - 4] for i, w in enumerate(words) if w == "--tmpfs"]
    assert set(sized) == {"--size"}
    assert "/work" not in " ".join(words)


def test_encoding_keeps_any_name() -> None:
    odd = "/tmp/\udcff name\n"
    assert encode(("--ro-bind", odd)) == b"--ro-bind\0/tmp/\xff name\n\0"
