"""Whatever a strategy does, a run ends in time with an observation that holds nothing it mustn't."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.base.points import by_name
from reconciler.execute import table
from reconciler.execute.caps import Outgoing
from reconciler.execute.egress import Guard
from reconciler.execute.executor import Executor
from reconciler.execute.port import Collected, Connection, Context, Failed, Gone, Unobservable
from reconciler.execute.prepare import Prepared
from reconciler.model.run import Observation
from reconciler.sandbox.runners.variables import Subject
from reconciler.secrets.masking import Masker
from reconciler.secrets.port import SecretMissing
from tests.servers.http import site

SUBJECT = Subject("check", "Check", 60, "system", "System", "production", "Production")

Collect = Callable[[str, Mapping[str, Any]], Awaitable[Collected]]


class Talking:
    """A strategy that does what a test says; its connection is itself."""

    def __init__(self, collect: Collect | None = None, *, opening: Callable[[], Awaitable[None]] | None = None) -> None:
        self._collect = collect
        self._opening = opening
        self.opened: list[tuple[Mapping[str, Any], Context]] = []
        self.closed = 0
        self.ended = 0
        self.closing: Callable[[], Awaitable[None]] | None = None
        self.masks: tuple[str, ...] = ()

    async def open(self, config: Mapping[str, Any], context: Context) -> Connection:
        self.opened.append((config, context))
        if self._opening is not None:
            await self._opening()
        return self

    def repeatable(self, config: Mapping[str, Any], collectors: tuple[tuple[str, Mapping[str, Any]], ...]) -> bool:
        return all(collector.get("method", "GET") == "GET" for _, collector in collectors)

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        assert self._collect is not None
        return await self._collect(collector, config)

    async def close(self) -> None:
        self.closed += 1
        if self.closing is not None:
            await self.closing()

    async def aclose(self) -> None:
        self.ended += 1


class Vault:
    """Secrets by name."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.asked: list[tuple[tuple[str, ...], str | None]] = []

    def resolve(self, names: Collection[str], environment: str | None) -> Mapping[str, str]:
        self.asked.append((tuple(names), environment))
        for name in names:
            if name not in self.values:
                raise SecretMissing(name, ("the vault",))
        return {name: self.values[name] for name in names}


def body(*collectors: Mapping[str, Any], timeout: int = 5000, **config: Any) -> bytes:
    """A slice's body with the strategy http."""
    made = [
        {"type": "request@1", "config": {"url": "http://x/", "headers": [], "timeout": 5000}, **c} for c in collectors
    ]
    strategy = {"type": "http@3", "config": {"timeout": timeout, **config}}
    return orjson.dumps({"assignment": {}, "check": {"interval": 45_000, "strategy": strategy, "collectors": made}})


def run(
    strategy: Talking, data: bytes | None = None, *, vault: Vault | None = None, timeout_ms: float | None = None
) -> Observation:
    """One run; what leaves it can always be written as JSON."""

    async def go() -> Observation:
        executor = Executor(vault, Guard(), factories={"http": lambda: strategy})
        try:
            prepared = executor.prepare(data if data is not None else body({}))
            return await executor.run(prepared, SUBJECT, {}, timeout_ms=timeout_ms)
        finally:
            await executor.aclose()

    found = asyncio.run(go())
    text = orjson.dumps(found.detail()).decode()
    assert "\\u0000" not in text
    assert len(text) < 100_000
    return found


def answering(*results: Collected | Exception) -> Talking:
    """Each collector gets the next of these."""
    left = list(results)

    async def collect(name: str, config: Mapping[str, Any]) -> Collected:
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return Talking(collect)


def fails(error: Exception) -> Talking:
    async def opening() -> None:
        raise error

    return Talking(opening=opening)


OK = Collected({"statusCode": 200, "body": '{"ready": true}', "success": True})


