"""Processes, memory, output."""

from __future__ import annotations

from reconciler.sandbox.command import RunResult
from tests.sandbox.hostile.table import Probe, World, py, sh

_MIB = 1 << 20


def _small(**resources: int) -> dict[str, object]:
    return {"resources": resources}


def _killed(result: RunResult, world: World) -> str | None:
    if (result.exit_code, result.timed_out) != (-1, True):
        return f"exit {result.exit_code}, timed out {result.timed_out}"
    return None if all(result.report.enforced.values()) else f"enforced: {result.report.enforced}"


def _cut(result: RunResult, world: World) -> str | None:
    size = len(result.stdout) + len(result.stderr)
    if (result.exit_code, result.output_truncated) != (-1, True):
        return f"exit {result.exit_code}, truncated {result.output_truncated}"
    return None if size <= 65536 else f"{size} bytes were kept"


def _bounded(result: RunResult, world: World) -> str | None:
    """More memory than allowed in total: refused where a group counts it, told in the report where none does."""
    if world.cgroup:
        kills = result.report.evidence["cgroup"].get("oomKills", 0)
        return None if kills and b"held" not in result.stdout else f"{kills} kills, {result.stdout!r}"
    noted = any(n.layer == "resources" and "not in total" in n.note for n in result.report.notes)
    return None if noted else "the report doesn't say that memory isn't bounded in total"


def _memfd(result: RunResult, world: World) -> str | None:
    said = result.stdout.decode().strip()
    wanted = "done" if world.cgroup else "ENOSYS"
    return None if said == wanted else f"{said}, with a control group: {world.cgroup}"


def _code(*codes: int) -> object:
    return lambda result, world: None if result.exit_code in codes else f"exit {result.exit_code}"


def _quick(result: RunResult, world: World) -> str | None:
    return None if result.duration_ms < 5000 else f"took {result.duration_ms:.0f} ms"


