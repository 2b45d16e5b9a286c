"""Limits of each process, set inside the sandbox.

Inside, because outside the limit on processes would count everything the host's user runs, and would become the ceiling
of the user namespace itself. None of them bounds a run as a whole; only a cgroup does, see
:mod:`reconciler.sandbox.cgroups`.
"""

from __future__ import annotations

from reconciler.sandbox.policy import Resources

_GIB = 1024**3
_FIXED = ("--core=0", "--memlock=0", "--msgqueue=0", "--rtprio=0", "--nice=0", "--sigpending=256")


def address_space(memory_bytes: int) -> int:
    """Address space for a process of that much memory: runtimes reserve far more (node dies at 512 MiB)."""
    return max(4 * memory_bytes, 2 * _GIB)


def prlimit_arguments(prlimit: str, resources: Resources) -> tuple[str, ...]:
    """The command that sets the limits and then becomes what follows."""
    out = [prlimit, *_FIXED]
    if resources.cpu_seconds is not None:
        # The soft limit ends a process by a signal that it may catch, the hard one a second later by one it can't.
        out.append(f"--cpu={resources.cpu_seconds}:{resources.cpu_seconds + 1}")
    if resources.memory_bytes is not None:
        out += [f"--data={resources.memory_bytes}", f"--as={address_space(resources.memory_bytes)}"]
    if resources.max_processes is not None:
        out.append(f"--nproc={resources.max_processes}")
    if resources.max_open_files is not None:
        out.append(f"--nofile={resources.max_open_files}")
    if resources.max_file_size_bytes is not None:
        out.append(f"--fsize={resources.max_file_size_bytes}")
    return (*out, "--")


def rlimits(resources: Resources) -> dict[str, tuple[int, int]]:
    """The same as (soft, hard) by the name in Python's ``resource`` module, for where there is no sandbox around.

    Without the limit on processes: outside a user namespace it would count the whole host user.
    """
    out = {"RLIMIT_CORE": (0, 0), "RLIMIT_MEMLOCK": (0, 0), "RLIMIT_MSGQUEUE": (0, 0)}
    if resources.cpu_seconds is not None:
        out["RLIMIT_CPU"] = (resources.cpu_seconds, resources.cpu_seconds + 1)
    if resources.memory_bytes is not None:
        out["RLIMIT_DATA"] = (resources.memory_bytes,) * 2
        out["RLIMIT_AS"] = (address_space(resources.memory_bytes),) * 2
    if resources.max_open_files is not None:
        out["RLIMIT_NOFILE"] = (resources.max_open_files,) * 2
    if resources.max_file_size_bytes is not None:
        out["RLIMIT_FSIZE"] = (resources.max_file_size_bytes,) * 2
    return out
