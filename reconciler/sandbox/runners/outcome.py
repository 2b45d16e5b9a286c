"""What came of a script: the results that runners hand to executors. Masked, and decoded from whatever was written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from reconciler.sandbox.command import Command, RunResult
from reconciler.sandbox.report import SandboxReport
from reconciler.sandbox.runners.frame import NO_RESULT, extract
from reconciler.sandbox.runners.values import Unusable, meaning
from reconciler.secrets.masking import Masker

TIMED_OUT = "Script execution timed out"
OVERFLOWED = "Script wrote more output than is allowed and was stopped before its result"


class Runs(Protocol):
    """What a runner needs of a sandbox."""

    def run(self, command: Command) -> RunResult:
        """Run it to its end, or refuse it."""


@dataclass(frozen=True, slots=True)
class ShellResult:
    """``exit_code`` is -1 when it was stopped or never started. ``refused``: the sentence, which is ``stderr`` too.

    ``report`` is None only where nothing came as far as the sandbox.
    """

    exit_code: int
    stdout: str
    stderr: str
    timed_out: bool
    output_truncated: bool
    execution_ms: float
    report: SandboxReport | None = None
    refused: str | None = None

    @property
    def success(self) -> bool:
        """Exit code 0 within the time limit."""
        return self.exit_code == 0 and not self.timed_out

    @property
    def error(self) -> str | None:
        """Why it is no success."""
        if self.success:
            return None
        if self.timed_out:
            return TIMED_OUT
        return self.refused or f"Exit code: {self.exit_code}"


@dataclass(frozen=True, slots=True)
class ScriptResult(ShellResult):
    """What a Python or Node.js script returned: ``passed``, ``message``, ``value`` are the collector's three fields.

    ``failure`` is set when the script didn't come to a result, with ``stack`` where it raised; ``message`` says it too.
    ``stderr`` is without the result frame. ``notes`` name what of the result was left out.
    """

    passed: bool = False
    message: str | None = None
    value: int | float | None = None
    failure: str | None = None
    stack: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def success(self) -> bool:
        """Whether the check passed."""
        return self.passed

    @property
    def error(self) -> str | None:
        """Why there is no result; None where the script itself said how it went."""
        return self.failure


def shell_result(run: RunResult, masker: Masker) -> ShellResult:
    """The result of a shell script."""
    if run.refused is not None:
        return ShellResult(-1, "", run.refused, False, False, run.duration_ms, run.report, run.refused)
    if run.timed_out:
        return ShellResult(-1, "", TIMED_OUT, True, run.output_truncated, run.duration_ms, run.report)
    cut = run.output_truncated
    out, err = (masker.text(readable(data), cut_short=cut) for data in (run.stdout, run.stderr))
    return ShellResult(run.exit_code, out, err, False, cut, run.duration_ms, run.report)


def script_result(run: RunResult, token: str, masker: Masker) -> ScriptResult:
    """The result of a script whose runner was given this token."""
    frame, rest = extract(run.stderr, token) if run.refused is None and not run.timed_out else (None, run.stderr)
    plain = shell_result(replace(run, stderr=rest), masker)
    if plain.refused is not None or plain.timed_out:
        return _failed(plain, plain.error or NO_RESULT)
    if frame is None:
        return _failed(plain, OVERFLOWED if plain.output_truncated else plain.stderr or NO_RESULT)
    if not frame.ok:
        return _failed(plain, masker.text(frame.error) or NO_RESULT, masker.text(frame.stack) or None)
    try:
        found = meaning(frame.result)
    except Unusable as error:
        return _failed(plain, masker.text(str(error)))
    message = masker.text(found.message) if found.message is not None else plain.stdout or None
    return ScriptResult(
        *_fields(plain),
        passed=found.success,
        message=message,
        value=found.value,
        notes=tuple(masker.text(note) for note in found.notes),
    )


def not_started(reason: str) -> ScriptResult:
    """A script that never came as far as the sandbox."""
    return _failed(ShellResult(-1, "", reason, False, False, 0.0, refused=reason), reason)


def readable(data: bytes) -> str:
    """What a person reads: invalid bytes become replacement characters, blanks at both ends go."""
    return data.decode("utf-8", "replace").strip()


def _failed(plain: ShellResult, why: str, stack: str | None = None) -> ScriptResult:
    return ScriptResult(*_fields(plain), message=why, failure=why, stack=stack)


def _fields(r: ShellResult) -> tuple[int, str, str, bool, bool, float, SandboxReport | None, str | None]:
    return (
        *(r.exit_code, r.stdout, r.stderr, r.timed_out),
        *(r.output_truncated, r.execution_ms, r.report, r.refused),
    )