class TestOutcomes:
    def test_healthy(self) -> None:
        strategy = answering(OK)
        assertions = [
            {"field": "statusCode", "operator": "equals", "value": 200},
            {"field": "body", "jsonPath": "$.ready", "operator": "equals", "value": True},
        ]
        found = run(strategy, body({"id": "main", "assertions": assertions}))
        assert (found.outcome, found.reason, found.error) == ("healthy", None, None)
        measured = found.collectors[0]
        assert (measured.id, measured.type) == ("main", "http.request")
        assert measured.result == {"statusCode": 200, "success": True}, "ephemeral fields can be asserted on, no more"
        assert [v.actual for v in measured.verdicts] == ["200", "true"]
        assert (strategy.closed, strategy.ended) == (1, 1)

    def test_every_assertion_is_judged(self) -> None:
        assertions = [{"field": "statusCode", "operator": "equals", "value": n} for n in (404, 200, 500)]
        found = run(answering(OK), body({"assertions": assertions}))
        assert found.outcome == "unhealthy"
        assert [v.passed for v in found.collectors[0].verdicts] == [False, True, False]
        assert found.reason == "statusCode equals 404 (found 200)"

    def test_connection_that_fails(self) -> None:
        found = run(fails(Failed("can't connect", timed_out=True)))
        assert (found.outcome, found.error, found.timed_out) == ("unhealthy", "can't connect", True)
        assert found.collectors == ()

    def test_what_cant_be_observed(self) -> None:
        found = run(fails(Unobservable("no client")))
        assert (found.outcome, found.error) == ("degraded", "no client")
        found = run(answering(Unobservable("no sandbox"), OK), body({}, {}))
        assert (found.outcome, found.reason) == ("degraded", "no sandbox")
        found = run(answering(OK._replace(error="no sandbox", unobservable=True)))
        assert (found.outcome, found.reason) == ("degraded", "no sandbox")

    def test_what_is_worse_wins(self) -> None:
        found = run(answering(Unobservable("no sandbox"), Failed("broken")), body({}, {}))
        assert found.outcome == "unhealthy"

    def test_one_failure_doesnt_stop_the_next(self) -> None:
        found = run(answering(Failed("broken"), ValueError("oh"), OK), body({}, {}, {}))
        assert found.outcome == "unhealthy"
        fault = "a fault of the strategy http, not of the target: ValueError: oh"
        assert [c.error for c in found.collectors] == ["broken", fault, None]
        assert [c.id for c in found.collectors] == ["0", "1", "2"]

    def test_lost_connection_does(self) -> None:
        found = run(answering(OK, Gone("reset")), body({}, {}, {}))
        errors = [c.error for c in found.collectors]
        assert errors == [None, "reset", "not measured, as the connection was lost before"]

    @pytest.mark.parametrize(
        "odd",
        [None, "text", Collected(None), Collected({}, phases=3), ([],)],  # type: ignore[arg-type]
    )
    def test_results_that_are_none(self, odd: Any) -> None:
        found = run(answering(odd), body({"assertions": [{"field": "statusCode", "operator": "equals", "value": 1}]}))
        assert found.outcome == "unhealthy"
        found = run(answering(odd))
        assert found.outcome in ("unhealthy", "healthy")

    def test_strategy_that_cancels_itself(self) -> None:
        async def collect(name: str, config: Mapping[str, Any]) -> Collected:
            raise asyncio.CancelledError

        found = run(Talking(collect))
        assert found.outcome == "unhealthy"
        assert "it cancelled itself" in (found.error or "")


