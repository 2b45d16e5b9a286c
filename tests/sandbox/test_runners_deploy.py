"""``examples/deploy``: as much of it as can be held without a container engine.

The system call filter is loaded for real, with libseccomp as container runtimes do it, and the sandbox is started under
it: with the filter it works, without the calls it adds it doesn't.
"""

from __future__ import annotations

import ctypes.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
UID = 65532
NAMESPACES = {"clone", "mount", "pivot_root", "sethostname", "setns", "umount2", "unshare"}
"""What the sandbox needs beyond a container's usual filter."""

LOADER = """
import ctypes, json, os, sys

lib = ctypes.CDLL("libseccomp.so.2", use_errno=True)
lib.seccomp_init.restype = ctypes.c_void_p
OPERATIONS = {"SCMP_CMP_NE": 1, "SCMP_CMP_EQ": 4}

class Argument(ctypes.Structure):
    _fields_ = [("index", ctypes.c_uint), ("op", ctypes.c_int), ("value", ctypes.c_uint64), ("other", ctypes.c_uint64)]

def action(name, errno):
    return 0x7FFF0000 if name == "SCMP_ACT_ALLOW" else 0x00050000 | errno

with open(sys.argv[1]) as file:
    profile = json.load(file)
default = action(profile["defaultAction"], profile["defaultErrnoRet"])
context = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(default)))
for rule in profile["syscalls"]:
    arguments = [Argument(a["index"], OPERATIONS[a["op"]], a["value"], 0) for a in rule.get("args", [])]
    array = (Argument * len(arguments))(*arguments)
    for name in rule["names"]:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number == -1:
            continue  # newer than this library, as runtimes have it
        done = lib.seccomp_rule_add_array(
            context, ctypes.c_uint32(action(rule["action"], rule.get("errnoRet", 1))), number, len(arguments), array
        )
        assert done == 0, (name, done)
assert lib.seccomp_load(context) == 0
os.execvp(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture(scope="module")
def profile() -> dict[str, Any]:
    found = json.loads((DEPLOY / "seccomp.json").read_bytes())
    assert isinstance(found, dict)
    return found


def documents(name: str) -> list[Any]:
    return list(YAML(typ="safe", pure=True).load_all(DEPLOY / name))


def under(profile: Path, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """The command with the filter loaded."""
    if ctypes.util.find_library("seccomp") is None:
        pytest.skip("libseccomp is not installed")
    loading = [sys.executable, "-I", "-c", LOADER, str(profile), *command]
    return subprocess.run(loading, capture_output=True, text=True, timeout=timeout, cwd="/")


def sandboxed(*inside: str) -> list[str]:
    """Bubblewrap with every namespace, as the uid of the image where that can be chosen."""
    missing = [tool for tool in ("bwrap", "setpriv") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    drop = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--inh-caps=-all", "--no-new-privs"]
    spaces = [f"--unshare-{kind}" for kind in ("user", "pid", "net", "ipc", "uts", "cgroup-try")]
    binds = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    rest = ["--disable-userns", "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--hostname", "sandbox"]
    return [*(drop if os.geteuid() == 0 else ()), "bwrap", *spaces, *binds, *rest, "--", *inside]


def without(profile: dict[str, Any], path: Path) -> Path:
    """The profile less what it adds."""
    syscalls = [rule for rule in profile["syscalls"] if set(rule["names"]) != NAMESPACES]
    path.write_text(json.dumps({**profile, "syscalls": syscalls}))
    return path


def test_the_filter_names_what_the_sandbox_needs_and_nothing_that_owns_the_host(profile: dict[str, Any]) -> None:
    allowed = [
        n for r in profile["syscalls"] if r["action"] == "SCMP_ACT_ALLOW" and "args" not in r for n in r["names"]
    ]
    assert len(allowed) == len(set(allowed))
    assert set(allowed) >= NAMESPACES | {"seccomp", "prctl", "capset", "memfd_create", "close_range", "prlimit64"}
    assert not set(allowed) & {
        *(
            "bpf",
            "perf_event_open",
            "ptrace",
            "process_vm_readv",
            "kexec_load",
            "init_module",
            "finit_module",
            "reboot",
        ),
        *("keyctl", "userfaultfd", "io_uring_setup", "open_by_handle_at", "syslog", "swapon", "settimeofday", "clone3"),
        *("socket", "personality"),
    }
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    (socket,) = [r for r in profile["syscalls"] if r["names"] == ["socket"]]
    assert socket["args"] == [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]
    (clone3,) = [r for r in profile["syscalls"] if r["names"] == ["clone3"]]
    assert (clone3["action"], clone3["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)


def test_the_sandbox_starts_under_the_filter(profile: dict[str, Any], tmp_path: Path) -> None:
    command = sandboxed("/bin/sh", "-c", "id -u; hostname; ls /sys/class/net")
    plain = subprocess.run(command, capture_output=True, text=True, cwd="/")
    if plain.returncode != 0:
        pytest.skip(f"no sandbox on this host at all: {plain.stderr.strip()}")
    filtered = under(DEPLOY / "seccomp.json", *command)
    assert (filtered.returncode, filtered.stdout) == (0, plain.stdout), filtered.stderr
    assert filtered.stdout.splitlines()[1] == "sandbox"
    refused = under(without(profile, tmp_path / "less.json"), *command)
    assert refused.returncode != 0
    assert "amespace" in refused.stderr, "the filter is what decides"


RUN = """
import json, sys
from reconciler.sandbox.policy import shipped_default
from reconciler.sandbox.run import Sandbox
from reconciler.sandbox.runners.python import run_python
from reconciler.sandbox.runners.shell import run_shell
from reconciler.sandbox.spawner import Spawner