_FORKS = """
n = 0
children = []
for i in range(100):
    try: pid = os.fork()
    except OSError: break
    if pid == 0: time.sleep(30); os._exit(0)
    children.append(pid)
print(len(children))
"""
PROCESSES = [
    sh("processes", "only its own", "ls /proc | grep -c '^[0-9]'", "[1-6]"),
    sh("processes", "first process", "tr '\\0' ' ' </proc/1/cmdline | cut -c1-14", "/usr/bin/bwrap"),
    py("processes", "limit binds", _FORKS, "1[0-9]", policy=_small(maxProcesses=20)),
    sh(
        "processes",
        "fork bomb",
        "f() { f | f & }; f; sleep 60",
        timeout_ms=1500,
        judge=_killed,
        policy=_small(maxProcesses=64),
    ),
    sh("processes", "left in a session of its own", "setsid sleep 77771 & setsid -f sleep 77771; echo left", "left"),
    sh("processes", "nohup", "nohup sleep 77772 >/dev/null 2>&1 & echo left", "left"),
    sh("processes", "holds the output", "sleep 77773 & echo left", "left", judge=_quick),
    sh("processes", "ignores TERM", "trap '' TERM HUP INT; while :; do sleep 1; done", timeout_ms=300, judge=_killed),
    sh("processes", "stops itself", "kill -STOP $$; echo on", timeout_ms=300, judge=_killed),
    sh("processes", "stops everybody", "sleep 50 & kill -STOP -1; sleep 50", timeout_ms=300, judge=_killed),
    py("processes", "kill everybody", "print(tried(lambda: os.kill(-1, 9)))", "done|EPERM|ESRCH", judge=_code(0, 137)),
    py("processes", "kill the first", "os.kill(1, 9); time.sleep(.1); print('still')", "still"),
    py("processes", "a process of the host", "print(tried(lambda: os.kill(int(os.environ['SENTINEL']), 0)))", "ESRCH"),
    py(
        "processes",
        "its descriptor",
        "print(tried(lambda: os.pidfd_open(int(os.environ['SENTINEL']))))",
        "ESRCH|EINVAL|EPERM",
    ),
    py("processes", "memory of the first", "print(call('process_vm_readv', 1, 0, 0, 0, 0, 0))", "EPERM"),
    py("processes", "trace the first", "print(call('ptrace', 16, 1, 0, 0))", "EPERM"),
    py(
        "processes",
        "raise a limit",
        "print(tried(lambda: resource.setrlimit(resource.RLIMIT_NPROC, (999, 9999))))",
        "ValueError|EPERM",
    ),
    py("processes", "raise its priority", "print(tried(lambda: os.nice(-5)))", "EPERM|EACCES"),
    py(
        "processes",
        "real time",
        "print(tried(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))))",
        "EPERM",
    ),
    sh("processes", "exit code", "exit 3", judge=_code(3)),
    sh("processes", "killed by a signal", "kill -9 $$", judge=_code(137)),
    sh(
        "processes",
        "processor time",
        "while :; do :; done",
        judge=_code(152, 137),
        policy=_small(cpuSeconds=1),
        slow=True,
    ),
    py(
        "processes",
        "processor time, ignored",
        "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        judge=_code(137),
        policy=_small(cpuSeconds=1),
        slow=True,
    ),
    py(
        "processes",
        "open files",
        "print(tried(lambda: [os.dup(0) for _ in range(99)]))",
        "EMFILE",
        policy=_small(maxOpenFiles=32),
    ),
    py(
        "processes",
        "file size",
        "f = open('big', 'wb')\nprint(tried(lambda: [f.write(bytes(65536)) for _ in range(99)] and f.flush()))",
        "EFBIG",
        policy=_small(maxFileSizeBytes=_MIB),
    ),
    sh("processes", "core", "ulimit -c", "0"),
]
MEMORY = [
    py("memory", "one process", "print(tried(lambda: bytearray(700 << 20)))", "MemoryError"),
    py(
        "memory",
        "many processes",
        """
for i in range(6):
    if os.fork() == 0:
        data = bytearray(100 << 20)
        data[::4096] = b'x' * len(data[::4096])
        time.sleep(1.5)
        os._exit(0)
print(sum(os.WIFEXITED(os.wait()[1]) for i in range(6)) == 6 and 'held' or 'fewer')
""",
        policy=_small(memoryBytes=192 * _MIB),
        judge=_bounded,
        slow=True,
    ),
    py("memory", "shared segment", "print(call('shmget', 0, 1 << 20, 0o1600))", "ENOSYS"),
    py("memory", "message queue", "print(call('mq_open', b'/q', 0o102, 0o600, 0))", "ENOSYS"),
    py("memory", "memory file", "print(call('memfd_create', b'x', 0))", judge=_memfd),
    py(
        "memory",
        "locked",
        "m = bytearray(1 << 20); b = (ctypes.c_char * len(m)).from_buffer(m)\n"
        "print('done' if LIBC.mlock(b, len(m)) == 0 else name(ctypes.get_errno()))",
        "EPERM|ENOMEM",
    ),
    py("memory", "secret", "print(call('memfd_secret', 0))", "EPERM"),
    py(
        "memory",
        "stack",
        "import threading\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
        judge=lambda r, w: None if r.exit_code != 0 and not r.timed_out else f"exit {r.exit_code}",
    ),
    py("memory", "address space", "import mmap; print(tried(lambda: mmap.mmap(-1, 8 << 30)))", "ENOMEM|MemoryError"),
]
_BUDGET = {"resources": {"maxOutputBytes": 65536}}
OUTPUT = [
    sh("output", "flood of stdout", "yes", policy=_BUDGET, judge=_cut),
    sh("output", "flood of stderr", "yes >&2", policy=_BUDGET, judge=_cut),
    sh("output", "both share the budget", "yes & yes >&2 & wait", policy=_BUDGET, judge=_cut),
    sh("output", "flood of many", "for i in 1 2 3 4 5 6; do yes & done; wait", policy=_BUDGET, judge=_cut),
    sh(
        "output",
        "whole characters",
        "while :; do printf 'a€'; done",
        policy={"resources": {"maxOutputBytes": 1001}},
        judge=lambda r, w: None if r.stdout.decode().endswith(("€", "a")) and len(r.stdout) <= 1001 else "cut inside",
    ),
    sh(
        "output",
        "exactly the budget",
        "head -c 65536 /dev/zero",
        policy=_BUDGET,
        judge=lambda r, w: None if len(r.stdout) == 65536 and not r.output_truncated else "not kept",
    ),
    py(
        "output",
        "any bytes",
        "sys.stdout.buffer.write(bytes(range(256)))",
        judge=lambda r, w: None if r.stdout == bytes(range(256)) else "changed",
    ),
    sh(
        "output",
        "what came before the clock",
        "echo early; sleep 60",
        timeout_ms=400,
        judge=lambda r, w: None if r.stdout == b"early\n" and r.timed_out else f"{r.stdout!r}",
    ),
    sh("output", "closed streams", "exec >&- 2>&-; sleep .2; exit 5", judge=_code(5)),
    sh("output", "forged complaint", "echo 'bwrap: Creating new namespace failed' >&2; exit 1", judge=_code(1)),
    sh("output", "forged status", "echo '{\"exit-code\": 0}' >&4; exit 7", judge=_code(7, 2)),
]
PROBES: list[Probe] = [*PROCESSES, *MEMORY, *OUTPUT]
