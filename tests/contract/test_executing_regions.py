"""Regions that nobody serves: their slices are never silently green, and are what they were once somebody does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.flows.readers import KNOWS
from reconciler.model.run import Health
from reconciler.store.executing import Executing, Finished, Transition
from reconciler.versioning.stored import heads

if TYPE_CHECKING:
    from tests.contract.conftest import Rig

pytestmark = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)

ALIVE = 15.0


class Crew:
    """Workers by name and region, as they beat and observe."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self._hands: dict[str, Executing] = {}

    def join(self, name: str, *regions: str) -> None:
        """It starts."""
        self._hands[name] = self.rig.more()
        self._hands[name].register(name, host="h", pid=1, info={"regions": list(regions), KNOWS: heads()})

    def die(self, name: str) -> None:
        """It is heard of no more."""
        del self._hands[name]

    def leave(self, name: str) -> None:
        """It ends in good order."""
        self._hands.pop(name).leave(name)

    def live(self, seconds: float) -> list[Transition]:
        """All of them beat and observe every second."""
        found = []
        for _ in range(int(seconds)):
            self.rig.step(1)
            for name, hands in self._hands.items():
                hands.beat(name)
                found += hands.observe(ALIVE)
        return found


@pytest.fixture
def crew(rig: Rig) -> Crew:
    """One slice in two regions; a worker for each, which ran it once."""
    rig.apply(environments=["production"], regions=["eu-1", "us-1"])
    crew = Crew(rig)
    crew.join("e", "eu-1")
    crew.join("u", "us-1")
    assert crew.live(30) == []
    rig.finish(rig.claim(regions=["eu-1", "us-1"]))
    return crew


def healths(rig: Rig) -> dict[str, tuple[Health, bool]]:
    """By region: health, and whether it is known that nobody looks."""
    return {s.region: (s.health, s.unseen is not None) for s in rig.hands.states()}


def told(transitions: list[Transition]) -> list[tuple[str, str, str, str]]:
    return [(t.scope, t.region, t.was, t.now) for t in transitions]


def test_a_region_that_nobody_serves_is_degraded_until_it_is_looked_at_again(rig: Rig, crew: Crew) -> None:
    crew.die("e")
    seen = rig.at
    assert crew.live(14) == []
    found = crew.live(5)
    assert told(found) == [
        ("slice", "eu-1", "healthy", "degraded"),
        ("environment", "", "healthy", "degraded"),
        ("system", "", "healthy", "degraded"),
    ]
    assert {t.by.check for t in found} == {0}
    (cause,) = {t.cause for t in found}
    assert cause is not None
    assert cause.startswith("unobservable: no worker has served region eu-1 since 2027-01-15 08:00:3")
    assert healths(rig) == {"eu-1": ("degraded", True), "us-1": ("healthy", False)}
    assert {s.unseen for s in rig.hands.states()} == {seen, None}
    assert crew.live(60) == []
    crew.join("f", "eu-1")
    assert crew.live(10) == [], "a worker is there, but nobody has looked yet"
    found = rig.finish(rig.claim(regions=["eu-1"]))
    assert told(found) == [
        ("slice", "eu-1", "degraded", "healthy"),
        ("environment", "", "degraded", "healthy"),
        ("system", "", "degraded", "healthy"),
    ]
    assert {t.cause for t in found} == {"it is looked at again"}
    assert healths(rig) == {"eu-1": ("healthy", False), "us-1": ("healthy", False)}


def test_what_fails_stays_as_bad_as_it_was(rig: Rig, crew: Crew) -> None:
    for _ in range(5):
        crew.live(30)
        rig.finish(rig.claim(regions=["eu-1"]), "unhealthy")
    before = next(s for s in rig.hands.states() if s.region == "eu-1")
    crew.die("e")
    assert crew.live(60) == []
    (state,) = (s for s in rig.hands.states() if s.region == "eu-1")
    assert (state.health, state.unseen is not None, state.since) == ("unhealthy", True, before.since)
    crew.join("f", "eu-1")
    crew.live(3)
    (healthy, *_) = rig.finish(rig.claim(regions=["eu-1"]))
    assert (healthy.was, healthy.now, healthy.cause) == ("unhealthy", "healthy", "it is looked at again")


def test_thresholds_do_not_make_it_last(rig: Rig, crew: Crew) -> None:
    """Two successes make it healthy where it failed; nobody looking isn't a failure of it."""
    thresholds = {"healthy": 3, "degraded": 2, "unhealthy": 5}
    rig.apply(environments=["production"], regions=["eu-1", "us-1"], thresholds=thresholds)
    crew.die("e")
    assert len(crew.live(60)) == 3
    crew.join("f", "eu-1")
    crew.live(3)
    rig.finish(rig.claim(regions=["eu-1"]))
    assert healths(rig)["eu-1"] == ("healthy", False)


def test_a_first_failure_after_it_says_both(rig: Rig, crew: Crew) -> None:
    crew.die("e")
    crew.live(60)
    crew.join("f", "eu-1")
    crew.live(3)
    first = rig.finish(rig.claim(regions=["eu-1"]), "unhealthy")
    assert [(t.now, t.cause) for t in first[:1]] == [("healthy", "it is looked at again: it failed")]


