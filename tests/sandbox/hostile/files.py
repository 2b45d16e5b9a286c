"""Identity, file system, descriptors and environment."""

from __future__ import annotations

from reconciler.sandbox.command import RunResult
from tests.sandbox.hostile.table import Probe, World, py, sh

REFUSED = "EPERM|EACCES|EROFS|ENOENT|EINVAL"


def _dropped(result: RunResult, world: World) -> str | None:
    found = result.report.evidence.get("uid")
    wanted = 65534 if world.root else world.uid
    return None if found == wanted else f"the run's own identity was {found}, not {wanted}"


def _names(*names: str) -> object:
    def judge(result: RunResult, world: World) -> str | None:
        missing = [n for n in names if n not in result.report.dropped_environment]
        return f"not reported as dropped: {missing}" if missing else None

    return judge


IDENTITY = [
    sh("identity", "uid", "id -u; id -g", "65534\n65534", judge=_dropped),
    sh("identity", "groups", "id -G", "65534"),
    sh("identity", "capabilities", "grep -c '^Cap.*0000000000000000' /proc/self/status", "5"),
    sh("identity", "no new privileges", "grep NoNewPrivs /proc/self/status | tr -d '[:space:]'", "NoNewPrivs:1"),
    sh("identity", "filter in force", "grep '^Seccomp:' /proc/self/status | tr -d '[:space:]'", "Seccomp:2"),
    py("identity", "setuid 0", "print(tried(lambda: os.setuid(0)))", REFUSED),
    py("identity", "setgid 0", "print(tried(lambda: os.setgid(0)))", REFUSED),
    py("identity", "setgroups", "print(tried(lambda: os.setgroups([0])))", REFUSED),
    py("identity", "another uid", "print(tried(lambda: os.setresuid(1000, 1000, 1000)))", REFUSED),
    py(
        "identity",
        "rewrite uid_map",
        "f = os.open('/proc/self/uid_map', 1); print(tried(lambda: os.write(f, b'0 0 1')))",
        REFUSED,
    ),
    sh("identity", "one name", "cat /etc/passwd | wc -l; cut -d: -f1 /etc/passwd", r"1\nsandbox"),
    sh("identity", "set-uid programs", "su -c id 2>/dev/null </dev/null; echo $?", "[1-9][0-9]*"),
    sh("identity", "host name", "hostname 2>/dev/null || cat /proc/sys/kernel/hostname", "sandbox"),
]
_WRITE = "(echo x >{0}) 2>/dev/null && echo written || echo refused"
_SEEN = "ls -d {0} >/dev/null 2>&1 && echo seen || echo absent"
FILESYSTEM = [
    *(
        sh("filesystem", f"write {path}", _WRITE.format(path), "refused")
        for path in (
            "/x",
            "/usr/x",
            "/etc/x",
            "/bin/x",
            "/lib/x",
            "/dev/x",
            "/etc/passwd",
            "/etc/resolv.conf",
            "/etc/ssl/x",
            "/usr/bin/env",
            "/proc/sys/kernel/hostname",
            "/proc/sysrq-trigger",
            "/proc/1/oom_score_adj",
            "/proc/1/root/x",
        )
    ),
    *(
        sh("filesystem", f"see {path}", _SEEN.format(path), "absent")
        for path in (
            "/root",
            "/home",
            "/run",
            "/var",
            "/sys",
            "/boot",
            "/etc/shadow",
            "/etc/ssh",
            "/work",
            "/oldroot",
            "/newroot",
            "/dev/mem",
            "/dev/kmsg",
            "/dev/vda",
            "/dev/net",
        )
    ),
    sh(
        "filesystem",
        "list of the root",
        "ls / | tr '\\n' ' '",
        r"bin dev etc lib (lib32 )?(lib64 )?(libx32 )?proc sbin scratch tmp usr ?",
    ),
    sh("filesystem", "scratch can be written", "echo x >/scratch/a && cat /scratch/a", "x"),
    sh("filesystem", "scratch starts empty", "ls -A /scratch /tmp /dev/shm | grep -v : | grep -c .", "0"),
    sh("filesystem", "files are there", "cat /scratch/in", "given", files={"in": b"given"}),
    sh("filesystem", "files in folders", "cat a/b/c", "deep", files={"a/b/c": b"deep"}),
    sh("filesystem", "link to the outside", "ln -s /etc/shadow l; cat l 2>/dev/null || echo refused", "refused"),
    sh("filesystem", "out through proc", "ls /proc/1/root/root /proc/1/cwd/root 2>/dev/null | grep -c .", "0"),
    py(
        "filesystem",
        "block device",
        "print(tried(lambda: os.mknod('/scratch/d', 0o060600, os.makedev(254, 0))))",
        REFUSED,
    ),
    py(
        "filesystem",
        "tun device",
        "print(tried(lambda: os.mknod('/scratch/t', 0o020666, os.makedev(10, 200))))",
        REFUSED,
    ),
    sh("filesystem", "remount /usr", "mount -o remount,rw /usr 2>/dev/null; echo $?", "[1-9][0-9]*"),
    sh("filesystem", "unmount /scratch", "umount /scratch 2>/dev/null; echo $?", "[1-9][0-9]*"),
    sh("filesystem", "size of /tmp", "head -c 40000000 /dev/zero >/tmp/f 2>/dev/null; wc -c </tmp/f", "16777216"),
    sh(
        "filesystem",
        "size of /dev/shm",
        "head -c 9000000 /dev/zero >/dev/shm/f 2>/dev/null; wc -c </dev/shm/f",
        "4194304",
    ),
    sh(
        "filesystem",
        "size of /scratch",
        "head -c 9000000 /dev/zero >f 2>/dev/null; wc -c <f",
        "2097152",
        policy={"filesystem": {"scratchBytes": 2 << 20}},
    ),
    sh(
        "filesystem",
        "set-uid bit",
        "cp /usr/bin/id i; chmod u+s i; ./i -u; grep -c ' /scratch .*nosuid' /proc/mounts",
        "65534\n1",
    ),
    sh("filesystem", "kernel symbols", "cat /proc/kallsyms /proc/keys 2>/dev/null | wc -c", "0"),
    sh("filesystem", "kernel memory", "cat /proc/kcore /proc/kmsg /proc/timer_list 2>/dev/null | wc -c", "0"),
    sh(
        "filesystem", "every mount is held", "grep -E ' (/|/usr|/dev|/etc/[a-z]+) ' /proc/mounts | grep -vc ' ro,'", "0"
    ),
    sh("filesystem", "what it leaves is no burden", "mkdir -p d/e; chmod 0 d; ln -s / r; mkfifo p; echo ok", "ok"),
]
FDS = [
    sh("descriptors", "only three", "ls /proc/self/fd | tr '\\n' ' '", "0 1 2 3 ?"),
    sh("descriptors", "stdin is empty", "readlink /proc/self/fd/0; cat", "/dev/null"),
    sh("descriptors", "stdin is given", "cat", "hello", stdin=b"hello"),
    sh("descriptors", "none in the first process", "ls /proc/1/fd 2>/dev/null | wc -l", "[0-9]"),
    sh("descriptors", "no terminal", "(: </dev/tty) 2>/dev/null && echo open || echo none", "none"),
    py(
        "descriptors",
        "no terminal by ioctl",
        "import fcntl; print(tried(lambda: fcntl.ioctl(0, 0x5412, b'x')))",
        "EPERM|ENOTTY",
    ),
    sh(
        "environment",
        "the supervisor's",
        "cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c SECRET_OF_THE",
        "0",
    ),
    sh(
        "environment",
        "command line of the first",
        "tr '\\0' ' ' </proc/1/cmdline | grep -cE -e '--b[i]nd' -e '/r[o]ot' -e '/w[o]rk' -e 'S[E]CRET'",
        "0",
    ),
    sh("environment", "exactly ours", "env | cut -d= -f1 | sort | tr '\\n' ' '", "HOME LANG PATH PWD TMPDIR TZ ?"),
    sh("environment", "the caller's", 'echo "$A"', "b c", environment={"A": "b c"}),
    *(
        sh(
            "environment",
            f"drop {name}",
            f"tr '\\0' '\\n' </proc/self/environ | grep -c '^{name}=/evil'",
            "0",
            environment={name: "/evil"},
            judge=_names(name),
        )
        for name in ("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "PATH", "PYTHONPATH", "NODE_OPTIONS", "BASH_ENV")
    ),
    *(
        sh(
            "environment",
            f"drop {name}",
            f"env | grep -c '^{name}'",
            "0",
            environment={name: "x"},
            judge=_names(name),
        )
        for name in ("ENV", "IFS", "PERL5OPT", "GCONV_PATH", "SHELLOPTS", "BASH_FUNC_ls%%", "PYTHONSTARTUP")
    ),
    sh(
        "environment",
        "impossible names",
        "echo fine",
        "fine",
        environment={"A=B": "x", "": "y", "N": "a\0b"},
        judge=_names("A=B", "N"),
    ),
]
PROBES: list[Probe] = [*IDENTITY, *FILESYSTEM, *FDS]
