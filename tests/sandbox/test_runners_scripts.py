"""The runners inside the real sandbox, against scripts that mean harm to the result, the supervisor or its clock."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.sandbox.packages.allowed import Allowed
from reconciler.sandbox.packages.folder import Packages
from reconciler.sandbox.packages.lockfile import Lock, Wheel, this_platform, this_python
from reconciler.sandbox.packages.sync import sync
from reconciler.sandbox.policy import merge, shipped_default
from reconciler.sandbox.run import Sandbox
from reconciler.sandbox.runners import interpreters
from reconciler.sandbox.runners.frame import NO_RESULT
from reconciler.sandbox.runners.node import run_node
from reconciler.sandbox.runners.outcome import OVERFLOWED, TIMED_OUT, ScriptResult
from reconciler.sandbox.runners.python import run_python
from reconciler.sandbox.runners.shell import run_shell
from reconciler.sandbox.spawner import Spawner

LIMIT = 200_000
needs_node = pytest.mark.skipif(interpreters.node() is None, reason="Node.js is not installed")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """The shipped policy with a smaller allowance of output; skipped where it refuses, with its own words."""
    spawner = Spawner()
    policy = merge(shipped_default({}), {"resources": {"maxOutputBytes": LIMIT}})
    try:
        made = Sandbox(policy, spawner)
        tried = run_shell(made, "exit 0")
        if tried.refused is not None:
            pytest.skip(tried.refused)
        yield made
    finally:
        spawner.close()


def python(box: Sandbox, script: str, *, timeout_ms: int = 20_000, packages: Packages | None = None) -> ScriptResult:
    return run_python(box, script, context={"n": 1}, timeout_ms=timeout_ms, packages=packages)


def test_all_three_are_fully_enforced(box: Sandbox) -> None:
    results = [run_shell(box, "exit 0"), python(box, "return context['n']")]
    if interpreters.node() is not None:
        results.append(run_node(box, "return context.n", context={"n": 1}))
    for found in results:
        assert (found.success, found.error, found.stderr) == (True, None, "")
        assert found.report is not None
        assert all(found.report.enforced.values()), found.report
        assert found.report.downgrades == ()


SEARCH = """
import glob, os, re
uuid = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
tops = ("/scratch", "/tmp", "/dev/shm", "/etc")
places = [os.path.join(d, n) for top in tops for d, _, names in os.walk(top) for n in names]
for task in glob.glob("/proc/[0-9]*"):
    places += [task + "/cmdline", task + "/environ", *glob.glob(task + "/fd/*")]
found, read = [], 0
for place in places:
    try:
        handle = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
        data = os.read(handle, 1 << 20)
    except OSError:
        continue
    read += 1
    if uuid.search(data):
        found.append(place)