def test_a_clean_handover_marks_nothing(rig: Rig, crew: Crew) -> None:
    for name, heir in (("e", "e2"), ("u", "u2")):
        crew.leave(name)
        assert crew.live(14) == []
        crew.join(heir, "eu-1" if name == "e" else "us-1")
    assert crew.live(60) == []
    assert {unseen for _, unseen in healths(rig).values()} == {False}


def test_what_ran_within_its_interval_is_what_it_was(rig: Rig, crew: Crew) -> None:
    """Its next run may be an hour off, and nothing was missed."""
    rig.apply(environments=["production"], regions=["eu-1", "us-1"], interval="1h")
    crew.live(3600)
    rig.finish(rig.claim(regions=["eu-1", "us-1"]))
    crew.die("e")
    assert len(crew.live(30)) == 3
    crew.join("f", "eu-1")
    assert told(crew.live(10)) == [
        ("slice", "eu-1", "degraded", "healthy"),
        ("environment", "", "degraded", "healthy"),
        ("system", "", "degraded", "healthy"),
    ]
    assert healths(rig)["eu-1"] == ("healthy", False)


def test_after_a_restart_of_everything_each_has_its_time(rig: Rig, crew: Crew) -> None:
    crew.die("e")
    crew.die("u")
    rig.step(3600)
    crew.join("u2", "us-1")
    assert crew.live(14) == [], "its sibling may be on its way"
    crew.join("e2", "eu-1")
    assert crew.live(60) == []


def test_a_region_that_was_never_served(rig: Rig, crew: Crew) -> None:
    rig.apply(environments=["production"], regions=["eu-1", "us-1", "ap-1"])
    assert crew.live(14) == []
    assert [t.cause for t in crew.live(5)] == ["unobservable: no worker has served region ap-1 yet"] * 3
    assert healths(rig)["ap-1"] == ("degraded", True)
    assert [(r.name, r.served) for r in rig.hands.regions()] == [("ap-1", False), ("eu-1", True), ("us-1", True)]
    rig.apply(environments=["production"], regions=["eu-1", "us-1"])
    assert [r.name for r in rig.hands.regions()] == ["eu-1", "us-1"]


def test_slices_without_a_region_need_a_worker_too(rig: Rig, crew: Crew) -> None:
    rig.apply(environments=["production"])
    found = crew.live(20)
    assert {t.cause for t in found} == {"unobservable: no worker has served slices without a region yet"}


def test_without_any_worker_nothing_is_marked(rig: Rig) -> None:
    rig.apply()
    rig.step(3600)
    assert {(s.health, s.unseen) for s in rig.hands.states()} == {("healthy", None)}
    assert [(r.name, r.served) for r in rig.hands.regions()] == [("", False)]


def test_the_clock_may_jump(rig: Rig, crew: Crew) -> None:
    rig.step(86_400)
    assert crew.live(30) == []
    rig.step(-86_400)
    rig.hands.mend_clock()
    assert crew.live(30) == []
    crew.die("e")
    assert len(crew.live(20)) == 3


def test_what_is_paused_is_not_marked(rig: Rig, crew: Crew) -> None:
    rig.hands.pause([(rig.key(), "eu-1")], actor="ops", reason="moving")
    crew.die("e")
    assert crew.live(60) == []
    rig.hands.resume([(rig.key(), "eu-1")])
    assert len(crew.live(5)) == 3


def test_a_run_by_hand_counts_but_does_not_end_it(rig: Rig, crew: Crew) -> None:
    """Somebody ran it once; still nobody will look tomorrow."""
    claim = rig.claim(regions=["us-1"])[0] if crew.live(30) == [] else None
    assert claim is not None
    crew.die("e")
    crew.live(60)
    for n in range(5):
        by_hand = replace(rig.run(claim, "unhealthy"), region="eu-1", slot=rig.at + n)
        rig.hands.record([by_hand])
    assert healths(rig)["eu-1"] == ("unhealthy", True)
    rig.hands.record([replace(by_hand, outcome="healthy", slot=rig.at + 9)])
    assert healths(rig)["eu-1"] == ("degraded", True)


def test_many_slices_are_marked_in_parts(rig: Rig) -> None:
    rig.apply(systems=[f"s{n}" for n in range(10)], regions=["eu-1"])
    crew = Crew(rig)
    crew.join("u", "us-1")
    for _ in range(15):
        assert crew.live(1) == []
    rig.step(1)
    sizes = []
    while found := rig.hands.observe(ALIVE, limit=8):
        sizes.append(sum(t.scope == "slice" for t in found))
    assert sizes == [8, 8, 4]


def test_of_many_workers_one_tells_it(rig: Rig, crew: Crew) -> None:
    crew.die("e")
    crew.live(12)
    rig.step(6)
    assert [len(rig.more().observe(ALIVE)) for _ in range(4)] == [3, 0, 0, 0]


def test_finished_after_it_was_marked(rig: Rig, crew: Crew) -> None:
    """A run in flight while its worker was cut off from the store."""
    crew.live(30)
    (claim,) = rig.claim(regions=["eu-1"], lease=600.0)
    crew.die("e")
    assert len(crew.live(60)) == 3
    assert told(rig.hands.finish([Finished(claim, rig.run(claim), "")]))[0] == ("slice", "eu-1", "degraded", "healthy")
    assert len(crew.live(5)) == 3, "still nobody is there"
