"""Scripts in their two languages and the shell, over plain processes: styles, results, and what goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reconciler.sandbox.runners import interpreters, node
from reconciler.sandbox.runners.frame import NO_RESULT
from reconciler.sandbox.runners.node import run_node
from reconciler.sandbox.runners.outcome import TIMED_OUT
from reconciler.sandbox.runners.python import run_python
from reconciler.sandbox.runners.shell import run_shell

if TYPE_CHECKING:
    from tests.unit.sandbox.runners.conftest import PlainSandbox

CONTEXT: dict[str, Any] = {"system": {"name": "shop é"}, "n": 1.5, "none": None}
needs_node = pytest.mark.skipif(interpreters.node() is None, reason="Node.js is not installed")

PYTHON = {
    "body": ("return 1", (True, None, 1)),
    "body after imports": ("import math\nif True:\n    return math.pi > 3", (True, None, None)),
    "body, context": ("return context['system']['name']", (True, "shop é", None)),
    "body, await": ("import asyncio\nawait asyncio.sleep(0)\nreturn 2", (True, None, 2)),
    "body, future": ("from __future__ import annotations\nreturn 3", (True, None, 3)),
    "body, nested functions see each other": (
        "x = 1\ndef f(): return x + g()\ndef g(): return 1\nreturn f()",
        (True, None, 2),
    ),
    "nothing": ("x = 1", (True, None, None)),
    "empty": ("", (True, None, None)),
    "printed": ("print('é')", (True, "é", None)),
    "check": ("def check(context): return context['n']", (True, None, 1.5)),
    "check without context": ("def check(): return False", (False, None, None)),
    "check, variadic": ("def check(*given): return len(given)", (True, None, 1)),
    "check, async": ("async def check(context): return 5", (True, None, 5)),
    "check, lambda": ("check = lambda context: {'success': False, 'message': 'm', 'value': 1}", (False, "m", 1)),
    "helper called": ("from reconciler.healthcheck import result\nresult(False, 'm', 2)", (False, "m", 2)),
    "helper returned": ("from reconciler.healthcheck import result\nreturn result(value=2)", (True, None, 2)),
    "main guard": ("if __name__ == '__main__':\n    print('main')", (True, "main", None)),
    "exit": ("import sys\nprint('bye')\nsys.exit(0)", (True, "bye", None)),
    "exit builtin": ("exit()", (True, None, None)),
    "Decimal": ("import decimal\nreturn decimal.Decimal('1.5')", (True, None, 1.5)),
    "a foreign truth value": (
        "class bool_:\n    def __bool__(self): return False\nreturn bool_()",
        (False, None, None),
    ),
    "anything else": ("import pathlib\nreturn pathlib.Path('/x')", (True, "/x", None)),
    "half a pair in the text": ("return '\ud800'", (True, "\ufffd", None)),
    "half a pair": ("return '\\ud800'", (True, "\ufffd", None)),
    "closed stderr": ("import os\nos.close(2)\nreturn 7", (True, None, 7)),
    "closed streams": ("import sys\nsys.stdout.close()\nsys.stderr.close()\nreturn 7", (True, None, 7)),
    "dataclass": (
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n    a: 'int'\ndef check(): return A(3).a",
        (True, None, 3),
    ),
}


@pytest.mark.parametrize(("script", "expected"), PYTHON.values(), ids=PYTHON.keys())
def test_python(script: str, expected: Any, sandbox: PlainSandbox) -> None:
    found = run_python(sandbox, script, context=CONTEXT)
    assert found.failure is None, found
    assert (found.passed, found.message, found.value) == expected
    assert (found.exit_code, found.stderr) == (0, "")


PYTHON_FAILS = {
    "raise": ("raise ValueError('x')", "ValueError: x"),
    "raise nothing": ("raise ValueError", "ValueError"),
    "raise in check": ("def check(): 1 / 0", "ZeroDivisionError: division by zero"),
    "syntax": ("x = (", "SyntaxError: '(' was never closed (script.py, line 1)"),
    "return in a class": ("class A:\n    return 1", "SyntaxError: 'return' outside function (script.py, line 2)"),
    "exit code": ("import sys\nsys.exit(3)", "Script exited with code 3"),
    "exit text": ("import sys\nsys.exit('disk is full')", "disk is full"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "no text": ("class E(Exception):\n    def __str__(self): raise E\nraise E", "E"),
    "recursion": ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
    "circle": ("a = []\na.append(a)\nreturn a", "ValueError: Circular reference detected"),
    "hard exit": ("import os\nos._exit(0)", NO_RESULT),
    "hard exit with stderr": ("import os\nos.write(2, b'gone')\nos._exit(0)", "gone"),
    "killed": ("import os\nos.kill(os.getpid(), 9)", NO_RESULT),
    "not finite": ("return float('nan')", "the script returned NaN, which is no finite number"),
    "missing": ("import nope_nope", "ModuleNotFoundError: No module named 'nope_nope'"),
}


@pytest.mark.parametrize(("script", "error"), PYTHON_FAILS.values(), ids=PYTHON_FAILS.keys())
def test_python_failures(script: str, error: str, sandbox: PlainSandbox) -> None:
    found = run_python(sandbox, script)
    assert (found.passed, found.value) == (False, None)
    assert found.failure is not None
    assert found.failure.startswith(error)
    assert found.message == found.failure
    assert found.error == found.failure


def test_a_python_stack_is_the_scripts_own(sandbox: PlainSandbox) -> None:
    stack = run_python(sandbox, "import os\nos.chdir('/')\ndef check():\n    raise ValueError('x')").stack
    assert stack is not None
    assert stack.splitlines()[1:3] == ['  File "script.py", line 4, in check', "    raise ValueError('x')"]
    assert "run.py" not in stack


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        ("try:\n    1 / 0\nexcept Exception as e:\n    raise OSError('y') from e", ["ZeroDivisionError", "OSError: y"]),
        ("def f(): f()\nf()", ["Previous line repeated"]),
        ("x = (", ['File "script.py", line 1', "x = (", "SyntaxError"]),
        ("raise ExceptionGroup('g', [ValueError('in')])", ["ExceptionGroup: g", "ValueError: in"]),
        ("e = ValueError('x')\ne.add_note('noted')\nraise e", ["ValueError: x", "noted"]),
        ("import json\njson.loads('{')", ["json/decoder.py", "JSONDecodeError"]),
    ],
)
def test_python_stacks_of_every_kind(script: str, lines: list[str], sandbox: PlainSandbox) -> None:
    stack = run_python(sandbox, script).stack
    assert stack is not None
    assert all(line in stack for line in lines), stack
    assert "run_python.py" not in stack


def test_a_failure_imports_nothing_that_takes_time(sandbox: PlainSandbox) -> None:
    script = "import sys\nclass E(Exception):\n    def __str__(self): return ' '.join(sys.modules)\nraise E"
    found = run_python(sandbox, script)
    assert found.stack is not None
    assert not {"traceback", "linecache", "re"} & set(found.stack.split())


def test_python_is_isolated_and_told_nothing_by_file_or_argument(sandbox: PlainSandbox) -> None:
    script = (
        "import os, sys\n"
        "seen = open('/proc/self/cmdline').read() + repr(sorted(os.environ.items())) + sys.stdin.read()\n"
        "for folder, _, names in os.walk('.'):\n"
        "    seen += ''.join(open(os.path.join(folder, name), errors='replace').read() for name in names)\n"
        "return [seen, sys.flags.isolated, sys.flags.no_site, sys.path]"
    )
    found = run_python(sandbox, script)
    assert found.message is not None
    token = sandbox.commands[0].stdin or b""
    assert token.decode().split('"token": "')[1][:36] not in found.message
    assert "site-packages" not in found.message


def test_the_helper_is_staged_for_those_who_name_it(sandbox: PlainSandbox) -> None:
    run_python(sandbox, "return 1")
    run_python(sandbox, "import reconciler.healthcheck")
    assert [sorted(c.files) for c in sandbox.commands] == [
        ["run.pyc", "script.py"],
        ["reconciler/healthcheck.py", "run.pyc", "script.py"],
    ]


def test_the_runner_imports_nothing_that_takes_time(sandbox: PlainSandbox) -> None:
    found = run_python(sandbox, "import sys\nreturn ' '.join(sys.modules)", context=CONTEXT)
    assert found.message is not None
    assert not {"os", "json", "re", "traceback", "typing", "site", "linecache"} & set(found.message.split())


def test_variables_and_secrets(sandbox: PlainSandbox) -> None:
    script = (
        "import os, sys\nkey = os.environ['KEY']\n"
        "print(key)\nprint(key, file=sys.stderr)\nraise ValueError(os.environ['KEY'])"
    )
    found = run_python(sandbox, script, environment={"KEY": "hunter22"}, secrets=["hunter22"])
    assert (found.stdout, found.stderr, found.failure) == ("****", "****", "ValueError: ****")
    assert "hunter22" not in (found.stack or "")


def test_another_interpreter_gets_the_source(sandbox: PlainSandbox) -> None:
    ours = interpreters.python()
    found = run_python(sandbox, "return 1", interpreter=interpreters.Interpreter(ours.path, ours.read_only))
    assert (found.value, sorted(sandbox.commands[0].files)) == (1, ["run.py", "script.py"])


def test_python_time_limit(sandbox: PlainSandbox) -> None:
    found = run_python(sandbox, "while True: pass", timeout_ms=300)
    assert (found.exit_code, found.stdout, found.stderr, found.timed_out) == (-1, "", TIMED_OUT, True)
    assert (found.passed, found.message) == (False, TIMED_OUT)


def test_a_context_that_is_no_json(sandbox: PlainSandbox) -> None:
    with pytest.raises(ValueError, match="the context of a script must be JSON"):
        run_python(sandbox, "return 1", context={"a": object()})


NODE = {
    "body": ("return 1", (True, None, 1)),
    "nothing": ("return", (True, None, None)),
    "empty": ("", (True, None, None)),
    "printed": ("console.log('é')", (True, "é", None)),
    "comment at the end": ("return 1 // one", (True, None, 1)),
    "await": (
        "const fs = await import('node:fs/promises')\nawait fs.readdir('.')\nreturn context.n",
        (True, None, 1.5),
    ),
    "a line that calls import": ("import('node:fs').then(() => 1)\nreturn 2", (True, None, 2)),
    "require": ("return require('node:path').sep", (True, "/", None)),
    "value": ("export default { success: false, message: 'm', value: 3 }", (False, "m", 3)),
    "function": ("export default (context) => context.system.name", (True, "shop é", None)),
    "no default": ("export const x = 1", (True, None, None)),
    "helper": (
        "import { defineHealthCheck as d } from '@checkstack/sdk/healthcheck'\nexport default d(async (c) => c.n)",
        (True, None, 1.5),
    ),
    "helper, old name": (
        "import { defineHealthCheck as d } from '@checkstack/healthcheck'\nexport default d(() => context.n)",
        (True, None, 1.5),
    ),
    "helper of automations": (
        "import { defineIntegration as d } from '@checkstack/sdk/integration'\nexport default d(async () => true)",
        (True, None, None),
    ),
    "big": ("return { value: 10n }", (True, None, 10)),
    "symbol": ("return Symbol('x')", (True, "Symbol(x)", None)),
    "list": ("return [1, 2]", (True, "[1, 2]", None)),
    "closed stderr": ("require('fs').closeSync(2); return 3", (True, None, 3)),
    "large": ("return 'x'.repeat(300000)", (True, "x" * 300_000, None)),
}


@needs_node
@pytest.mark.parametrize(("script", "expected"), NODE.values(), ids=NODE.keys())
def test_node(script: str, expected: Any, sandbox: PlainSandbox) -> None:
    found = run_node(sandbox, script, context=CONTEXT)
    assert found.failure is None, found
    assert (found.passed, found.message, found.value) == expected


NODE_FAILS = {
    "throw": ("throw new Error('boom')", "boom"),
    "throw text": ("throw 'text'", "text"),
    "throw nothing": ("throw undefined", "undefined"),
    "reject": ("export default () => Promise.reject(new TypeError('no'))", "no"),
    "syntax": ("const x = ;", "Unexpected token"),
    "not finite": ("return NaN", "the script returned NaN"),
    "circle": ("const a = {}; a.a = a; return a", "Converting circular structure"),
    "exit": ("process.exit(0)", NO_RESULT),
    "never": ("return await new Promise(() => {})", ""),
    "missing": ("import x from 'nope-nope'", "Cannot find package 'nope-nope'"),
    "rejected aside": ("Promise.reject(new Error('aside')); await new Promise((r) => setTimeout(r, 500))", ""),
}


@needs_node
@pytest.mark.parametrize(("script", "error"), NODE_FAILS.values(), ids=NODE_FAILS.keys())
def test_node_failures(script: str, error: str, sandbox: PlainSandbox) -> None:
    found = run_node(sandbox, script)
    assert not found.passed
    assert found.failure
    assert found.failure.startswith(error)


@needs_node
def test_node_knows_its_memory(sandbox: PlainSandbox) -> None:
    run_node(sandbox, "return 1", memory_bytes=256 * 2**20)
    run_node(sandbox, "return 1", memory_bytes=2**20)
    assert [c.argv[4] for c in sandbox.commands] == ["--max-old-space-size=256", "--max-old-space-size=16"]


def test_without_node(sandbox: PlainSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "node", lambda: None)
    found = run_node(sandbox, "return 1")
    assert (found.exit_code, found.failure, found.passed) == (-1, "Node.js is not installed on this host", False)
    assert sandbox.commands == []


@pytest.mark.parametrize(
    ("script", "module"),
    [
        ("import x from 'y'", True),
        ("\n  export default 1", True),
        ("import{x} from 'y'", True),
        ("import 'y'", True),
        ("import('y')", False),
        ("import.meta.url", False),
        ("const exported = 1\nimportant()", False),
        ("return 'x'\n// import", False),
    ],
)
def test_node_styles(script: str, module: bool) -> None:
    assert node.is_module(script) is module


def test_shell(sandbox: PlainSandbox) -> None:
    found = run_shell(sandbox, 'echo "$A"; echo e >&2; exit 3', environment={"A": "é"})
    assert (found.exit_code, found.stdout, found.stderr, found.error) == (3, "é", "e", "Exit code: 3")
    assert sandbox.commands[0].argv[:2] == ("/bin/sh", "-c")


@pytest.mark.parametrize("cwd", [None, "/usr"])
def test_long_shell_scripts(cwd: str | None, sandbox: PlainSandbox) -> None:
    """Longer than Linux takes in one argument."""
    found = run_shell(sandbox, f"#{'x' * 500_000}\npwd\nexit 4", cwd=cwd)
    assert (found.exit_code, found.stderr) == (4, "")
    assert cwd in (None, found.stdout)


def test_shell_in_a_folder(sandbox: PlainSandbox) -> None:
    assert run_shell(sandbox, 'pwd; echo "$# $1"', cwd="/usr").stdout == "/usr\n0"
    assert run_shell(sandbox, "pwd", cwd="/nowhere; echo oops").exit_code != 0


def test_shell_time_limit(sandbox: PlainSandbox) -> None:
    found = run_shell(sandbox, "echo begun; sleep 5", timeout_ms=200)
    assert (found.exit_code, found.stdout, found.stderr, found.timed_out) == (-1, "", TIMED_OUT, True)
