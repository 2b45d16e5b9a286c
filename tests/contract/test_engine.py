"""What we rely on in the engine, statement by statement; another release of it has to pass before it is allowed."""

from __future__ import annotations

import importlib.metadata
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from reconciler.store.engine import Job
from reconciler.store.grid import place, tick_after
from reconciler.store.pg_engine import PgQueuer, manager, settings
from reconciler.store.pg_executing import PgExecuting
from reconciler.store.postgres import PostgresDatabase

if TYPE_CHECKING:
    from tests.contract.conftest import Rig

pytestmark = pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)


@pytest.fixture
def engine(rig: Rig) -> PgQueuer:
    """Over the connection of the rig's hands, with four slices that are due."""
    assert isinstance(rig.hands, PgExecuting)
    rig.apply(systems=["a", "b"])
    rig.step(30)
    found = rig.hands.engine
    assert isinstance(found, PgQueuer)
    return found


def offered(rig: Rig, engine: PgQueuer, limit: int = 10, worker: str = "w") -> list[int]:
    with rig.hands.db.transaction():
        return [offer.job for offer in engine.offer(worker, [""], limit, lease=10.0)]


def consumed(engine: PgQueuer, limit: int = 10, worker: str = "w", silent: float = 10.0) -> list[Job]:
    return engine.consume(worker, [""], limit, silent=silent)


def queue(rig: Rig) -> list[tuple[object, ...]]:
    return rig.sql("select dedupe_key, status, entrypoint, queue_manager_id from pgqueuer order by id")


@pytest.mark.usefixtures("dialect")
def test_it_is_the_release_that_was_tried() -> None:
    """Read what has changed in its tables and its dequeue statement before another one is let in."""
    assert importlib.metadata.version("pgqueuer").startswith("1.6.")


def test_its_tables_are_there_and_are_what_it_wants(rig: Rig, engine: PgQueuer) -> None:
    plan = engine._queries.plan_upgrade()
    with pytest.raises(StopIteration) as done:
        plan.send(None)
    assert list(done.value.value.statements) == []
    assert rig.sql(
        "select relpersistence from pg_class where relname in ('pgqueuer', 'pgqueuer_log') order by relname"
    ) == [
        ("p",),
        ("u",),
    ], "the queue outlives a crash, its log needn't"
    with rig.hands.db.transaction():
        engine.install()
    assert len(offered(rig, engine)) == 4


def test_names_do_not_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, engine: PgQueuer) -> None:
    monkeypatch.setenv("PGQUEUER_PREFIX", "other_")
    monkeypatch.setenv("PGQUEUER_QUEUE_TABLE", "elsewhere")
    settings.cache_clear()
    assert settings().qualified.queue_table == "pgqueuer"


def test_an_offer_moves_what_is_due_and_nothing_twice(rig: Rig, engine: PgQueuer) -> None:
    dues = {place(s.key, s.region): s.due_at for s in rig.hands.states()}
    assert len(offered(rig, engine, 3)) == 3
    assert len(offered(rig, engine)) == 1
    assert offered(rig, engine) == []
    rows = queue(rig)
    assert [int(str(row[0])) for row in rows] == sorted(dues, key=lambda at: dues[at]), "longest due first"
    assert {row[1:] for row in rows} == {("queued", "run:", None)}
    assert engine.depth([""]) == 4
    for at, slot, due_at, phase_ms in rig.sql("select place, slot, due_at, phase_ms from schedule"):
        assert slot == dues[at]
        assert due_at == tick_after(slot, 30_000, phase_ms)


def test_the_grid_is_the_same_as_everywhere(rig: Rig, engine: PgQueuer) -> None:
    """However late it is, and whatever the interval."""
    for n, (interval_ms, phase_ms) in enumerate([(1000, 0), (30_000, 12_345), (60_000, 59_999), (86_400_000, 77)]):
        rig.sql("update schedule set lease = 0, due_at = 4e9")
        rig.sql("delete from pgqueuer")
        due = tick_after(rig.at - 10_000_000 / (n + 1), interval_ms, phase_ms)
        which = "place = (select min(place) from schedule)"
        rig.sql(
            f"update schedule set interval_ms = ?, phase_ms = ?, due_at = ? where {which}", interval_ms, phase_ms, due
        )
        offered(rig, engine)
        ((slot, due_at),) = rig.sql(f"select slot, due_at from schedule where {which}")
        ms = round(rig.at * 1000)
        assert slot == max(due, (ms - (ms - phase_ms) % interval_ms) / 1000)
        assert due_at == tick_after(slot, interval_ms, phase_ms)


def test_what_is_in_the_queue_is_not_offered_again_even_if_its_row_says_it_is_free(rig: Rig, engine: PgQueuer) -> None:
    offered(rig, engine, 2)
    consumed(engine, 1)
    rig.sql("update schedule set lease = 0, due_at = 1")
    assert len(offered(rig, engine)) == 2
    assert len(queue(rig)) == 4


