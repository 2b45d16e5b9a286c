"""Waiting for what an apply changed: runs that come in, health that moves, another apply in between."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.flows.settling import Before, Progress, Settled, settle
from reconciler.model.plan import Plan
from reconciler.model.run import Outcome, Run
from reconciler.report.settled import settled_json, settled_text
from reconciler.report.style import Style
from reconciler.store.open import open_executing, open_store
from reconciler.store.sql_executing import SqlExecuting
from reconciler.store.sql_writer import SqlStore

if TYPE_CHECKING:
    from tests.conftest import Kit


class Scene:
    """A store with a worker that is registered and runs what the test says."""

    def __init__(self, kit: Kit, folder: Path) -> None:
        self.kit, self.path = kit, str(folder / "store.db")
        self.store: SqlStore = open_store(self.path)
        self.hands: SqlExecuting = open_executing(self.path)
        self.plan: Plan
        self.before: Before
        self.told: list[Progress] = []
        self.at = 0.0

    def apply(self, path: str, *, regions: list[str] | None = None, degraded: int = 1) -> None:
        kit = self.kit
        assigned = {"check": "home", "thresholds": {"degraded": degraded, "unhealthy": 9}}
        if regions:
            assigned["regions"] = regions
        files = {
            "a.yaml": [
                kit.environment("production"),
                kit.check("home", f"https://x.example.net{path}"),
                kit.system("shop", ["production"], [assigned]),
            ]
        }
        self.before = Before.of(self.hands)
        self.hands.leave("w")  # else the apply asks it what it can read
        self.plan = kit.apply(self.store, files).plan
        self.hands.register("w", host=socket.gethostname(), pid=1, info={})
        self.hands.reconcile()

    def run(self, outcome: Outcome, *, region: str = "", digest: str | None = None) -> None:
        (change,) = self.plan.slices
        # Two of one moment would be the same run, told twice.
        now = self.at = max(self.hands.now(), self.at + 0.001)
        self.hands.record(
            [
                Run(
                    key=change.key,
                    region=region,
                    slot=now,
                    at=now,
                    duration_ms=1.0,
                    outcome=outcome,
                    reason=None if outcome == "healthy" else "because",
                    generation=self.store.generation(),
                    digest=digest or change.digest,
                    worker="w",
                    detail={},
                )
            ]
        )

    def settle(self, *steps: Callable[[], None], patience: float = 1.0) -> Settled:
        """Each step is what happens while it waits."""
        rest = iter(steps)

        def sleep(_: float) -> None:
            next(rest, lambda: None)()

        generation = self.store.generation()
        return settle(
            self.hands,
            self.plan,
            self.before,
            generation=generation,
            patience=patience,
            sleep=sleep,
            told=self.told.append,
        )


@pytest.fixture
def scene(kit: Kit, tmp_path: Path) -> Iterator[Scene]:
    made = Scene(kit, tmp_path)
    made.apply("/a")
    made.run("healthy")
    made.apply("/b")
    yield made
    made.store.close()
    made.hands.close()


def test_a_healthy_run_settles_it(scene: Scene) -> None:
    found = scene.settle(lambda: scene.run("healthy"), patience=60)
    assert found.well
    assert (found.changed, found.replaced, found.idle) == (1, 0, False)
    assert [p.ran for p in scene.told] == [0, 1]


def test_a_run_of_what_was_before_counts_for_nothing(scene: Scene) -> None:
    found = scene.settle(lambda: scene.run("healthy", digest="0" * 64), patience=0.2)
    assert [str(s.name) for s in found.missing] == ["shop/home/production"]
    assert not found.well


def test_worse(scene: Scene) -> None:
    found = scene.settle(lambda: scene.run("unhealthy"), patience=60)
    (failing,) = found.failing
    assert (failing.was, failing.now) == ("healthy", "degraded")
    assert failing.run is not None
    assert failing.run.reason == "because"


def test_thresholds_decide(scene: Scene) -> None:
    scene.apply("/c", degraded=3)
    found = scene.settle(*[lambda: scene.run("unhealthy")] * 2, lambda: scene.run("healthy"), patience=60)
    assert found.well
    scene.apply("/d", degraded=3)
    assert scene.settle(*[lambda: scene.run("unhealthy")] * 3, patience=60).failing
    scene.run("healthy")
    scene.apply("/e", degraded=3)
    undecided = scene.settle(lambda: scene.run("unhealthy"), patience=0.2)
    assert undecided.failing, "nobody saw it healthy"


def test_no_better_before(scene: Scene) -> None:
    scene.run("unhealthy")
    scene.apply("/c")
    found = scene.settle(lambda: scene.run("degraded"), patience=60)
    assert found.well, "it was degraded, and is"


def test_each_region_counts(scene: Scene) -> None:
    scene.apply("/c", regions=["local", "eu"])
    found = scene.settle(lambda: scene.run("healthy"), lambda: scene.run("healthy", region="eu"), patience=60)
    assert found.well
    scene.apply("/d", regions=["local", "eu"])
    found = scene.settle(lambda: scene.run("healthy"), patience=0.2)
    assert [s.region for s in found.missing] == ["eu"]


def test_another_apply_meanwhile(scene: Scene) -> None:
    plan, before = scene.plan, scene.before

    def again() -> None:
        scene.apply("/z")
        scene.plan, scene.before = plan, before

    found = scene.settle(again, patience=60)
    assert found.well
    assert found.replaced == 1


def test_nobody_works(scene: Scene) -> None:
    scene.hands.beat("w", stopping=True)
    found = scene.settle(patience=60)
    assert found.idle
    assert not found.well
    scene.hands.leave("w")
    assert scene.settle(patience=60).idle


def test_nothing_was_changed(scene: Scene) -> None:
    scene.apply("/b")
    assert scene.settle(patience=60) == Settled(0)


def test_what_is_paused_is_not_waited_for(scene: Scene) -> None:
    (change,) = scene.plan.slices
    scene.hands.pause([(change.key, "")], actor="ops", reason="it moves")
    assert scene.settle(patience=60) == Settled(0)


def test_regions_without_a_worker_are_named(scene: Scene) -> None:
    scene.apply("/c", regions=["local", "eu"])
    scene.hands.register("w", host="h", pid=1, info={"regions": [""]})
    found = scene.settle(lambda: scene.run("healthy"), patience=0.2)
    assert found.unserved == ("eu",)
    assert list(settled_text(found, Style()))[-1] == "No worker is alive in: eu (gitops workers lists them)."
    assert settled_json(found)["unservedRegions"] == ["eu"]
