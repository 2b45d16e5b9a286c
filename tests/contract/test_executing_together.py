"""Many that work on one PostgreSQL store at the very same moment: what one connection at a time can't show."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.base.errors import StoreError
from reconciler.model.run import Outcome
from reconciler.store.executing import Claim, Finished
from reconciler.store.open import open_executing
from reconciler.store.pg_executing import PgExecuting
from reconciler.store.roles import Roles, grants

if TYPE_CHECKING:
    from tests.contract.conftest import Rig

pytestmark = pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)

HOUR, DAY = 3600.0, 86_400.0


def at_once(*calls: Callable[[], object]) -> None:
    """All of them in threads of their own; the first error comes out."""
    errors: list[BaseException] = []
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        try:
            gate.wait(10)
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def others(rig: Rig, count: int) -> list[PgExecuting]:
    return [hands for hands in (rig.more() for _ in range(count)) if isinstance(hands, PgExecuting)]


@pytest.mark.parametrize("seed", range(3))
def test_each_change_of_a_system_is_told_once_although_all_finish_together(rig: Rig, seed: int) -> None:
    """Each sees how many fail as of before; were that not so, transitions would be missing, or there twice."""
    chance = random.Random(seed)
    rig.apply(systems=["a", "b"], checks=[f"c{n}" for n in range(8)], thresholds={"degraded": 1, "unhealthy": 2})
    workers = others(rig, 4)
    for _ in range(8):
        rig.step(30)
        bad: Outcome = chance.choice(["healthy", "unhealthy", "degraded"])
        batches: list[list[Finished]] = []
        for n, hands in enumerate(workers):
            claims = hands.claim(f"w{n}", 8, lease=10.0)
            batches.append([Finished(c, rig.run(c, bad if chance.random() < 0.8 else "healthy"), "") for c in claims])
        assert sum(map(len, batches)) == 32
        at_once(*(lambda h=h, b=b: h.finish(b) for h, b in zip(workers, batches, strict=True)))
    known: dict[tuple[str, object, str], str] = {}
    seen = rig.hands.transitions(limit=10_000)
    assert len(seen) > 50
    for told in seen:
        of = (told.scope, told.key, told.region)
        assert (known.get(of, "healthy"), told.was != told.now) == (told.was, True)
        known[of] = told.now
    healths = Counter(s.health for s in rig.hands.states())
    assert Counter(now for (scope, *_), now in known.items() if scope == "slice" and now != "healthy") == Counter(
        {health: n for health, n in healths.items() if health != "healthy"}
    )


def test_the_numbers_of_transitions_are_in_the_order_in_which_they_come_into_sight(rig: Rig) -> None:
    rig.apply(systems=["a", "b"], environments=["production"], thresholds={"degraded": 1, "unhealthy": 9})
    rig.step(30)
    one, other = rig.claim()
    first, second = others(rig, 2)
    with first.db.transaction():
        first.put_down([(rig.run(one, "unhealthy"), None)])
        late = threading.Thread(target=second.finish, args=([Finished(other, rig.run(other, "unhealthy"), "")],))
        late.start()
        late.join(0.3)
        assert late.is_alive(), "it waits, lest its numbers are seen before smaller ones"
        assert rig.hands.transitions() == []
    late.join(10)
    assert len(rig.hands.transitions()) == 6


def test_who_follows_the_runs_misses_none_that_is_committed_late(rig: Rig) -> None:
    rig.apply(systems=["a", "b"], environments=["production"])
    rig.step(30)
    one, other = rig.claim()
    slow, quick = others(rig, 2)
    with slow.db.transaction():
        slow.put_down([(rig.run(one), None)])
        quick.finish([Finished(other, rig.run(other), "")])
        position, runs = rig.hands.runs_after(0)
        assert (position, runs, rig.hands.position()) == (0, [], 0), "an earlier one may still come"
    position, runs = rig.hands.runs_after(0)
    assert {r.key for r in runs} == {one.key, other.key}
    assert rig.hands.runs_after(position) == (position, [])


def test_what_is_recorded_while_its_hour_is_settled_is_counted(rig: Rig) -> None:
    rig.apply(environments=["production"])
    rig.step(30)
    (claim,) = rig.claim()
    rig.step(2 * HOUR)
    slow, keeper = others(rig, 2)
    with slow.db.transaction():
        slow.put_down([(rig.run(claim), None)])
        settling = threading.Thread(target=lambda: [keeper.condense() for _ in range(5)])
        settling.start()
        settling.join(0.3)
        assert settling.is_alive(), "it waits until the run is in sight"
    settling.join(10)
    assert sum(a.healthy for a in rig.hands.aggregates(claim.key, span="hour")) == 1


def test_one_of_many_brings_the_schedule_up_to_a_generation(rig: Rig) -> None:
    rig.apply(systems=["a"])
    rig.kit.apply(rig.store, rig.kit.shop(), force=True)
    workers = others(rig, 4)
    done: list[object] = []
    at_once(*(lambda h=h: done.append(h.reconcile()) for h in workers))
    assert len([d for d in done if d is not None]) == 1
    assert {s.key for s in rig.hands.states()} == set(rig.store.slice_digests())


def test_slices_end_while_their_results_come_in(rig: Rig) -> None:
    names = [f"s{n}" for n in range(20)]
    rig.apply(systems=names)
    workers = others(rig, 3)
    for kept in (["production"], ["production", "staging"], ["staging"]):
        rig.step(30)
        claims = [hands.claim(f"w{n}", 14, lease=10.0) for n, hands in enumerate(workers)]

        def finish(hands: PgExecuting, mine: list[Claim]) -> None:
            for claim in mine:
                hands.finish([Finished(claim, rig.run(claim, "unhealthy"), "")])

        at_once(
            partial(rig.apply, systems=names, environments=kept),
            *(lambda h=h, c=c: finish(h, c) for h, c in zip(workers, claims, strict=True)),
        )
    assert len(list(rig.hands.states())) == 20
    assert rig.sql("select count(*) from pgqueuer") == [(0,)]


# -- days --------------------------------------------------------------------------------------------------------------


def test_days_have_tables_of_their_own_that_go_as_a_whole(rig: Rig) -> None:
    rig.apply(environments=["production"], checks=["long", "short"])
    (long, short) = (rig.key(check=name) for name in ("long", "short"))
    tables = "select count(*) from pg_inherits where inhparent = 'run'::regclass"
    before = rig.sql(tables)[0][0]
    hands = rig.hands
    assert isinstance(hands, PgExecuting)
    hands.register("w", host="h", pid=1, info={})
    assert rig.sql(tables) == [(before + 4,)], "yesterday, today and two more"
    rig.sql("""update keeping set retention = '{"raw":86400000}' where "check" = ?""", short.check)
    for _ in range(10):
        rig.step(DAY)
        hands.prune()
        rig.tick()
    rig.step(2 * HOUR)
    while hands.condense():
        pass
    while hands.prune():
        pass
    assert rig.sql("select count(*) from run_rest") == [(0,)]
    kept = {key: len(hands.runs(key, limit=100)) for key in (long, short)}
    assert kept[long] in (7, 8)
    assert kept[short] in (1, 2)
    rig.step(10 * DAY)
    while hands.condense():
        pass
    while hands.prune():
        pass
    assert hands.runs(long) == []
    assert rig.sql(tables)[0][0] <= 6


def test_an_odd_run_has_a_place_too_and_goes_in_time(rig: Rig) -> None:
    rig.apply(environments=["production"])
    rig.hands.register("w", host="h", pid=1, info={})
    rig.step(30)
    (claim,) = rig.claim()
    old = rig.run(claim._replace(slot=rig.at - 40 * DAY))
    rig.hands.record([old])
    assert rig.sql("select count(*) from run_rest") == [(1,)]
    rig.step(2 * HOUR)
    while rig.hands.condense():
        pass
    while rig.hands.prune():
        pass
    assert rig.hands.runs(claim.key) == []


def test_an_index_finds_each_run(rig: Rig) -> None:
    """Whatever is asked of a slice reads its own rows, in each of the days."""
    rig.hands.register("w", host="h", pid=1, info={})
    with psycopg.connect(rig.path, autocommit=True) as db:
        db.execute("set enable_seqscan = off")
        for sql in (
            'select * from run where system = 1 and "check" = 1 and environment = 1 order by slot desc limit 20',
            "select * from run where late = 1 order by id limit 5",
            "select tx from run where tx > 5 order by tx limit 5",
        ):
            plan = "\n".join(row[0] for row in db.execute("explain " + sql).fetchall())
            assert "Index Scan" in plan or "Index Only Scan" in plan
            assert "Seq Scan" not in plan


# -- rights ------------------------------------------------------------------------------------------------------------


def test_a_worker_does_all_of_its_work_with_the_rights_of_its_role(rig: Rig) -> None:
    rig.apply(systems=["a", "b"], thresholds={"degraded": 1, "unhealthy": 2})
    for statement in grants(Roles()):
        rig.sql(statement)
    hands = open_executing(rig.path.replace("postgres@", "gitops_worker@"))
    hands.db.tell_time(lambda: rig.at)
    with closing(hands):
        assert hands.listen() is not None
        rig.kit.apply(rig.store, rig.kit.shop(), force=True)
        assert hands.reconcile() is not None
        hands.register("w", host="h", pid=1, info={"regions": [""]})
        for _ in range(3):
            rig.step(30.5)
            claims = hands.claim("w", 100, lease=10.0)
            hands.renew(claims, lease=10.0)
            hands.give_back(claims[:1], again=True)
            assert hands.finish([Finished(c, rig.run(c, "unhealthy"), "") for c in claims[1:]]) is not None
            hands.beat("w")
            hands.observe(15.0)
        rig.step(30.5)
        crashed = hands.claim("w", 100, lease=10.0)
        rig.step(10.5)
        assert len(hands.claim("x", 100, lease=10.0)) == len(crashed) > 0
        hands.mend_clock()
        hands.pause([(crashed[0].key, "")], actor="me", reason="why", until=rig.at + 1)
        rig.step(2 * DAY)
        assert hands.resume_expired() == 1
        while hands.condense():
            pass
        while hands.prune():
            pass
        hands.leave("w")


def test_rows_of_a_worker_that_falls_silent_amid_a_transaction_are_let_go(rig: Rig) -> None:
    """Its host is cut off, say: the server hears nothing, not even an end."""
    rig.apply(systems=["a"])
    rig.step(60)
    silent, other = others(rig, 2)
    claims = silent.claim("one", 1000, lease=0.3)
    places = [(claim.key, claim.region, "paced") for claim in claims]
    assert places
    stalled = silent.db.transaction()
    stalled.__enter__()
    silent.db.run("update schedule set pace = 'lost'")
    other.set_paces(places)
    assert rig.sql("select distinct pace from schedule") == [("paced",)]
    with pytest.raises(StoreError):
        stalled.__exit__(None, None, None)
