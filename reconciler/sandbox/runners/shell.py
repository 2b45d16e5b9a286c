"""Shell scripts: ``sh -c``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.sandbox.command import Command
from reconciler.sandbox.runners.frame import whole
from reconciler.sandbox.runners.outcome import Runs, ShellResult, shell_result
from reconciler.secrets.masking import Masker

_SHELL = "/bin/sh"
_LONGEST_ARGUMENT = 100_000
"""Linux takes 128 KiB in one argument; longer scripts come as a file that the shell reads as its own text."""


def run_shell(
    sandbox: Runs,
    script: str,
    *,
    environment: Mapping[str, str] | None = None,
    cwd: str | None = None,
    timeout_ms: int = 30_000,
    secrets: Iterable[str] = (),
) -> ShellResult:
    """Run it. ``cwd`` is a path inside the sandbox; none: the scratch. ``secrets`` are masked in all output."""
    return shell_result(
        sandbox.run(command(script, environment or {}, cwd=cwd, timeout_ms=timeout_ms)), Masker(secrets)
    )


def command(script: str, environment: Mapping[str, str], *, cwd: str | None, timeout_ms: int) -> Command:
    """How it is started."""
    script = whole(script)
    data = script.encode()
    files: dict[str, bytes] = {}
    if len(data) > _LONGEST_ARGUMENT:
        files = {"script.sh": data}
        script = ". ./script.sh" if cwd is None else '. "$OLDPWD/script.sh"'
    argv: tuple[str, ...] = (_SHELL, "-c", script)
    if cwd is not None:
        # The second shell is the script's own: nothing of how it got there is left in its variables' way.
        argv = (_SHELL, "-c", 'cd -- "$1" && exec "$0" -c "$2"', _SHELL, cwd, script)
    return Command(argv, environment=environment, files=files, timeout_ms=timeout_ms)
