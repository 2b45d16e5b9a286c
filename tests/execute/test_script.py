"""Scripts of checks from a slice's body to its observation, in the real sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.base.canonical import dumps
from reconciler.flows.executor import ConfiguredExecutor, make_executor
from reconciler.model.run import Measured, Observation
from reconciler.sandbox.policy import SandboxPolicy, merge, shipped_default
from reconciler.sandbox.run import Sandbox
from reconciler.sandbox.runners import interpreters
from reconciler.sandbox.runners.shell import run_shell
from reconciler.sandbox.runners.variables import Subject
from reconciler.sandbox.spawner import Spawner

SUBJECT = Subject("disk", "Disk space", 30, "shop", "The shop", "production", "Production")
ALONE = Subject("disk", "Disk space", 30, "shop", "The shop")
FIELDS = {"baseUrl": "https://p.example.net", "tier": 1, "tags": ["a", "b"], "id": "not this", "nothing": None}
needs_node = pytest.mark.skipif(interpreters.node() is None, reason="Node.js is not installed")
LIMIT = 100_000


@pytest.fixture(scope="module")
def policy() -> SandboxPolicy:
    """The shipped one with a smaller allowance of output; skipped where it refuses, with its own words."""
    found = merge(shipped_default({}), {"resources": {"maxOutputBytes": LIMIT}})
    spawner = Spawner()
    try:
        tried = run_shell(Sandbox(found, spawner), "exit 0")
    finally:
        spawner.close()
    if tried.refused is not None:
        pytest.skip(tried.refused)
    return found


Run = Callable[..., Observation]


def body(*collectors: Mapping[str, Any], timeout: int = 30_000) -> bytes:
    strategy = {"type": "script@1", "config": {"timeout": timeout}}
    return dumps(
        {"assignment": {}, "check": {"interval": 30_000, "strategy": strategy, "collectors": list(collectors)}}
    )


def shell(script: str, *, assertions: Any = (), **config: Any) -> dict[str, Any]:
    given = {"script": script, "env": {}, "secretEnv": {}, "timeout": 20_000, **config}
    return {"type": "execute@2", "config": given, "assertions": list(assertions)}


def inline(script: str, language: str = "python", *, assertions: Any = (), **config: Any) -> dict[str, Any]:
    given = {"script": script, "language": language, "env": {}, "secretEnv": {}, "timeout": 20_000, **config}
    return {"type": "inline-script@1", "config": given, "assertions": list(assertions)}


def within(executor: ConfiguredExecutor, go: Any) -> Any:
    """Run a coroutine function of the executor, and close it in the same loop."""

    async def whole() -> Any:
        try:
            return await go(executor)
        finally:
            await executor.aclose()

    return asyncio.run(whole())


@pytest.fixture
def run(policy: SandboxPolicy) -> Run:
    """Run collectors once."""

    def once(
        *collectors: Mapping[str, Any],
        subject: Subject = SUBJECT,
        fields: Mapping[str, Any] = FIELDS,
        environ: Mapping[str, str] | None = None,
        timeout: int = 30_000,
        limit: float | None = None,
    ) -> Observation:
        async def go(executor: ConfiguredExecutor) -> Observation:
            prepared = executor.prepare(body(*collectors, timeout=timeout))
            assert prepared.fault is None
            assert not prepared.repeatable
            return await executor.run(prepared, subject, fields, timeout_ms=limit)

        found: Observation = within(make_executor(policy, environ or {}), go)
        return found

    return once


def only(found: Observation) -> Measured:
    assert len(found.collectors) == 1
    return found.collectors[0]


def test_a_shell_script(run: Run) -> None:
    found = run(shell("echo out; echo err >&2", assertions=[{"field": "exitCode", "operator": "equals", "value": 0}]))
    assert (found.outcome, found.reason) == ("healthy", None)
    measured = only(found)
    took = measured.result.pop("executionTimeMs")
    assert 0 < took < 20_000
    assert measured.result == {"exitCode": 0, "stdout": "out", "stderr": "err", "success": True, "timedOut": False}
    assert measured.verdicts[0].passed
    assert measured.sandbox == {
        "requested": ["resources", "filesystem", "network", "privilege"],
        "enforced": ["resources", "filesystem", "network", "privilege"],
    }
    assert len(json.dumps(measured.sandbox)) < 200
    assert measured.notes == ()


def test_an_exit_code_is_an_error(run: Run) -> None:
    found = run(shell("echo why; exit 3"))
    assert (found.outcome, found.reason) == ("unhealthy", "Exit code: 3")
    assert only(found).result["exitCode"] == 3
    assert only(found).result["stdout"] == "why"


def test_the_folder_it_starts_in(run: Run) -> None:
    assert only(run(shell("pwd", cwd="/usr"))).result["stdout"] == "/usr"
    assert only(run(shell("pwd"))).result["stdout"] == "/scratch"


def variables(found: Observation) -> dict[str, str]:
    lines = only(found).result["stdout"].splitlines()
    return dict(line.partition("=")[::2] for line in lines if line.startswith(("CHECKSTACK_", "OWN")))


def test_its_variables(run: Run) -> None:
    found = variables(run(shell("env")))
    assert found == {
        "CHECKSTACK_CHECK_ID": "disk",
        "CHECKSTACK_CHECK_NAME": "Disk space",
        "CHECKSTACK_CHECK_INTERVAL_SECONDS": "30",
        "CHECKSTACK_SYSTEM_ID": "shop",
        "CHECKSTACK_SYSTEM_NAME": "The shop",
        "CHECKSTACK_ENV_ID": "production",
        "CHECKSTACK_ENV_NAME": "Production",
        "CHECKSTACK_ENV_BASE_URL": "https://p.example.net",
        "CHECKSTACK_ENV_TIER": "1",
        "CHECKSTACK_ENV_TAGS": '["a","b"]',
        "CHECKSTACK_ENV_NOTHING": "",
    }
    alone = variables(run(shell("env"), subject=ALONE, fields={}))
    assert not any(name.startswith("CHECKSTACK_ENV") for name in alone)


def test_which_variable_wins(run: Run) -> None:
    found = variables(
        run(
            shell(
                "env",
                env={"OWN": "env", "OWN_SECRET": "env", "CHECKSTACK_ENV_TIER": "env"},
                secretEnv={"OWN_SECRET": "plain", "CHECKSTACK_SYSTEM_ID": "secret"},
            )
        )
    )
    assert (found["OWN"], found["OWN_SECRET"]) == ("env", "plain")
    assert (found["CHECKSTACK_ENV_TIER"], found["CHECKSTACK_SYSTEM_ID"]) == ("env", "secret")


def test_what_got_no_variable_is_noted(run: Run) -> None:
    found = run(shell("env"), fields={"base-url": "1", "baseUrl": "2", "Name": "3"})
    assert only(found).notes == (
        "the field 'baseUrl' has no variable: CHECKSTACK_ENV_BASE_URL is that of 'base-url'",
        "the field 'Name' has no variable: CHECKSTACK_ENV_NAME is that of 'name'",
    )


def test_variables_that_may_not_be_set_are_told(run: Run) -> None:
    found = only(run(shell("echo $LD_PRELOAD", env={"LD_PRELOAD": "/tmp/x.so"})))
    assert found.result["stdout"] == ""
    assert found.sandbox is not None
    assert found.sandbox["droppedEnvironment"] == ["LD_PRELOAD"]


SHOW = {"python": "import json\nprint(json.dumps(context))", "node": "console.log(JSON.stringify(context))"}
LANGUAGES = ["python", pytest.param("node", marks=needs_node)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_its_context(run: Run, language: str) -> None:
    script = SHOW[language]
    found = only(run(inline(script, language, env={"OWN": "1"}, secretEnv={"KEY": "plain"})))
    assert json.loads(found.result["message"]) == {
        "check": {"id": "disk", "name": "Disk space", "intervalSeconds": 30},
        "system": {"id": "shop", "name": "The shop"},
        "environment": {**FIELDS, "id": "production", "name": "Production"},
        "config": {"language": language, "env": {"OWN": "1"}, "timeout": 20_000},
    }
    alone = only(run(inline(script, language), subject=ALONE, fields={}))
    assert json.loads(alone.result["message"])["environment"] is None


def test_fields_that_are_no_json_are_nobodys_failure(run: Run) -> None:
    found = run(inline("return True"), fields={"ratio": float("nan")})
    assert found.outcome == "degraded"
    assert "must be JSON" in (found.reason or "")


RETURNS: list[tuple[str, str, dict[str, Any], str | None]] = [
    ("return None", "return undefined", {"success": True}, None),
    ("return True", "return true", {"success": True}, None),
    ("return False", "return false", {"success": False}, "Check failed"),
    ("return 2.5", "return 2.5", {"success": True, "value": 2.5}, None),
    ("return 'words'", "return 'words'", {"success": True, "message": "words"}, None),
    ("print('said')", "console.log('said')", {"success": True, "message": "said"}, None),
    (
        "return {'success': False, 'message': 'full', 'value': 99}",
        "return {success: false, message: 'full', value: 99}",
        {"success": False, "message": "full", "value": 99},
        "full",
    ),
    ("return {'value': 1}", "return {value: 1}", {"success": True, "value": 1}, None),
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("in_python", "in_node", "expected", "error"), RETURNS, ids=lambda v: str(v)[:30])
def test_what_it_returns(
    run: Run, language: str, in_python: str, in_node: str, expected: dict[str, Any], error: str | None
) -> None:
    found = run(inline(in_python if language == "python" else in_node, language))
    measured = only(found)
    measured.result.pop("executionTimeMs")
    assert measured.result.pop("timedOut") is False
    assert (measured.result, measured.error) == (expected, error)
    assert found.outcome == ("healthy" if error is None else "unhealthy")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_it_raises(run: Run, language: str) -> None:
    script = "raise RuntimeError('no luck')" if language == "python" else "throw new Error('no luck')"
    found = run(inline(script, language))
    measured = only(found)
    assert found.outcome == "unhealthy"
    assert "no luck" in (found.reason or "")
    assert measured.result["success"] is False
    assert "no luck" in measured.result["message"]
    assert any("script." in note and "no luck" in note for note in measured.notes), "the stack"


def test_it_may_leave_no_result(run: Run) -> None:
    found = only(run(inline("import os\nos.write(2, b'last words')\nos._exit(1)")))
    assert found.error == "last words"
    assert only(run(inline("import os\nos._exit(0)"))).error == "Script exited without producing a result"


HELPED = {
    "python": """
