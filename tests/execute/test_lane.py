"""The slots: limits that hold whatever happens, everybody's turn, and the scene that the lane is for."""

from __future__ import annotations

import heapq
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from reconciler.execute.lane import PATIENCE, Entry, Slots, Told
from reconciler.execute.pacing import NEW, Pace

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["offer", "end", "wait", "yield"]),
        st.integers(0, 11),
        st.tuples(st.booleans(), st.booleans(), st.booleans()),
    ),
    max_size=120,
)


@given(ACTIONS, st.integers(1, 5), st.integers(1, 3), st.integers(0, 3))
def test_limits_hold_and_nobody_is_lost(
    actions: list[tuple[str, int, tuple[bool, bool, bool]]], size: int, lane: int, line: int
) -> None:
    slots: Slots[int] = Slots(size, lane=lane, line=line)
    now, running, waiting, in_lane = 0.0, dict[int, Entry[int]](), set[int](), set[int]()

    def obey(told: Told[int]) -> None:
        for start in told.start:
            assert start.key not in running
            running[start.key] = entries[start.key]
            waiting.discard(start.key)
            if start.in_lane:
                in_lane.add(start.key)
        for key, reason in told.deferred:
            if reason != "in_flight":
                assert key not in running
                waiting.discard(key)

    entries: dict[int, Entry[int]] = {}
    for action, key, flags in actions:
        told: Told[int] = Told()
        if action == "offer":
            entry = Entry(key, *flags)
            there = key in running or key in waiting
            if not there:
                entries[key] = entry
                waiting.add(key)
            slots.offer(entry, now, told)
            assert there == (bool(told.deferred) and told.deferred[0] == (key, "in_flight"))
        elif action == "end" and (key in running or key in waiting):
            running.pop(key, None)
            waiting.discard(key)
            in_lane.discard(key)
            slots.ended(key, now, told)
        elif action == "wait":
            now += 0.1
        else:
            for stopped in slots.give_way(now):
                entry = running.pop(stopped)
                assert entry.unproven
                assert entry.repeatable
                assert stopped not in in_lane, "in the lane a run has its whole time"
                waiting.add(stopped)
                slots.stopped(stopped, now, told)
        obey(told)
        assert len(running) == slots.running <= size
        assert len(in_lane) == slots.in_lane <= min(lane, size)
        assert len(waiting) == slots.waiting <= 3 * line
        assert all((k in slots) == (k in running or k in waiting) for k in range(12))
        assert not waiting or len(running) == size or len(in_lane) == slots.lane, (
            "no slot is idle while somebody could use it"
        )


def test_whoever_needs_the_lane_takes_no_more_than_the_lane() -> None:
    slots: Slots[int] = Slots(8, line=1)
    told: Told[int] = Told()
    for key in range(6):
        slots.offer(Entry(key, needs_lane=True), 0.0, told)
    assert [s.key for s in told.start] == [0, 1]
    assert all(s.in_lane for s in told.start)
    assert told.deferred == [(3, "lane_full"), (4, "lane_full"), (5, "lane_full")]
    assert slots.waiting == 1
    assert slots.room == 7, "the others don't notice"


def test_each_gets_its_turn_in_the_lane() -> None:
    """Forty black holes ask at every tick, in the same order; nobody has a second turn before all had the first."""
    slots: Slots[int] = Slots(8, line=2)
    told: Told[int] = Told()
    turns: list[int] = []
    for tick in range(200):
        for key in range(40):
            if key not in slots:
                slots.offer(Entry(key, needs_lane=True), float(tick), told)
        started = [s.key for s in told.start]
        turns += started
        told = Told()
        if tick % 3 == 2:
            for key in turns[-2:]:
                slots.ended(key, tick + 0.5, told)
    counts = Counter(turns)
    assert set(counts) == set(range(40))
    assert max(counts.values()) - min(counts.values()) <= 1


def test_unproven_runs_give_way_only_to_others_and_only_when_old() -> None:
    slots: Slots[str] = Slots(2, lane=1, line=2)
    told: Told[str] = Told()
    slots.offer(Entry("a", unproven=True), 0.0, told)
    slots.offer(Entry("b", unproven=True), 0.1, told)
    assert slots.give_way(9.0) == [], "nobody waits"
    assert slots.patience_ends() is None
    slots.offer(Entry("c"), 0.2, told)
    assert slots.patience_ends() == PATIENCE
    assert slots.give_way(0.2) == []
    assert slots.give_way(0.3) == ["a"], "as many as wait"
    told = Told()
    slots.stopped("a", 0.3, told)
    assert [(s.key, s.in_lane) for s in told.start] == [("a", True)], "the lane was free: it begins again there"
    assert slots.give_way(0.4) == ["b"]
    told = Told()
    slots.stopped("b", 0.4, told)
    assert [(s.key, s.in_lane) for s in told.start] == [("c", False)]
    assert slots.waiting == 1


