"""A store with an applied source, the hands of executors on it, and a clock that tests step."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from reconciler.model.run import Outcome, Run
from reconciler.model.slice import SliceKey
from reconciler.store.address import is_postgres
from reconciler.store.executing import Claim, Finished, Transition
from reconciler.store.open import open_executing, open_store
from reconciler.store.sql_executing import SqlExecuting

if TYPE_CHECKING:
    from tests.conftest import Kit

START = 1_800_000_000.0
"""A full hour."""


class Rig:
    """What is applied goes through ``store``; ``hands`` are one executor, ``more()`` opens others."""

    def __init__(self, kit: Kit, address: str) -> None:
        self.kit = kit
        self.path = address
        self.store = open_store(address)
        self.at = START
        self._opened: list[SqlExecuting] = []
        self.hands = self.more()

    def more(self) -> SqlExecuting:
        """Other hands on the same store, by the same clock."""
        hands = open_executing(self.path)
        hands.db.tell_time(lambda: self.at)
        self._opened.append(hands)
        return hands

    def close(self) -> None:
        """Close everything."""
        self.store.close()
        for each in self._opened:
            each.close()

    def sql(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        """Plain SQL past the store."""
        return past(self.path, text, *values)

    def apply(
        self,
        *,
        systems: Iterable[str] = ("shop",),
        environments: Iterable[str] = ("production", "staging"),
        checks: Iterable[str] = ("ready",),
        interval: str = "30s",
        url: str = "https://x.example.net/",
        **assignment: Any,
    ) -> None:
        """A source whose systems have all the checks in all the environments; the schedule follows it."""
        files: dict[str, Any] = {
            "environments.yaml": [self.kit.environment(e) for e in ("production", "staging")],
            "checks.yaml": [self.kit.check(c, url) for c in checks],
            "systems.yaml": [
                self.kit.system(s, environments, [{"check": c, **assignment} for c in checks]) for s in systems
            ],
        }
        for check in files["checks.yaml"]:
            check["spec"]["interval"] = interval
        if not any(files["systems.yaml"]):
            del files["systems.yaml"]
        self.kit.apply(self.store, files, force=True)
        self.hands.reconcile()

    def key(self, system: str = "shop", check: str = "ready", environment: str | None = "production") -> SliceKey:
        """The key of a slice by names."""
        uids = self.kit.uids(self.store)
        return SliceKey(
            uids[f"System {system}"], uids[f"Check {check}"], uids[f"Environment {environment}"] if environment else 0
        )

    def step(self, seconds: float) -> None:
        """The clock goes on, or back."""
        self.at += seconds

    def claim(self, limit: int = 1000, **how: Any) -> list[Claim]:
        """Claim as worker ``w``, for 10 seconds unless told."""
        return self.hands.claim("w", limit, **{"lease": 10.0, **how})

    def run(self, claim: Claim, outcome: Outcome = "healthy", *, reason: str | None = None, **result: Any) -> Run:
        """What executing a claim came to."""
        why = reason or (None if outcome == "healthy" else "it failed")
        detail = {"collectors": [{"id": "0", "type": "http.request", "result": result}]}
        timing = (claim.slot, self.at, float(result.get("ms", 5.0)))
        return Run(claim.key, claim.region, *timing, outcome, why, claim.generation, claim.digest, "w", detail)

    def finish(self, claims: Iterable[Claim], outcome: Outcome = "healthy", **result: Any) -> list[Transition]:
        """All of them came to the same."""
        return self.hands.finish([Finished(c, self.run(c, outcome, **result), "") for c in claims])

    def tick(self, outcome: Outcome | Callable[[Claim], Outcome] = "healthy", **result: Any) -> list[Transition]:
        """An interval later everything has run."""
        self.step(30)
        claims = self.claim()
        outcomes = [outcome(c) if callable(outcome) else outcome for c in claims]
        done = [Finished(c, self.run(c, o, **result), "") for c, o in zip(claims, outcomes, strict=True)]
        return self.hands.finish(done)


def past(address: str, text: str, *values: Any) -> list[tuple[Any, ...]]:
    """One statement past the store, as somebody with another client says it; ``?`` for values in either dialect."""
    if is_postgres(address):
        with psycopg.connect(address, autocommit=True) as pg:
            done = pg.execute(text.replace("?", "%s").encode() if values else text.encode(), values or None)
            return done.fetchall() if done.description else []
    db = sqlite3.connect(address, isolation_level=None)
    try:
        return db.execute(text, values).fetchall()
    finally:
        db.close()


@pytest.fixture
def dialect(request: pytest.FixtureRequest) -> str:
    """Which database a store is in. What is to hold on both is marked
    ``pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)``."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def address(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Of a store with nothing applied yet, in the database that ``dialect`` says."""
    if dialect == "sqlite":
        return str(tmp_path / "store.db")
    return str(request.getfixturevalue("postgres_store"))


@pytest.fixture
def rig(kit: Kit, address: str) -> Iterator[Rig]:
    """A store with nothing applied yet."""
    made = Rig(kit, address)
    yield made
    made.close()


@pytest.fixture
def sql() -> Callable[..., list[tuple[Any, ...]]]:
    """:func:`past`."""
    return past