class TestTime:
    def test_hanging_while_connecting(self) -> None:
        strategy = Talking(opening=lambda: asyncio.sleep(60))
        found = run(strategy, body({}, timeout=200))
        assert (found.outcome, found.error, found.timed_out) == ("unhealthy", "timed out after 200ms", True)
        assert 200 <= found.duration_ms < 1000

    def test_caller_may_shorten(self) -> None:
        strategy = Talking(opening=lambda: asyncio.sleep(60))
        assert run(strategy, body({}, timeout=60_000), timeout_ms=150).error == "timed out after 150ms"
        config, context = strategy.opened[0]
        assert (config["timeout"], context.timeout_ms) == (150, 150)
        assert run(strategy, body({}, timeout=150), timeout_ms=60_000).error == "timed out after 150ms"

    def test_what_was_collected_before_is_kept(self) -> None:
        async def collect(name: str, config: Mapping[str, Any]) -> Collected:
            if config["url"] == "hang":
                await asyncio.sleep(60)
            return OK

        hang = {"config": {"url": "hang", "timeout": 5000}}
        found = run(Talking(collect), body({}, hang, {}, timeout=200))
        assert [c.error for c in found.collectors] == [None, "timed out after 200ms", "timed out after 200ms"]
        assert found.outcome == "unhealthy"
        assert found.timed_out
        assert found.collectors[0].result == {"statusCode": 200, "success": True}

    def test_each_collector_has_its_own_limit(self) -> None:
        async def collect(name: str, config: Mapping[str, Any]) -> Collected:
            await asyncio.sleep(60 if config["timeout"] == 100 else 0)
            return OK

        found = run(Talking(collect), body({"config": {"url": "x", "timeout": 100}}, {}))
        assert [c.error for c in found.collectors] == ["timed out after 100ms", None]

    def test_strategy_that_ignores_its_end_is_left_behind(self) -> None:
        release = threading.Event()

        async def stubborn() -> None:
            while not release.is_set():
                try:
                    await asyncio.sleep(0.05)
                except asyncio.CancelledError:
                    continue

        async def go() -> None:
            strategy = Talking(opening=stubborn)
            executor = Executor(None, Guard(), factories={"http": lambda: strategy})
            prepared = executor.prepare(body({}, timeout=100))
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.01)
                    ticks += 1

            ticking = asyncio.create_task(tick())
            found = await asyncio.gather(*(executor.run(prepared, SUBJECT, {}) for _ in range(3)))
            assert [f.error for f in found] == ["timed out after 100ms"] * 3
            assert ticks > 10, "the event loop went on"
            assert (executor.abandoned, executor.abandoned_now) == (3, 3)
            release.set()
            async with asyncio.timeout(5):
                while executor.abandoned_now:
                    await asyncio.sleep(0.01)
            assert executor.abandoned == 3
            ticking.cancel()
            await executor.aclose()

        asyncio.run(go())

    def test_closing_that_hangs_changes_nothing(self) -> None:
        strategy = answering(OK)
        strategy.closing = lambda: asyncio.sleep(60)
        found = run(strategy, body({}, timeout=200))
        assert (found.outcome, found.timed_out) == ("healthy", False)
        assert found.duration_ms < 150

    def test_closing_that_raises_changes_nothing(self) -> None:
        async def closing() -> None:
            raise OSError("broken")

        strategy = answering(OK)
        strategy.closing = closing
        assert run(strategy).outcome == "healthy"

    def test_cancelled_run_closes_its_connection(self) -> None:
        async def go() -> None:
            begun = asyncio.Event()

            async def collect(name: str, config: Mapping[str, Any]) -> Collected:
                begun.set()
                await asyncio.sleep(60)
                return OK

            strategy = Talking(collect)
            executor = Executor(None, Guard(), factories={"http": lambda: strategy})
            task = asyncio.create_task(executor.run(executor.prepare(body({})), SUBJECT, {}))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert strategy.closed == 1
            assert executor.abandoned == 0
            await executor.aclose()

        asyncio.run(go())

    def test_waiting_for_a_place_isnt_counted(self) -> None:
        class Narrow(Talking):
            def __init__(self) -> None:
                super().__init__(opening=lambda: asyncio.sleep(0.15))
                self._places = asyncio.Semaphore(1)

            def admit(self) -> asyncio.Semaphore:
                return self._places

            async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
                return OK

        async def go() -> list[Observation]:
            executor = Executor(None, Guard(), factories={"http": Narrow})
            prepared = executor.prepare(body({}, timeout=300))
            try:
                return await asyncio.gather(*(executor.run(prepared, SUBJECT, {}) for _ in range(4)))
            finally:
                await executor.aclose()

        assert [f.outcome for f in asyncio.run(go())] == ["healthy"] * 4


