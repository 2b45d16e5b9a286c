"""From what a sandbox hands back to what executors get."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from reconciler.sandbox.command import RunResult
from reconciler.sandbox.report import SandboxReport, nothing_enforced
from reconciler.sandbox.runners.frame import NO_RESULT, markers
from reconciler.sandbox.runners.outcome import OVERFLOWED, TIMED_OUT, script_result, shell_result
from reconciler.secrets.masking import Masker

REPORT = SandboxReport({}, nothing_enforced())
RUN = RunResult(0, b"", b"", False, False, 12.0, REPORT)
TOKEN = "t"
NOTHING = Masker(())


def framed(**value: Any) -> bytes:
    start, end = markers(TOKEN)
    return start + json.dumps(value).encode() + end


def test_shell_output_is_trimmed_and_decoded() -> None:
    found = shell_result(replace(RUN, exit_code=3, stdout=b"\n a\xff \n", stderr=b" e\n"), NOTHING)
    assert (found.exit_code, found.stdout, found.stderr) == (3, "a�", "e")
    assert (found.success, found.error, found.execution_ms, found.report) == (False, "Exit code: 3", 12.0, REPORT)


def test_success_has_no_error() -> None:
    found = shell_result(RUN, NOTHING)
    assert (found.success, found.error) == (True, None)


def test_time_limit() -> None:
    run = replace(RUN, exit_code=-1, timed_out=True, stdout=b"half", stderr=framed(ok=True, result=1))
    shell, script = shell_result(run, NOTHING), script_result(run, TOKEN, NOTHING)
    for found in (shell, script):
        assert (found.exit_code, found.stdout, found.stderr, found.timed_out) == (-1, "", TIMED_OUT, True)
        assert (found.success, found.error) == (False, TIMED_OUT)
    assert (script.message, script.value) == ("Script execution timed out", None)


def test_refusal() -> None:
    refused = "sandbox unavailable: network: no namespaces"
    run = replace(RUN, exit_code=-1, refused=refused)
    shell, script = shell_result(run, NOTHING), script_result(run, TOKEN, NOTHING)
    for found in (shell, script):
        assert (found.exit_code, found.stderr, found.error, found.success) == (-1, refused, refused, False)
    assert script.message == refused


def test_stdout_is_the_message_where_there_is_none() -> None:
    run = replace(RUN, stdout=b" said \n")
    assert script_result(replace(run, stderr=framed(ok=True, result=None)), TOKEN, NOTHING).message == "said"
    assert script_result(replace(run, stderr=framed(ok=True, result={"message": "m"})), TOKEN, NOTHING).message == "m"
    assert script_result(replace(run, stderr=framed(ok=False, error="e")), TOKEN, NOTHING).message == "e"


def test_no_frame_is_the_text_of_stderr() -> None:
    found = script_result(replace(RUN, exit_code=1, stderr=b"panic\n"), TOKEN, NOTHING)
    assert (found.passed, found.failure, found.message, found.stderr) == (False, "panic", "panic", "panic")
    assert script_result(RUN, TOKEN, NOTHING).failure == NO_RESULT


def test_a_flood_that_pushed_the_frame_away() -> None:
    run = replace(RUN, exit_code=-1, output_truncated=True, stderr=b"x" * 100)
    found = script_result(run, TOKEN, NOTHING)
    assert (found.passed, found.output_truncated, found.failure) == (False, True, OVERFLOWED)


def test_an_exception() -> None:
    found = script_result(replace(RUN, stderr=b"w" + framed(ok=False, error="e", stack="s")), TOKEN, NOTHING)
    assert (found.passed, found.failure, found.stack, found.stderr) == (False, "e", "s", "w")


def test_secrets_are_masked_everywhere() -> None:
    secret, masker = "hunter22", Masker(["hunter22"])
    shell = shell_result(replace(RUN, stdout=secret.encode(), stderr=b"x " + secret.encode()), masker)
    assert (shell.stdout, shell.stderr) == ("****", "x ****")
    results: tuple[Any, ...] = (secret, [secret], {"message": secret}, {"value": secret}, {"success": secret})
    for result in results:
        assert secret not in repr(script_result(replace(RUN, stderr=framed(ok=True, result=result)), TOKEN, masker))
    run = replace(RUN, stdout=secret.encode(), stderr=framed(ok=False, error=secret, stack=f"at {secret}"))
    assert secret not in repr(script_result(run, TOKEN, masker))


def test_the_beginning_of_a_secret_at_the_cut() -> None:
    found = shell_result(replace(RUN, stdout=b"xx hunter", output_truncated=True), Masker(["hunter22"]))
    assert found.stdout == "xx ****"
