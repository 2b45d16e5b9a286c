"""What bubblewrap is told: a pure function of the policy and of where things are.

Everything but the command itself goes through ``--args``, so that neither the script nor the host's process list sees
paths of the host. Every namespace is named: ``--unshare-all`` carries on without a user namespace where there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.sandbox.policy import NOBODY, SCRATCH_BYTES, SandboxPolicy

ARGS_FD, STATUS_FD, SECCOMP_FD, BLOCK_FD, LIMITER_FD = 3, 4, 5, 6, 7
LIMITER = "/etc/limits"
FIRST_FILE_FD = 32
MAX_FILES = 128
SCRATCH = "/scratch"
_TMP_BYTES = 16 * 1024 * 1024
_SHM_BYTES = 4 * 1024 * 1024
_NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
_IDENTITY = ("--disable-userns", "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--hostname", "sandbox")
_FROM_ETC = ("/etc/ssl", "/etc/alternatives")


@dataclass(frozen=True, slots=True)
class Host:
    """What of the host the command line depends on. ``merged``: (link, target) of /bin and its like, where they are
    links; ``separate``: those that are folders. ``masks``: files below /proc that everybody may read and nobody should.
    ``top``: (name, link target or None) of everything in /, used with the file system off only."""

    merged: tuple[tuple[str, str], ...] = ()
    separate: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    top: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """One run's part. ``etc`` and ``scratch`` are the names of files whose contents come by descriptor, in this order,
    from :data:`FIRST_FILE_FD` on. ``host_network``: no network namespace of its own.
    ``limiter``: :data:`LIMITER` comes by :data:`LIMITER_FD`."""

    etc: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    read_only: tuple[tuple[str, str], ...] = ()
    seccomp: bool = True
    block: bool = False
    host_network: bool = False
    limiter: bool = False


def arguments(policy: SandboxPolicy, host: Host, layout: Layout) -> tuple[str, ...]:
    """The content of ``--args``, one option or value an item."""
    uid, gid = policy.privilege.uid or NOBODY, policy.privilege.gid or policy.privilege.uid or NOBODY
    out = [*_NAMESPACES, *(() if layout.host_network else ("--unshare-net",))]
    out += ["--uid", str(uid), "--gid", str(gid), *_IDENTITY]
    out += _whole_host(host) if policy.filesystem.mode == "off" else _system(host)
    files = iter(range(FIRST_FILE_FD, FIRST_FILE_FD + MAX_FILES))
    for name in layout.etc:
        out += ["--perms", "0444", "--file", str(next(files)), f"/etc/{name}"]
    if layout.limiter:
        out += ["--perms", "0555", "--file", str(LIMITER_FD), LIMITER]
    out += ["--proc", "/proc", "--dev", "/dev"]
    for mask in host.masks:
        out += ["--ro-bind", "/dev/null", mask]
    if policy.filesystem.mode != "off":
        out += _tmpfs("/tmp", _TMP_BYTES)
    out += [*_tmpfs("/dev/shm", _SHM_BYTES), "--remount-ro", "/dev"]
    for source, inside in layout.read_only:
        out += ["--ro-bind", source, inside]
    out += ["--size", str(policy.filesystem.scratch_bytes or SCRATCH_BYTES), "--perms", "0700", "--tmpfs", SCRATCH]
    for name in layout.scratch:
        out += ["--perms", "0700", "--file", str(next(files)), f"{SCRATCH}/{name}"]
    # The last of all mounts: until then bubblewrap's root is a writable tmpfs of half the memory.
    out += ["--remount-ro", "/", "--chdir", SCRATCH]
    if layout.seccomp:
        out += ["--seccomp", str(SECCOMP_FD)]
    out += ["--json-status-fd", str(STATUS_FD)]
    if layout.block:
        out += ["--block-fd", str(BLOCK_FD)]
    return tuple(out)


def encode(arguments: Sequence[str]) -> bytes:
    """As bubblewrap reads it from the descriptor."""
    return b"".join(a.encode("utf-8", "surrogateescape") + b"\0" for a in arguments)


def command_line(bwrap: str, inner: Sequence[str]) -> tuple[str, ...]:
    """What is executed, with ``inner`` as it will run inside."""
    return (bwrap, "--args", str(ARGS_FD), "--", *inner)


def _system(host: Host) -> list[str]:
    out = ["--ro-bind", "/usr", "/usr"]
    for link, target in host.merged:
        out += ["--symlink", target, link]
    for folder in host.separate:
        out += ["--ro-bind", folder, folder]
    for path in _FROM_ETC:
        out += ["--ro-bind-try", path, path]
    return out


def _whole_host(host: Host) -> list[str]:
    """Every entry of the host's root for itself: /scratch stands beside them without a folder on the host."""
    out = []
    for path, target in host.top:
        if path not in ("/proc", "/dev", SCRATCH):
            out += ["--bind", path, path] if target is None else ["--symlink", target, path]
    return out


def _tmpfs(path: str, size: int) -> list[str]:
    return ["--size", str(size), "--perms", "1777", "--tmpfs", path]
