"""The executor as the operator's variables and the store's settings make it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.base.canonical import dumps
from reconciler.base.errors import StoreError, UsageError
from reconciler.execute.port import Failed
from reconciler.flows.executor import NO_POLICY, ConfiguredExecutor, egress_guard, executor_of, make_executor
from reconciler.flows.sandbox import change_policy
from reconciler.model.run import Observation
from reconciler.sandbox.policy import SETTING, fail_closed, shipped_default
from reconciler.sandbox.runners.variables import Subject
from reconciler.secrets.port import SecretsError
from reconciler.store.shared import SharedStore

if TYPE_CHECKING:
    from reconciler.secrets.encrypted import Rows
    from reconciler.store.sql_writer import SqlStore

SUBJECT = Subject("c", "c", 30, "s", "s", "production", "production")


def body(script: str, **secrets: str) -> bytes:
    config = {"script": script, "env": {}, "secretEnv": secrets, "timeout": 20_000}
    collectors = [{"type": "execute@2", "config": config}]
    strategy = {"type": "script@1", "config": {"timeout": 30_000}}
    return dumps({"assignment": {}, "check": {"interval": 30_000, "strategy": strategy, "collectors": collectors}})


def within(executor: ConfiguredExecutor, go: Callable[[ConfiguredExecutor], Any]) -> Any:
    async def whole() -> Any:
        try:
            return await go(executor)
        finally:
            await executor.aclose()

    return asyncio.run(whole())


async def ran(executor: ConfiguredExecutor, script: str = "echo here", **secrets: str) -> Observation:
    return await executor.run(executor.prepare(body(script, **secrets)), SUBJECT, {})


def asked(found: Observation) -> list[str]:
    assert found.collectors[0].sandbox is not None
    layers: list[str] = found.collectors[0].sandbox["requested"]
    return layers


@pytest.mark.parametrize("text", ["10.0.0.0/8", " 10.0.0.0/8 , fd00::/8,", "10.1.2.3"])
def test_networks_that_runs_must_not_reach(text: str) -> None:
    guard = egress_guard({"GITOPS_EGRESS_DENY": text})
    with pytest.raises(Failed, match=r"10\.1\.2\.3"):
        guard.check("10.1.2.3")
    guard.check("192.168.1.1")
    with pytest.raises(Failed):
        guard.check("169.254.169.254")
    egress_guard({}).check("10.1.2.3")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("GITOPS_EGRESS_DENY", "10.0.0.0/8,10.0.0.300", "'10.0.0.300' is no network"),
        ("GITOPS_EGRESS_DENY", "example.net", "'example.net' is no network"),
        ("GITOPS_SCRIPTS_AT_ONCE", "0", "'0' is no whole number from 1 to 1000"),
        ("GITOPS_SCRIPTS_AT_ONCE", "many", "'many' is no whole number"),
        ("GITOPS_SECRETS", "vault", "'vault' is none of env, dir:/path or store"),
        ("GITOPS_SECRETS", "dir:secrets", "its path doesn't begin at the root"),
        ("GITOPS_SECRETS", "env,,store", "'' is none of"),
        ("GITOPS_SECRETS", "env,env", "names the same place twice"),
    ],
)
def test_variables_that_make_no_sense(store: SqlStore, variable: str, value: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_executor(store, {variable: value})
    assert variable in caught.value.message
    assert said in caught.value.message


def test_the_store_needs_its_key_at_the_start(store: SqlStore) -> None:
    with pytest.raises(SecretsError, match="GITOPS_MASTER_KEY isn't set"):
        make_executor(store, {"GITOPS_SECRETS": "store"})
    with pytest.raises(UsageError, match="there is none here"):
        make_executor(shipped_default({}), {"GITOPS_SECRETS": "store", "GITOPS_MASTER_KEY": "00" * 32})


def test_a_change_of_the_policy_holds_at_once(store: SqlStore) -> None:
    async def go(executor: ConfiguredExecutor) -> list[Observation]:
        first = await ran(executor)
        before = executor.sandboxes.current()
        change_policy(store, {"filesystem": {"mode": "off"}, "network": {"mode": "deny"}})
        second = await ran(executor)
        assert executor.sandboxes.current() is not before
        assert executor.sandboxes.current() is executor.sandboxes.current()
        change_policy(store, {}, reset=True)
        return [first, second, await ran(executor)]

    first, second, third = within(make_executor(store, {}), go)
    assert asked(first) == asked(third) == ["resources", "filesystem", "network", "privilege"]
    assert asked(second) == ["resources", "network", "privilege"]
    assert [o.outcome for o in (first, second, third)] == ["healthy"] * 3


def test_a_policy_that_can_not_be_read_is_the_strictest(store: SqlStore) -> None:
    change_policy(store, {"enabled": False})

    async def go(executor: ConfiguredExecutor) -> tuple[Observation, Observation]:
        first = await ran(executor)
        store.set_setting(SETTING, '{"enabled": "perhaps"}')
        assert executor.sandboxes.current().policy == fail_closed()
        return first, await ran(executor)

    off, strict = within(make_executor(store, {}), go)
    assert asked(off) == []
    assert asked(strict) == ["resources", "filesystem", "network", "privilege"]
    assert strict.collectors[0].sandbox is not None
    assert strict.collectors[0].sandbox["downgrades"] == [
        {"layer": "policy", "reason": "the policy can't be read (GitopsError); the strictest profile is used"}
    ]


def test_without_a_policy_that_ever_came_no_script_runs(store: SqlStore, store_path: Path) -> None:
    """It might have forbidden all of it; and a stricter one would make targets look down."""
    change_policy(store, {"enabled": False})
    away = store_path.with_name("away.db")

    async def go(executor: ConfiguredExecutor) -> list[Any]:
        store_path.rename(away)
        missing = await ran(executor)
        away.rename(store_path)
        return [(missing.outcome, missing.reason), executor.sandboxes.current().policy.enabled]

    assert within(make_executor(store, {}), go) == [("degraded", NO_POLICY), False]


class Late:
    """Implements ``Supplied``, over a line on which the policy comes late."""

    def __init__(self) -> None:
        self.arrived = False
        self.closed = False

    def policy(self) -> str | None:
        if not self.arrived:
            raise ConnectionError("no answer yet")
        return None

    def secrets(self) -> Rows:
        raise AssertionError("nobody asks for them")

    def close(self) -> None:
        self.closed = True


def test_scripts_wait_for_a_policy_that_comes_late() -> None:
    supply = Late()

    async def go(executor: ConfiguredExecutor) -> list[Any]:
        before = await ran(executor)
        held = await asyncio.to_thread(executor.sandboxes.held)
        supply.arrived = True
        after = await ran(executor)
        supply.arrived = False
        again = await ran(executor)
        return [before.reason, held.policy == fail_closed(), after.outcome, again.outcome]

    found = within(executor_of(supply, {}), go)
    assert found == [NO_POLICY, True, "healthy", "healthy"]
    assert supply.closed


def test_a_store_that_goes_away_takes_its_policy_along_after_a_while(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_policy(store, {"network": {"allow": ["10.0.0.1:443"]}})

    def away(*_: object) -> str:
        raise StoreError("the store is away")

    async def go(executor: ConfiguredExecutor) -> list[Any]:
        known = executor.sandboxes.current()
        monkeypatch.setattr(SharedStore, "setting", away)
        seen = [executor.sandboxes.current() is known]
        monkeypatch.setattr("reconciler.flows.executor.REMEMBERED", 0.0)
        seen.append(executor.sandboxes.current().policy == fail_closed())
        monkeypatch.undo()
        return [*seen, executor.sandboxes.current().policy == known.policy]

    assert within(make_executor(store, {}), go) == [True, True, True]


def test_a_store_in_memory_has_the_policy_it_had(memory: SqlStore) -> None:
    change_policy(memory, {"network": {"mode": "deny"}})
    found = within(make_executor(memory, {}), ran)
    assert found.outcome == "healthy"


def test_a_folder_of_packages_that_is_not_ready_says_so(tmp_path: Path, store: SqlStore) -> None:
    inline = {"type": "inline-script@1", "config": {"script": "return 1", "language": "python", "timeout": 20_000}}
    check = {
        "interval": 30_000,
        "strategy": {"type": "script@1", "config": {"timeout": 30_000}},
        "collectors": [inline],
    }

    async def go(executor: ConfiguredExecutor) -> Observation:
        return await executor.run(executor.prepare(dumps({"assignment": {}, "check": check})), SUBJECT, {})

    found = within(make_executor(store, {"GITOPS_PACKAGES": str(tmp_path)}), go)
    assert found.outcome == "degraded"
    assert "there was no sync yet" in (found.reason or "")
    assert within(make_executor(store, {}), go).outcome == "healthy"


def secret(store: SqlStore, environ: Mapping[str, str], name: str, value: str, environment: str | None = None) -> None:
    from reconciler.flows.secrets import encrypted
    from reconciler.secrets.port import SecretName

    rows = SharedStore(store.where)
    try:
        encrypted(environ, lambda: rows).set(SecretName(name, environment), value, actor="tester")
    finally:
        rows.close()


REFERENCE = "${{ secrets.TOKEN }}"


def test_secrets_of_each_backend_reach_the_script_and_nothing_else(store: SqlStore, tmp_path: Path) -> None:
    key = {"GITOPS_MASTER_KEY": "07" * 32}
    secret(store, key, "TOKEN", "from-the-store")
    secret(store, key, "TOKEN", "from-production", "production")
    (tmp_path / "TOKEN").write_text("from-a-file\n")
    for environ, expected in (
        ({"GITOPS_SECRET_TOKEN": "from-a-variable"}, "from-a-variable"),
        ({"GITOPS_SECRETS": f"dir:{tmp_path}"}, "from-a-file"),
        ({"GITOPS_SECRETS": "store", **key}, "from-production"),
        ({"GITOPS_SECRETS": f"dir:{tmp_path},store", **key}, "from-production"),
    ):
        script = f'test "$T" = {expected} && echo "got $T"; env | grep -c GITOPS'
        found = within(make_executor(store, environ), partial(ran, script=script, T=REFERENCE))
        assert found.collectors[0].result["stdout"] == "got ****\n0", environ


def test_a_missing_secret_says_nothing_of_the_target(store: SqlStore) -> None:
    found = within(make_executor(store, {}), lambda e: ran(e, T=REFERENCE))
    assert found.outcome == "degraded"
    assert found.reason == (
        "the secret TOKEN isn't there (looked for the variable GITOPS_SECRET_PRODUCTION__TOKEN; "
        "the variable GITOPS_SECRET_TOKEN)"
    )
    assert found.collectors == ()


def test_a_secret_that_changes_counts_for_the_next_run(store: SqlStore) -> None:
    environ = {"GITOPS_SECRET_TOKEN": "first-value"}

    async def go(executor: ConfiguredExecutor) -> list[int]:
        codes = []
        for value in ("first-value", "second-value"):
            environ["GITOPS_SECRET_TOKEN"] = value
            found = await ran(executor, f'test "$T" = {value}', T=REFERENCE)
            codes.append(found.collectors[0].result["exitCode"])
        return codes

    assert within(make_executor(store, environ), go) == [0, 0]
