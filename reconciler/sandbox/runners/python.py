"""Python scripts. Two styles, told apart by what Python itself says about the text:

*body*: a ``return`` (or an ``await``) that stands outside of every function. The whole script is one function then, and
what it returns is the result::

    import shutil
    return shutil.disk_usage("/").free > 10**9

*module*: everything else. The script runs from top to bottom; then its function ``check``, if there is one, is called
with the context (or with nothing, if it takes nothing), and awaited where it is asynchronous::

    from reconciler.healthcheck import result

    def check(context):
        return result(True, f"{context['system']['name']} is fine", value=3)

In both, ``context`` is a global name, a ``result(...)`` that was called counts where nothing is returned, a
``sys.exit()`` with nothing or 0 ends the script as its last line would, and any other exit is a failure. The
interpreter runs isolated (``-I``) and without ``site``: it sees the standard library and the managed packages. Neither
threads that are still at work at the end nor ``atexit`` are waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.base.errors import GitopsError
from reconciler.sandbox.command import Command
from reconciler.sandbox.packages.folder import Packages
from reconciler.sandbox.runners import interpreters
from reconciler.sandbox.runners.frame import new_token, whole
from reconciler.sandbox.runners.interpreters import Interpreter
from reconciler.sandbox.runners.outcome import Runs, ScriptResult, not_started, script_result
from reconciler.sandbox.runners.staging import compiled, header, staged
from reconciler.secrets.masking import Masker

_FLAGS = ("-I", "-S", "-B", "-X", "utf8")


def run_python(
    sandbox: Runs,
    script: str,
    *,
    context: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_ms: int = 30_000,
    secrets: Iterable[str] = (),
    packages: Packages | None = None,
    interpreter: Interpreter | None = None,
) -> ScriptResult:
    """Run it. ``packages``: the managed ones; while they aren't ready, nothing runs and the result says so.

    ``interpreter``: another than the default, which packages must have been built for.
    """
    token = new_token()
    try:
        bound = packages.python() if packages is not None else None
    except GitopsError as error:
        return not_started(error.message)
    chosen = interpreter or interpreters.python()
    given = header(token, context or {}, (bound[1], bound[0]) if bound else ())
    started = command(script, given, environment or {}, timeout_ms=timeout_ms, interpreter=chosen, bound=bound)
    return script_result(sandbox.run(started), token, Masker(secrets))


def command(
    script: str,
    header: bytes,
    environment: Mapping[str, str],
    *,
    timeout_ms: int,
    interpreter: Interpreter,
    bound: tuple[str, str] | None = None,
) -> Command:
    """How it is started. ``bound``: the folder of the packages, as (host path, path inside)."""
    runner, content = ("run.pyc", compiled) if interpreter.ours else ("run.py", staged)
    files = {runner: content("run_python.py"), "script.py": whole(script).encode()}
    if "reconciler" in script:
        files["reconciler/healthcheck.py"] = staged("healthcheck.py")
    return Command(
        (interpreter.path, *_FLAGS, runner),
        environment=environment,
        files=files,
        timeout_ms=timeout_ms,
        read_only=(*interpreter.read_only, *((bound,) if bound else ())),
        stdin=header,
    )