def test_what_cant_be_repeated_is_never_stopped_and_begins_in_the_lane_when_slots_run_short() -> None:
    slots: Slots[int] = Slots(4, line=4)
    told: Told[int] = Told()
    for key in range(5):
        slots.offer(Entry(key, unproven=True, repeatable=False), 0.0, told)
    assert [(s.key, s.in_lane) for s in told.start] == [(0, False), (1, False), (2, False), (3, True)]
    slots.offer(Entry(9), 0.0, told)
    assert slots.give_way(60.0) == []
    assert slots.waiting_keys() == [9, 4]
    told = Told()
    slots.ended(0, 1.0, told)
    assert told.start == [(9, False)], "who is proven comes first where slots are short"
    told = Told()
    for key in (1, 9):
        slots.ended(key, 1.0, told)
    assert told.start == [(4, False)], "half of the slots are free again: it needs no lane"


def scene(
    slots: Slots[int], *, seconds: float, every: float, holes: int, healthy: int, repeatable: bool = True
) -> dict[str, float]:
    """Slices with phases spread over their interval; black holes take 5 s, the others 4 ms. Time is a number."""
    total, timeout, took = holes + healthy, 5000.0, 4.0
    events: list[tuple[float, int, str, int]] = []
    order = 0

    def at(when: float, what: str, key: int) -> None:
        nonlocal order
        order += 1
        heapq.heappush(events, (when, order, what, key))

    paces: dict[int, Pace] = {}
    begun: dict[int, float] = {}
    counts: Counter[str] = Counter()
    due: dict[int, float] = {}
    late: list[float] = []
    for key in range(total):
        at(key * 7 % total / total * every, "due", key)
    while events and events[0][0] < seconds:
        now, _, what, key = heapq.heappop(events)
        told: Told[int] = Told()
        if what == "due":
            at(now + every, "due", key)
            if key not in slots:
                pace = paces.get(key, NEW)
                due[key] = now
                slots.offer(Entry(key, pace.needs_lane, pace.unproven, repeatable), now, told)
        elif (
            what == "end"
            and begun.get(key, -1.0) >= 0
            and now >= begun[key] + _length(key, holes, paces, took, timeout)
        ):
            limit = paces.get(key, NEW).timeout_ms(timeout)
            hole = key < holes
            paces[key] = paces.get(key, NEW).after(healthy=not hole, took_ms=limit if hole else took, timeout_ms=limit)
            counts["black" if hole else "healthy"] += 1
            begun[key] = -1.0
            slots.ended(key, now, told)
        for stopped in slots.give_way(now):
            paces[stopped] = paces.get(stopped, NEW).giving_way()
            counts["stopped"] += 1
            begun[stopped] = -1.0
            slots.stopped(stopped, now, told)
        for start in told.start:
            begun[start.key] = now
            if start.key >= holes:
                late.append(now - due[start.key])
            at(now + _length(start.key, holes, paces, took, timeout), "end", start.key)
        counts["deferred"] += len(told.deferred)
        patience = slots.patience_ends()
        if patience is not None:
            at(max(patience, now + 0.001), "look", -1)
    late.sort()
    return {**counts, "late": late[int(len(late) * 0.99)], "waiting": slots.waiting}


def _length(key: int, holes: int, paces: dict[int, Pace], took: float, timeout: float) -> float:
    return (paces.get(key, NEW).timeout_ms(timeout) if key < holes else took) / 1000


def test_black_holes_dont_stop_the_healthy_majority() -> None:
    found = scene(Slots(10), seconds=35, every=2, holes=48, healthy=192)
    assert found["healthy"] >= 3200, found
    assert found["black"] >= 10, found


def test_nor_do_they_where_runs_cant_be_repeated() -> None:
    found = scene(Slots(10), seconds=60, every=2, holes=48, healthy=192, repeatable=False)
    assert found["healthy"] >= 3200, found
    assert found["black"] >= 10, found


def test_patience_grows_with_what_runs_take_here() -> None:
    slots: Slots[int] = Slots(4, line=9)
    told: Told[int] = Told()
    assert slots.patience == PATIENCE
    for key in range(200):
        slots.offer(Entry(key, unproven=True), float(key), told)
        slots.ended(key, key + 0.2, told)
    assert 0.7 < slots.patience < 0.85
    for key in range(200):
        slots.offer(Entry(key, needs_lane=True), float(key), told)
        slots.ended(key, key + 30.0, told)
    assert slots.patience < 0.85, "what the lane takes doesn't count"


def test_who_waits_can_be_listed() -> None:
    slots: Slots[int] = Slots(1, line=2, lane_line=2)
    told: Told[int] = Told()
    for key in range(3):
        slots.offer(Entry(key), 0.0, told)
        slots.offer(Entry(10 + key, needs_lane=True), 0.0, told)
    assert slots.waiting_keys() == [1, 2, 10, 11]
    assert told.deferred == [(12, "lane_full")]
