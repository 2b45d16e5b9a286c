"""What automations cost a worker: ``python -m tests.bench.automations --help``.

A worker of its own process judges so many changes of health a minute by so many automations, each of which looks at
every change and acts on those of one system. Told is how much of one core the worker took, and how long it was from a
change to the first action that it led to. ``--idle`` tells what a worker takes to which nothing happens.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from reconciler.model.run import Outcome, Run
from reconciler.model.slice import SliceKey
from reconciler.store.open import open_database, open_executing
from reconciler.store.sql_automating import SqlAutomating
from reconciler.store.sql_executing import SqlExecuting
from tests.conftest import Kit
from tests.servers.sources import Source
from tests.servers.worker_process import worker_process

_TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def declare(store: Source, systems: int, automations: int) -> None:
    """Systems that are never checked while this goes on, and the automations."""
    for i in range(systems):
        store.check(f"s{i}", "http://127.0.0.1:9/", interval="1d")
    for i in range(automations):
        wanted = f"trigger.payload.systemId == 's{i % systems}' and not trigger.payload.environmentId"
        actions = [{"action": "log@1", "config": {"message": "{{ trigger.payload.systemId }}"}}] * 2
        spec: dict[str, Any] = {
            "triggers": [{"event": "healthcheck.system_health_changed", "filter": wanted}],
            "actions": actions,
            "mode": "parallel",
            "maxRuns": 1000,
        }
        store.documents[f"a{i}.yaml"] = store.kit.document("Automation", f"a{i}", spec)
    store.apply()


def change(hands: SqlExecuting, key: SliceKey, n: int) -> None:
    """A run that turns the health of a system over."""
    outcome: Outcome = "unhealthy" if n % 2 else "healthy"
    at = time.time()
    reason = None if outcome == "healthy" else "no answer"
    hands.record([Run(key, "", round(at, 3), at, 5.0, outcome, reason, 1, "d", "bench", {"collectors": []})])


def measure(seconds: float, rate: float, systems: int, automations: int, *, idle: bool) -> None:
    """Measure, and tell."""
    with tempfile.TemporaryDirectory() as folder:
        store = Source(Kit(), Path(folder) / "store.db")
        declare(store, systems, automations)
        with worker_process(store.path) as worker, closing(open_executing(str(store.path))) as hands:
            keys = sorted({state.key for state in hands.states()})
            worker.wait_for("scripts")
            time.sleep(2.0)
            began, took = time.monotonic(), cpu(worker.process.pid)
            n = 0
            while (gone := time.monotonic() - began) < seconds:
                if not idle and n < gone * rate / 60:
                    change(hands, keys[n % len(keys)], n // len(keys) + 1)
                    n += 1
                else:
                    time.sleep(0.005)
            share = (cpu(worker.process.pid) - took) / (time.monotonic() - began)
            print(f"{n} changes in {seconds:.0f} s, {automations} automations: {share:.1%} of one core")
            if not idle:
                tell_lateness(str(store.path))


def tell_lateness(address: str) -> None:
    """From each change to the first action that it led to."""
    with closing(SqlAutomating(open_database(address))) as seen:
        deadline = time.monotonic() + 30
        while seen.counts() or seen.look().happened:
            assert time.monotonic() < deadline, seen.counts()
            time.sleep(0.1)
        sql = (
            "select r.detail, s.at from automation_run r join automation_step s on s.run = r.id "
            "where s.seq = (select min(seq) from automation_step where run = r.id)"
        )
        from reconciler.base.canonical import loads

        late = sorted(at - loads(detail)["at"] for detail, at in seen.db.rows(sql))
        skipped = len(seen.runs(status=["skipped"], limit=100_000))
        p = {q: late[min(len(late) - 1, int(len(late) * q))] for q in (0.5, 0.99)}
        told = seen.db.rows("select count(*) from transition where scope = 'system'")[0][0]
        found = f"p50 {p[0.5]:.3f} s, p99 {p[0.99]:.3f} s, most {late[-1]:.3f} s"
        print(f"{len(late)} runs by {told} changes of systems ({skipped} skipped): {found}")


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=1000.0, help="changes a minute")
    parser.add_argument("--systems", type=int, default=100)
    parser.add_argument("--automations", type=int, default=200)
    parser.add_argument("--idle", action="store_true")
    given = parser.parse_args()
    measure(given.seconds, given.rate, given.systems, given.automations, idle=given.idle)


if __name__ == "__main__":
    main()