class TestSecrets:
    SECRET = "s3cret-9f31"

    def test_are_resolved_and_never_leave(self) -> None:
        async def collect(name: str, config: Mapping[str, Any]) -> Collected:
            value = config["headers"][0]["value"]
            assert value == self.SECRET
            assert config["url"] == "http://x/${{ secrets.KEY }}", "only where the model marks a secret"
            result = {"statusCode": 200, "statusText": f"<{value}>", "body": f"{'x' * 250}{value}", "success": True}
            return Collected(result, f"it said {value}", notes=(f"note {value}",), sandbox={"env": [value], value: 1})

        strategy = Talking(collect)
        config = {
            "url": "http://x/${{ secrets.KEY }}",
            "headers": [{"name": "X-Key", "valueFrom": {"secret": "KEY"}}],
            "timeout": 5000,
        }
        assertions = [
            {"field": "body", "operator": "endsWith", "value": self.SECRET},
            {"field": "statusText", "operator": "equals", "value": self.SECRET},
            {"field": "body", "operator": "matches", "value": f"({self.SECRET}"},
        ]
        data = body(
            {"config": config, "assertions": assertions}, authType="token", authToken="a ${{ secrets.TOKEN }} b"
        )
        vault = Vault(KEY=self.SECRET, TOKEN="t0ken")
        found = run(strategy, data, vault=vault)
        assert vault.asked == [(("TOKEN", "KEY"), "production")]
        assert strategy.opened[0][0]["authToken"] == "a t0ken b"
        assert set(strategy.opened[0][1].secrets) == {self.SECRET, "t0ken"}
        text = orjson.dumps(found.detail()).decode()
        assert self.SECRET not in text
        assert "s3cret" not in text
        assert found.collectors[0].verdicts[0].passed, "judged before anything is masked"
        assert found.collectors[0].error == "it said ****"

    def test_part_of_one_at_a_cut_is_masked(self) -> None:
        for length in range(200, 280):
            found = run(
                answering(
                    Collected({"body": "x" * length + self.SECRET, "statusText": "y" * (length * 16) + self.SECRET})
                ),
                body(
                    {
                        "config": {"url": "x", "headers": [{"name": "a", "valueFrom": {"secret": "KEY"}}]},
                        "assertions": [{"field": "body", "operator": "isEmpty"}],
                    }
                ),
                vault=Vault(KEY=self.SECRET),
            )
            assert "s3cr" not in orjson.dumps(found.detail()).decode()

    def test_missing(self) -> None:
        strategy = answering(OK)
        found = run(strategy, body({}, authType="token", authToken="${{ secrets.TOKEN }}"), vault=Vault())
        assert found.outcome == "degraded"
        assert "the secret TOKEN isn't there" in (found.error or "")
        assert strategy.opened == []
        found = run(strategy, body({}, authType="token", authToken="${{ secrets.TOKEN }}"))
        assert (found.outcome, strategy.opened) == ("degraded", [])

    def test_vault_that_hangs_says_nothing_of_the_target(self) -> None:
        release = threading.Event()

        class Slow(Vault):
            def resolve(self, names: Collection[str], environment: str | None) -> Mapping[str, str]:
                release.wait(10)
                return super().resolve(names, environment)

        async def go() -> Observation:
            executor = Executor(Slow(TOKEN="x"), Guard(), factories={"http": lambda: answering(OK)})
            prepared = executor.prepare(body({}, timeout=150, authType="token", authToken="${{ secrets.TOKEN }}"))
            found = await executor.run(prepared, SUBJECT, {})
            release.set()
            return found

        found = asyncio.run(go())
        assert (found.outcome, found.error) == ("degraded", "the secrets weren't there after 150ms")

    def test_what_a_strategy_makes_of_them_is_masked(self) -> None:
        with site() as web:
            config = {"url": f"{web.base}/echo", "timeout": 5000}
            assertions = [{"field": "body", "operator": "contains", "value": "absent"}]
            data = body(
                {"config": config, "assertions": assertions},
                authType="basic",
                authUsername="me",
                authPassword="${{ secrets.PASSWORD }}",
            )

            async def go() -> Observation:
                executor = Executor(Vault(PASSWORD="open sesame"), Guard())
                try:
                    return await executor.run(executor.prepare(data), SUBJECT, {})
                finally:
                    await executor.aclose()

            found = asyncio.run(go())
            assert web.asked[-1].header("Authorization") == "Basic bWU6b3BlbiBzZXNhbWU="
        actual = found.collectors[0].verdicts[0].actual or ""
        assert '"Authorization": "Basic ****"' in actual