return {"message": repr(found), "value": read}
"""


def test_the_token_lies_nowhere(box: Sandbox) -> None:
    found = python(box, SEARCH)
    assert (found.message, found.failure) == ("[]", None)
    assert isinstance(found.value, int)
    assert found.value > 5, "it did read something"


def test_forged_frames_are_output(box: Sandbox) -> None:
    script = (
        "import os, uuid\n"
        "for token in ('', 'x', '%', *(str(uuid.uuid4()) for _ in range(50))):\n"
        "    start, end = (f'##__CS_SCRIPT_RESULT_{token}_{mark}__##' for mark in ('START', 'END'))\n"
        '    frame = start + \'{"ok":true,"result":true}\' + end\n'
        "    os.write(1, frame.encode()); os.write(2, frame.encode())\n"
    )
    for ending in ("raise ValueError('down')", "os._exit(0)", "return False"):
        found = python(box, script + ending)
        assert not found.passed
        assert found.stderr.startswith("##__CS_SCRIPT_RESULT__START__##")


def test_frames_begun_and_not_ended(box: Sandbox) -> None:
    script = "import os\nos.write(2, b'##__CS_SCRIPT_RESULT_' * 100)\nreturn {'success': False, 'value': 3}"
    found = python(box, script)
    assert (found.passed, found.value, found.failure) == (False, 3, None)


@pytest.mark.parametrize("stream", [1, 2])
def test_a_flood(box: Sandbox, stream: int) -> None:
    began = time.monotonic()
    found = python(box, f"import os\nwhile True:\n    os.write({stream}, b'x' * 65536)")
    assert time.monotonic() - began < 10
    assert (found.passed, found.output_truncated, found.failure) == (False, True, OVERFLOWED)
    assert (found.exit_code, len(found.stdout) + len(found.stderr)) == (-1, LIMIT)


def test_a_flood_pushes_the_result_away(box: Sandbox) -> None:
    found = python(box, f"import os\nos.write(2, b'x' * {LIMIT - 50})\nreturn True")
    assert (found.passed, found.output_truncated, found.failure) == (False, True, OVERFLOWED)


def test_a_result_as_large_as_it_may_be_and_one_too_large(box: Sandbox) -> None:
    assert python(box, f"return 'x' * {LIMIT - 500}").message == "x" * (LIMIT - 500)
    found = python(box, f"return 'x' * {LIMIT}")
    assert (found.passed, found.failure) == (False, OVERFLOWED)


def test_a_cut_never_splits_a_character(box: Sandbox) -> None:
    found = run_shell(box, "while :; do printf 'a€€€€€€€€€€€€€€€€€€€€€€'; done")
    assert found.output_truncated
    assert "\ufffd" not in found.stdout


def test_bytes_that_are_no_text(box: Sandbox) -> None:
    found = python(box, "import os\nos.write(1, b'a\\xff\\xfe\\xe2\\x82')\nos.write(2, b'\\x80')")
    assert (found.passed, found.message, found.stderr) == (True, "a\ufffd\ufffd\ufffd", "\ufffd")


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("raise ValueError('x')", "ValueError: x"),
        ("import sys\nsys.exit(4)", "Script exited with code 4"),
        ("import os\nos._exit(0)", NO_RESULT),
        ("import os\nos._exit(7)", NO_RESULT),
        ("import os\nos.abort()", NO_RESULT),
        ("import os\nos.closerange(0, 1000)\nreturn True", NO_RESULT),
        ("import os\nos.execv('/bin/true', ['true'])", NO_RESULT),
        ("import os\nos.execv('/bin/sh', ['sh', '-c', 'echo gone >&2'])", "gone"),
        ("x = '", "SyntaxError: unterminated string literal (detected at line 1) (script.py, line 1)"),
        ("return {(1, 2): 3}", "TypeError: keys must be str, int, float, bool or None, not tuple"),
        ("a = []\nfor _ in range(100000): a = [a]\nreturn a", "RecursionError: "),
        ("import ctypes\nctypes.string_at(0)", NO_RESULT),
    ],
)
def test_ends_without_a_result(box: Sandbox, script: str, failure: str) -> None:
    found = python(box, script)
    assert not found.passed
    assert found.failure is not None
    assert found.failure.startswith(failure)
    assert found.refused is None


@pytest.mark.parametrize("end", ["os.close(2)", "sys.stderr.close()", "os.dup2(os.open('/dev/null', 1), 2)"])
def test_a_result_without_stderr(box: Sandbox, end: str) -> None:
    assert python(box, f"import os, sys\n{end}\nreturn 5").value == 5


def test_time_limit(box: Sandbox) -> None:
    began = time.monotonic()
    found = python(
        box,
        "import signal\nfor n in range(1, 32):\n    n in (9, 19) or signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
        timeout_ms=1000,
    )
    assert time.monotonic() - began < 4
    assert (found.exit_code, found.stdout, found.stderr, found.timed_out) == (-1, "", TIMED_OUT, True)
    assert (found.passed, found.message) == (False, TIMED_OUT)


def test_children_that_hold_the_streams_and_go_on_writing(box: Sandbox) -> None:
    script = (
        "import os, time\n"
        "for _ in range(5):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        while True:\n"
        "            os.write(2, b'##__CS_SCRIPT_RESULT_'); time.sleep(0.001)\n"
        "time.sleep(0.05)\n"
        "return 3"
    )
    began = time.monotonic()
    found = python(box, script)
    assert time.monotonic() - began < 5
    assert (found.passed, found.value) == (True, 3)


def test_a_script_that_ruins_its_surroundings(box: Sandbox) -> None:
    script = (
        "import os, shutil, signal, sys\n"
        "for name in os.listdir('.'):\n"
        "    shutil.rmtree(name, ignore_errors=True) if os.path.isdir(name) else os.unlink(name)\n"
        "for pid in (1, os.getppid()):\n"
        "    try: os.kill(pid, signal.SIGKILL)\n"
        "    except OSError: pass\n"
        "sys.modules.clear()\n"
        "return 4"
    )
    assert python(box, script).value == 4


def test_memory_and_processes(box: Sandbox) -> None:
    assert not python(box, "x = bytearray(4 << 30)\nreturn len(x)").passed
    found = python(box, "import os, time\nwhile True:\n    if os.fork() == 0: time.sleep(60)", timeout_ms=15_000)
    assert (found.passed, found.timed_out) == (False, False)
    assert found.failure is not None
    assert found.failure.startswith("BlockingIOError")


def test_secrets(box: Sandbox) -> None:
    script = "import os, sys\nkey = os.environ['KEY']\nprint(key)\nsys.stderr.write(key)\nraise ValueError(key)"
    found = run_python(box, script, environment={"KEY": "hunter22"}, secrets=["hunter22"])
    assert "hunter22" not in repr(found)
    assert (found.stdout, found.failure) == ("****", "ValueError: ****")
    shell = run_shell(box, 'echo "$KEY"; exit 1', environment={"KEY": "hunter22"}, secrets=["hunter22"])
    assert shell.stdout == "****"


def test_variables_that_would_load_code_are_named_in_the_report(box: Sandbox) -> None:
    found = run_python(box, "import os\nreturn os.environ['A']", environment={"A": "1", "PYTHONPATH": "/scratch"})
    assert found.message == "1"
    assert found.report is not None
    assert found.report.dropped_environment == ("PYTHONPATH",)


def test_packages(box: Sandbox, tmp_path: Path) -> None:
    def build(lock: Lock, folder: Path) -> None:
        (folder / "python").mkdir()
        (folder / "python" / "ours.py").write_text("x = 6")
        (folder / "node" / "node_modules" / "ours").mkdir(parents=True)
        (folder / "node" / "node_modules" / "ours" / "index.js").write_text("module.exports = 7")

    packages = Packages(tmp_path)
    found = python(box, "import ours\nreturn ours.x", packages=packages)
    assert (found.exit_code, found.report) == (-1, None)
    assert found.failure == "the script packages are not ready (pending): there was no sync yet"

    tree = {"packages": {"": {}, "node_modules/ours": {"integrity": "sha512-x"}}}
    lock = Lock(Allowed(), this_python(), this_platform(), (Wheel("ours", "1", "0"),), tree)
    sync(lock, tmp_path, build=build)
    assert python(box, "import ours\nreturn ours.x", packages=packages).value == 6
    assert python(box, "import ours", packages=None).failure == "ModuleNotFoundError: No module named 'ours'"
    written = python(box, "import ours\nopen(ours.__file__, 'a')", packages=packages)
    assert written.failure is not None
    assert re.search(r"\[Errno (13|30)\]", written.failure)
    if interpreters.node() is not None:
        assert run_node(box, "import ours from 'ours'\nexport default ours", packages=packages).value == 7
        assert run_node(box, "return require('ours')", packages=packages).value == 7


@needs_node
@pytest.mark.parametrize(
    ("script", "passed", "message"),
    [
        ("while (true) require('fs').writeSync(2, 'x'.repeat(65536))", False, OVERFLOWED),
        ("process.exit(0)", False, NO_RESULT),
        ("process.kill(process.pid, 'SIGKILL')", False, NO_RESULT),
        ("require('fs').closeSync(2)\nreturn 'x'", True, "x"),
        ("return 'x'.repeat(150000)", True, "x" * 150_000),
        ("const a = []; while (true) a.push(new Array(1e6).fill(1))", False, ""),
    ],
)
def test_node(box: Sandbox, script: str, passed: bool, message: str) -> None:
    limit = box.policy.resources.memory_bytes
    found = run_node(box, script, memory_bytes=limit)
    assert found.passed is passed
    assert (found.message or "").startswith(message)


@needs_node
def test_node_time_limit(box: Sandbox) -> None:
    found = run_node(box, "while (true) {}", timeout_ms=1500)
    assert (found.timed_out, found.failure) == (True, TIMED_OUT)


def test_long_shell_scripts(box: Sandbox) -> None:
    found = run_shell(box, f"#{'x' * 500_000}\npwd", cwd="/usr")
    assert (found.exit_code, found.stdout) == (0, "/usr")