def test_jobs_are_handed_out_once_oldest_first(rig: Rig, engine: PgQueuer) -> None:
    ids = offered(rig, engine)
    jobs = consumed(engine, 3) + consumed(engine, 3, "other")
    assert [job.id for job in jobs] == ids
    assert sorted(job.place for job in jobs) == sorted(place(s.key, s.region) for s in rig.hands.states())
    assert consumed(engine) == []
    assert engine.depth([""]) == 0
    assert [row[3] for row in queue(rig)] == [manager("w")] * 3 + [manager("other")]
    assert (engine.still(jobs, "w"), engine.still(jobs, "other")) == (set(ids[:3]), {ids[3]})


def test_a_region_is_handed_out_to_those_who_serve_it(rig: Rig, engine: PgQueuer) -> None:
    rig.apply(systems=["a"], environments=["production"], regions=["fra", "iad"])
    rig.step(30)
    with rig.hands.db.transaction():
        assert len(engine.offer("w", ["fra", "iad"], 10, lease=10.0)) == 2
    assert consumed(engine) == []
    assert len(engine.consume("w", ["fra"], 10, silent=10.0)) == 1
    assert (engine.depth(["fra"]), engine.depth(["iad"]), engine.depth(["fra", "iad"])) == (0, 1, 1)


def test_a_silent_workers_jobs_go_to_another(rig: Rig, engine: PgQueuer) -> None:
    offered(rig, engine)
    jobs = consumed(engine)
    rig.step(10)
    assert not engine.waiting([""], silent=10.0)
    rig.step(0.1)
    assert engine.waiting([""], silent=10.0)
    assert not engine.waiting(["fra"], silent=10.0)
    assert consumed(engine, 10, "other") == jobs
    assert not engine.waiting([""], silent=10.0)


def test_only_who_has_the_lease_can_hold_a_job(rig: Rig, engine: PgQueuer) -> None:
    ids = offered(rig, engine)
    jobs = consumed(engine)
    held = [(job.place, job.id) for job in jobs]
    rig.step(9)
    assert engine.hold([*held[:2], (held[2][0], 99_999)]) == set(ids[:2])
    rig.step(2)
    assert {job.id for job in consumed(engine, 10, "other")} == set(ids[2:]), "those two were not heard of"
    assert engine.hold(held) == set(ids[:2]), "the others are with somebody else, whatever their rows still say"
    assert engine.hold([]) == set()


def test_what_is_dropped_can_be_offered_again(rig: Rig, engine: PgQueuer) -> None:
    offered(rig, engine)
    jobs = consumed(engine, 3)
    with rig.hands.db.transaction():
        engine.drop([job.place for job in jobs[:2]])
        engine.drop([])
    assert len(queue(rig)) == 2
    rig.sql("update schedule set lease = 0, due_at = 1")
    assert len(offered(rig, engine)) == 2


def test_after_a_step_back_of_the_clock_nobody_was_heard_of_in_the_future(rig: Rig, engine: PgQueuer) -> None:
    offered(rig, engine)
    consumed(engine)
    rig.step(-3600)
    engine.mend_clock()
    rig.step(10.1)
    assert engine.waiting([""], silent=10.0)


def test_its_log_is_forgotten_every_hour(rig: Rig, engine: PgQueuer) -> None:
    logged = "select count(*) from pgqueuer_log"
    engine.prune()
    offered(rig, engine)
    consumed(engine)
    assert rig.sql(logged) == [(4,)], "one row for each pick; there is none of ours"
    engine.prune()
    assert rig.sql(logged) == [(4,)]
    rig.step(3601)
    engine.prune()
    assert rig.sql(logged) == [(0,)]


def test_nobody_is_notified_of_each_change(rig: Rig, engine: PgQueuer) -> None:
    with closing(PostgresDatabase(rig.path)) as listening:
        listening.listen("ch_pgqueuer")
        offered(rig, engine)
        consumed(engine)
        listening.clock()
        assert listening.heard() == set()


@pytest.fixture
def hands(rig: Rig) -> list[PgExecuting]:
    return [hands for hands in (rig.more() for _ in range(4)) if isinstance(hands, PgExecuting)]


def test_many_at_once_get_each_slice_once(rig: Rig, hands: list[PgExecuting]) -> None:
    rig.apply(systems=[f"s{n}" for n in range(40)], checks=["a", "b"])
    rig.step(30)
    got: list[int] = []

    def take(mine: PgExecuting, name: str) -> None:
        while claims := mine.claim(name, 7, lease=10.0):
            got.extend(place(c.key, c.region) for c in claims)

    threads = [threading.Thread(target=take, args=(mine, f"w{n}")) for n, mine in enumerate(hands)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(set(got)) == 160


def test_a_job_whose_slice_is_gone_ends(rig: Rig, engine: PgQueuer) -> None:
    rig.claim()
    rig.sql("delete from schedule where place = (select min(place) from schedule)")
    rig.step(10.5)
    assert len(rig.hands.claim("other", 10, lease=10.0)) == 3
    assert len(queue(rig)) == 3


def test_an_offer_that_nobody_consumed_is_run_by_the_next(rig: Rig, engine: PgQueuer) -> None:
    """Its worker ended between the two."""
    offered(rig, engine, worker="gone")
    claims = rig.hands.claim("next", 10, lease=10.0)
    assert len(claims) == 4
    rig.finish(claims)
    assert queue(rig) == []
    assert {s.runs for s in rig.hands.states()} == {1}