class TestCaps:
    def test_texts(self) -> None:
        found = run(answering(Collected({"statusText": "é" * 100_000, "statusCode": 10**30}, "e" * 9000)))
        result = found.collectors[0].result
        assert len(result["statusText"]) == 4096
        assert result["statusCode"] == 1e30
        assert found.collectors[0].notes == ("statusText is cut after 4096 characters",)
        assert len(found.collectors[0].error or "") == 1024

    def test_whole(self) -> None:
        big = Collected({f"field{n}": "x" * 4000 for n in range(100)})
        found = run(answering(big, big), body({}, {}))
        assert len(orjson.dumps(found.detail())) < 72_000
        assert "the result is larger than 64 KiB" in found.collectors[0].notes[-1]

    def test_many_assertions(self) -> None:
        assertions = [{"field": "body", "operator": "contains", "value": "x"}] * 2000
        assertions.append({"field": "body", "operator": "contains", "value": "y"})
        found = run(answering(Collected({"body": "x" * 300})), body({"assertions": assertions}))
        assert found.outcome == "unhealthy"
        assert found.reason == f"body contains y (found {'x' * 255}…)"
        assert "outcomes of assertions are left out" in found.collectors[0].notes[0]

    def test_odd_values(self) -> None:
        deep: Any = 1
        for _ in range(200):
            deep = [deep]
        odd = {
            "nul": "a\0b",
            "half": "\ud800",
            "nan": float("nan"),
            "inf": float("-inf"),
            "big": -(2**70),
            "huge": 10**500,
            "bytes": b"\xff",
            "deep": deep,
            "set": {1},
            "odd key": {None: {"\0": 1}},
            "object": object,
        }
        result = run(answering(Collected(odd))).collectors[0].result
        assert (result["nul"], result["half"], result["nan"], result["inf"]) == ("a\ufffdb", "?", None, None)
        assert result["odd key"] == {"None": {"\ufffd": 1}}

    @settings(max_examples=40)
    @given(
        st.dictionaries(
            st.text(max_size=4),
            st.recursive(
                st.none() | st.text() | st.binary() | st.floats() | st.integers() | st.dates(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
                max_leaves=20,
            ),
        )
    )
    def test_anything_becomes_json(self, result: dict[str, Any]) -> None:
        text = orjson.dumps(Outgoing(Masker(["secret"])).result(result, frozenset())).decode()
        assert "\\u0000" not in text


class TestPreparing:
    def prepare(self, data: bytes) -> Prepared:
        return Executor(None, Guard(), factories={"http": answering}).prepare(data)

    def test_is_told(self) -> None:
        prepared = self.prepare(body({}, {"id": "second"}, timeout=7000))
        assert (prepared.strategy, prepared.interval_ms, prepared.timeout_ms) == ("http", 45_000, 7000)
        assert [c.id for c in prepared.collectors] == ["0", "second"]
        assert prepared.repeatable
        assert not self.prepare(body({"config": {"method": "POST"}})).repeatable

    @pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"check": 1}', b'{"check": {"strategy": {"type": 1}}}'])
    def test_what_is_no_body(self, data: bytes) -> None:
        with pytest.raises(ValueError, match="can't be read"):
            self.prepare(data)

    def test_what_nobody_brings(self) -> None:
        async def go() -> None:
            executor = Executor(None, Guard())
            unknown = body({}).replace(b"http@3", b"carrier-pigeon@1")
            found = await executor.run(executor.prepare(unknown), SUBJECT, {})
            assert found.outcome == "degraded"
            assert "carrier-pigeon" in (found.error or "")
            found = await executor.run(executor.prepare(body({"type": "sniff@1"})), SUBJECT, {})
            assert (found.outcome, found.error) == ("degraded", "there is no collector http.sniff in this installation")

        asyncio.run(go())

    def test_missing_library(self) -> None:
        def factory() -> Talking:
            raise ImportError("no module named 'asyncssh'")

        async def go() -> Observation:
            executor = Executor(None, Guard(), factories={"http": factory})
            return await executor.run(executor.prepare(body({})), SUBJECT, {})

        found = asyncio.run(go())
        assert found.outcome == "degraded"
        assert "can't be loaded" in (found.error or "")

    def test_plugin_brings_a_strategy(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "pigeon.py").write_text("class Pigeon:\n    pass\n")
        info = tmp_path / "pigeon-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[gitops_execute.strategies]\npigeon = pigeon:Pigeon\n")
        monkeypatch.syspath_prepend(tmp_path)
        by_name.cache_clear()
        try:
            assert table.factory("pigeon").__name__ == "Pigeon"
        finally:
            by_name.cache_clear()


def test_hundreds_at_once_over_http() -> None:
    with site() as web:
        data = body(
            {
                "config": {"url": f"{web.base}/json", "timeout": 10_000},
                "assertions": [{"field": "body", "jsonPath": "$.items.length", "operator": "equals", "value": 3}],
            },
            timeout=10_000,
        )

        async def go() -> list[Observation]:
            executor = Executor(None, Guard())
            prepared = executor.prepare(data)
            try:
                return await asyncio.gather(*(executor.run(prepared, SUBJECT, {}) for _ in range(400)))
            finally:
                await executor.aclose()

        began = time.perf_counter()
        found = asyncio.run(go())
        assert {f.outcome for f in found} == {"healthy"}
        assert time.perf_counter() - began < 10