from reconciler.healthcheck import result
def check(context):
    return result(True, context["check"]["id"], value=3)
""",
    "node": """
import { defineHealthCheck } from "@checkstack/sdk/healthcheck";
export default defineHealthCheck(async (context) => ({ success: true, message: context.check.id, value: 3 }));
""",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_helpers(run: Run, language: str) -> None:
    found = only(run(inline(HELPED[language], language))).result
    assert (found["message"], found["value"]) == ("disk", 3)


def test_a_script_that_takes_too_long(run: Run) -> None:
    began = time.monotonic()
    found = run(shell("sleep 20", timeout=300))
    assert time.monotonic() - began < 5
    assert (found.outcome, found.reason, found.timed_out) == ("unhealthy", "Script execution timed out", True)
    assert only(found).result["timedOut"] is True
    assert only(found).result["exitCode"] == -1
    assert only(found).sandbox is not None


def test_the_runs_own_limit_holds_over_all_its_scripts(run: Run) -> None:
    began = time.monotonic()
    found = run(shell("sleep 0.3"), shell("sleep 20"), shell("echo never"), timeout=900)
    assert time.monotonic() - began < 5
    assert found.timed_out
    assert [c.error for c in found.collectors[:2]] == [None, "Script execution timed out"]
    assert found.collectors[2].error is not None
    assert not found.collectors[2].result.get("success")


def test_the_limit_that_the_worker_shortened_holds(run: Run) -> None:
    began = time.monotonic()
    found = run(shell("sleep 20"), limit=400)
    assert time.monotonic() - began < 5
    assert found.timed_out


def test_a_flood(run: Run) -> None:
    found = run(shell("yes flooding"))
    assert found.outcome == "unhealthy"
    assert found.reason == "Script wrote more output than is allowed and was stopped"
    assert len(only(found).result["stdout"]) <= LIMIT
    flooded = run(inline("while True: print('x' * 1000)"))
    assert flooded.reason == "Script wrote more output than is allowed and was stopped before its result"


def test_a_refused_script_says_nothing_of_the_target(policy: SandboxPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.sandbox import probes
    from reconciler.sandbox.host import tools

    probes.forget()
    monkeypatch.setattr(probes, "tools", lambda: {k: v for k, v in tools().items() if k != "bwrap"})

    async def go(executor: ConfiguredExecutor) -> tuple[Observation, str | None]:
        failing = {"field": "exitCode", "operator": "equals", "value": 0}
        found = await executor.run(executor.prepare(body(shell("echo", assertions=[failing]))), SUBJECT, FIELDS)
        held = await asyncio.to_thread(executor.sandboxes.held)
        return found, held.banner

    try:
        found, banner = within(make_executor(policy, {}), go)
    finally:
        probes.forget()
    assert found.outcome == "degraded"
    assert (found.reason or "").startswith("sandbox unavailable: ")
    measured = only(found)
    assert measured.sandbox is not None
    assert measured.sandbox["enforced"] == []
    assert {"layer", "reason"} == measured.sandbox["downgrades"][0].keys()
    assert banner is not None
    assert "bwrap can't be found" in banner


def test_nothing_to_show_at_the_start_where_all_layers_hold(policy: SandboxPolicy) -> None:
    async def go(executor: ConfiguredExecutor) -> Any:
        return await asyncio.to_thread(executor.sandboxes.held)

    held = within(make_executor(policy, {}), go)
    assert (held.policy, held.banner) == (policy, None)


def alive(marker: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in line and b"pytest" not in line:
                found.append(entry.name)
    return found


def gone(marker: str, seconds: float = 3.0) -> bool:
    until = time.monotonic() + seconds
    while alive(marker):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def there(marker: str, seconds: float = 10.0) -> bool:
    until = time.monotonic() + seconds
    while not alive(marker):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def test_a_cancelled_run_kills_its_script_at_once(policy: SandboxPolicy) -> None:
    marker = f"77.{time.monotonic_ns()}"

    async def go(executor: ConfiguredExecutor) -> float:
        task = asyncio.ensure_future(
            executor.run(executor.prepare(body(shell(f"sleep {marker} & sleep {marker}"))), SUBJECT, FIELDS)
        )
        assert await asyncio.to_thread(there, marker)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(gone, marker)
        took = time.monotonic() - began
        # The place is free again, and the spawner in order.
        after = await executor.run(executor.prepare(body(shell("echo still here"))), SUBJECT, FIELDS)
        assert only(after).result["stdout"] == "still here"
        return took

    assert within(make_executor(policy, {}), go) < 3


def test_many_cancelled_runs_leave_nothing(policy: SandboxPolicy) -> None:
    marker = f"79.{time.monotonic_ns()}"

    async def go(executor: ConfiguredExecutor) -> tuple[int, int]:
        known = executor.sandboxes.held().capabilities
        prepared = executor.prepare(body(shell(f"sleep {marker}")))
        quick = executor.prepare(body(shell("echo still here")))
        await executor.run(quick, SUBJECT, FIELDS)
        before = len(os.listdir("/proc/self/fd"))
        for delay in (0.0, 0.005, 0.02, 0.08):
            tasks = [asyncio.ensure_future(executor.run(prepared, SUBJECT, FIELDS)) for _ in range(12)]
            await asyncio.sleep(delay)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(e, asyncio.CancelledError) for e in ended)
        assert await asyncio.to_thread(gone, marker)
        after = await asyncio.gather(*(executor.run(quick, SUBJECT, FIELDS) for _ in range(8)))
        assert [only(o).result["stdout"] for o in after] == ["still here"] * 8
        assert executor.abandoned_now == 0
        assert executor.sandboxes.held().capabilities is known, "the host isn't probed again for runs that were killed"
        return before, len(os.listdir("/proc/self/fd"))

    before, after = within(make_executor(policy, {}), go)
    assert after <= before


def test_closing_kills_what_still_runs(policy: SandboxPolicy) -> None:
    marker = f"78.{time.monotonic_ns()}"

    async def go(executor: ConfiguredExecutor) -> asyncio.Task[Observation]:
        task = asyncio.ensure_future(executor.run(executor.prepare(body(shell(f"sleep {marker}"))), SUBJECT, FIELDS))
        assert await asyncio.to_thread(there, marker)
        return task

    began = time.monotonic()
    within(make_executor(policy, {}), go)
    assert time.monotonic() - began < 15
    assert gone(marker)


def test_waiting_for_a_place_is_not_counted(policy: SandboxPolicy) -> None:
    async def go(executor: ConfiguredExecutor) -> list[Observation]:
        prepared = executor.prepare(body(shell("sleep 0.4", timeout=1000), timeout=1000))
        return list(await asyncio.gather(*(executor.run(prepared, SUBJECT, FIELDS) for _ in range(4))))

    began = time.monotonic()
    found = within(make_executor(policy, {"GITOPS_SCRIPTS_AT_ONCE": "1"}), go)
    assert time.monotonic() - began > 1.6
    assert [o.outcome for o in found] == ["healthy"] * 4
    assert all(o.duration_ms < 1000 for o in found)


def test_waiting_has_an_end(policy: SandboxPolicy) -> None:
    from reconciler.execute.egress import Guard
    from reconciler.execute.executor import Executor
    from reconciler.execute.script import Script
    from reconciler.flows.executor import Sandboxes

    sandboxes = Sandboxes(policy, None)

    async def whole() -> list[Observation]:
        executor = Executor(None, Guard(), factories={"script": lambda: Script(sandboxes, at_once=1, patience=0.3)})
        try:
            first = executor.prepare(body(shell("sleep 1.5")))
            second = executor.prepare(body(shell("echo")))
            running = asyncio.ensure_future(executor.run(first, SUBJECT, FIELDS))
            await asyncio.sleep(0)
            waited = await executor.run(second, SUBJECT, FIELDS)
            return [await running, waited]
        finally:
            await executor.aclose()

    try:
        asyncio.run(whole())  # the host is probed
        ran, waited = asyncio.run(whole())
    finally:
        sandboxes.close()
    assert ran.outcome == "healthy"
    assert waited.outcome == "degraded"
    assert waited.reason == "1 scripts run at once here, and none of them ended in 300ms"


def test_many_at_once(policy: SandboxPolicy) -> None:
    async def go(executor: ConfiguredExecutor) -> list[Observation]:
        prepared = [executor.prepare(body(shell(f"echo {n}"))) for n in range(24)]
        return list(await asyncio.gather(*(executor.run(p, SUBJECT, FIELDS) for p in prepared)))

    found = within(make_executor(policy, {}), go)
    assert [only(o).result["stdout"] for o in found] == [str(n) for n in range(24)]