spawner = Spawner()
box = Sandbox(shipped_default({}), spawner)
ran = [run_shell(box, "exit 0"), run_python(box, "return 1")]
spawner.close()
told = [[r.success, r.refused, r.report.enforced, [d.reason for d in r.report.downgrades]] for r in ran]
json.dump(told, sys.stdout)
"""


def test_the_shipped_policy_holds_under_the_filter() -> None:
    """Whatever can be enforced without the filter is enforced with it."""
    plain = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, cwd=DEPLOY)
    assert plain.returncode == 0, plain.stderr
    if not all(all(enforced.values()) for _, _, enforced, _ in json.loads(plain.stdout)):
        pytest.skip(f"not fully enforced on this host: {plain.stdout}")
    filtered = under(DEPLOY / "seccomp.json", "sh", "-c", f'cd "{DEPLOY}" && exec "$0" -c "$1"', sys.executable, RUN)
    assert filtered.returncode == 0, filtered.stderr
    assert json.loads(filtered.stdout) == json.loads(plain.stdout)


def test_compose() -> None:
    (found,) = documents("compose.yaml")
    (worker,) = found["services"].values()
    assert worker["user"] == f"{UID}:{UID}"
    assert worker["cap_drop"] == ["ALL"]
    assert "cap_add" not in worker
    assert "privileged" not in worker
    assert worker["read_only"] is True
    options = worker["security_opt"]
    assert {"no-new-privileges:true", "systempaths=unconfined", "apparmor=unconfined"} < set(options)
    (filtered,) = [o.partition(":")[2] for o in options if o.startswith("seccomp:")]
    assert (DEPLOY / filtered).is_file()
    assert (DEPLOY / worker["build"]["context"] / worker["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    assert {"mem_limit", "pids_limit"} <= set(worker)
    assert {v.partition(":")[0] for v in worker["volumes"]} == set(found["volumes"])


def test_kubernetes() -> None:
    (job,) = documents("kubernetes.yaml")
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": UID,
        "runAsGroup": UID,
        "fsGroup": UID,
        "seccompProfile": {"type": "Localhost", "localhostProfile": "gitops/seccomp.json"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "procMount": "Unmasked",
        "capabilities": {"drop": ["ALL"]},
        "appArmorProfile": {"type": "Unconfined"},
    }
    assert pod["hostUsers"] is False, "the API server refuses an unmasked /proc without it"
    assert pod["automountServiceAccountToken"] is False
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}


def test_the_image() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    steps = re.findall(r"^([A-Z]+) ", text, re.MULTILINE)
    assert steps.index("USER") > max(n for n, step in enumerate(steps) if step == "RUN"), "no step after it needs root"
    assert re.search(rf"^USER {UID}:{UID}$", text, re.MULTILINE)
    assert {"bubblewrap", "util-linux", "nftables", "slirp4netns"} <= set(re.findall(r"[\w.-]+", text))
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for name in source.split():
            assert (DEPLOY.parents[1] / name).exists(), name


def test_the_commands_in_there_exist() -> None:
    from reconciler.cli.main import cli

    for name in ("compose.yaml", "kubernetes.yaml"):
        text = (DEPLOY / name).read_text()
        words = re.findall(r'(?:command|args): \["(\w+)", "(\w+)"\]', text)
        assert words, name
        for group, command in words:
            found: Any = cli.get_command(None, group)  # type: ignore[arg-type]
            assert command in found.commands
