"""Hold what the self-test saw from the inside against what a sandbox must look like; pure, so lies can be tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.sandbox.capabilities import Capabilities, Row

_REFUSALS = {"EPERM", "EACCES", "EROFS", "ENOENT", "ENOSYS", "ENOTDIR"}
_UNREACHABLE = {"ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "EPERM", "EACCES"}
_ADVICE = {
    "privilege": "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, on Ubuntu an AppArmor "
    "profile for bwrap; in containers a seccomp profile that lets clone and unshare pass)",
    "filesystem": "in containers unmask /proc: systempaths=unconfined, or procMount: Unmasked",
    "network": "let bwrap make network namespaces",
    "system calls": "run on x86_64 or aarch64 with seccomp filters in the kernel",
    "limits": "run as an ordinary user, or let root drop to one (privilege.mode drop-to-uid)",
}


@dataclass(frozen=True, slots=True)
class Findings:
    """``sandbox``: user, file system and network hold. ``why_not`` is the first reason otherwise."""

    sandbox: bool = False
    seccomp: bool = False
    limits: bool = False
    listener: bool = False
    why_not: str = ""
    rows: tuple[Row, ...] = ()


def read_findings(
    said: dict[str, Any],
    inner_uid: int,
    identity: tuple[int, int] | None,
    *,
    uid: int,
    processes: int,
    file_size: int,
) -> Findings:
    """``identity``: what was dropped to, ``uid``: our own; the limits are those that the self-test ran under."""
    faults = {
        "privilege": _privilege(said, inner_uid),
        "filesystem": _filesystem(said),
        "network": _network(said),
        "system calls": _system_calls(said),
        "limits": _limits(said, processes, file_size),
    }
    if identity is None and uid == 0:
        # Root keeps what files of root's are good for, /proc/sys among them: no namespace takes that away.
        faults["privilege"] = "the supervisor is root, and the policy lets scripts inherit that"
    who = f"uid {identity[0]}" if identity is not None else f"uid {uid}"
    how = {
        "privilege": f"{who} in a user namespace of its own, no capabilities, no new privileges",
        "filesystem": "bubblewrap: system files read-only, sized /scratch, nothing else",
        "network": "a network namespace without any route",
        "system calls": "seccomp: dangerous calls refused, unknown ones absent",
        "limits": f"prlimit inside: {said['forks']} of {processes} processes, memory and file size refused",
    }
    rows = tuple(
        Row(layer, not fault, how[layer] if not fault else "", fault, _ADVICE[layer] if fault else "")
        for layer, fault in faults.items()
    )
    first = next((f"{layer}: {faults[layer]}" for layer in ("privilege", "filesystem", "network") if faults[layer]), "")
    return Findings(
        sandbox=not first,
        seccomp=not faults["system calls"],
        limits=not faults["limits"],
        listener=bool(said["listener"]),
        why_not=first,
        rows=rows,
    )


def missing_rows(why_not: str, what_to_do: str = "") -> tuple[Row, ...]:
    """Every layer of the self-test, where it couldn't even be run."""
    return tuple(Row(layer, False, "", why_not, what_to_do or advice) for layer, advice in _ADVICE.items())


def more_rows(found: Capabilities) -> tuple[Row, ...]:
    """What bounds a run as a whole, and what is left where the sandbox can't be had."""
    place, lock = found.cgroup, found.landlock
    advice = "delegate a group with the controllers pids and memory to the worker (systemd: Delegate=yes)"
    unlocked = "the kernel has none, or it isn't switched on"
    return (
        Row("control group", True, f"cgroup v{place.version}: memory and processes of a whole run")
        if place is not None
        else Row("control group", False, "", found.cgroup_why_not or found.why_not, advice),
        Row("landlock", True, f"version {lock}, used only where there is no sandbox")
        if lock
        else Row("landlock", False, "", unlocked, "boot with landlock among the security modules (lsm=)"),
    )


def _privilege(said: dict[str, Any], inner_uid: int) -> str:
    if set(said["uid"]) != {inner_uid}:
        return f"the script runs as uid {said['uid'][0]} instead of {inner_uid}"
    if any(int(word, 16) for word in said["capabilities"]):
        return "capabilities are left"
    if not said["noNewPrivileges"]:
        return "programs with set-uid could gain privileges"
    return "" if said["unshare"] != "done" else "further user namespaces can be made"


def _filesystem(said: dict[str, Any]) -> str:
    written = [path for path, outcome in said["writes"].items() if outcome not in _REFUSALS]
    if written:
        return f"{', '.join(written)} can be written"
    read = [path for path, outcome in said["reads"].items() if outcome != "ENOENT"]
    if read:
        return f"{', '.join(read)} can be seen"
    if said["scratch"] != "done":
        return f"/scratch can't be written ({said['scratch']})"
    if said["descriptors"] != [0, 1, 2]:
        return f"descriptors are inherited: {said['descriptors']}"
    return "" if len(said["processes"]) <= 3 else "processes of the host can be seen"


def _network(said: dict[str, Any]) -> str:
    if set(said["interfaces"]) - {"lo"} or said["routes"]:
        return f"there are interfaces or routes: {', '.join(said['interfaces'])}"
    reached = [name for name in ("loopback", "abstract") if said[name] not in _UNREACHABLE]
    return f"the host's {' and '.join(reached)} listener can be reached" if reached else ""


def _system_calls(said: dict[str, Any]) -> str:
    if not said["filter"]:
        return "no filter is in force"
    passed = [name for name in ("ptrace", "unshare", "vsock") if said[name] == "done"]
    return f"{', '.join(passed)} passed the filter" if passed else ""


def _limits(said: dict[str, Any], processes: int, file_size: int) -> str:
    if said["forks"] >= processes:
        return f"the limit of {processes} processes doesn't bind: {said['forks']} lived at once"
    if said["memory"] != "MemoryError":
        return "the limit on memory doesn't bind"
    return "" if said["fileSize"] <= file_size else "the limit on file sizes doesn't bind"
