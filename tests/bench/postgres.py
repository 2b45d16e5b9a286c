"""Many workers on PostgreSQL, whose checks do nothing. ``python -m tests.bench.postgres --help``.

The server shares the cores with the workers. What was done is read from the store, what it cost from the kernel.
Figures stand beside their aims; nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.store_postgres import StorePostgres

_TICKS = os.sysconf("SC_CLK_TCK")
_CHECKS = 100
"""Of each system."""


@dataclass(frozen=True)
class Figure:
    """One row: what was measured, and what it should be."""

    what: str
    found: str
    aim: str = ""


class World:
    """A store on a server of its own, with so many slices."""

    def __init__(self, server: StorePostgres, address: str, folder: Path, slices: int, interval: str) -> None:
        self.server, self.address, self.folder = server, address, folder
        self.database = address.rpartition("?")[0].rpartition("/")[2]
        self.slices, self.interval = slices, interval
        self.write()

    def write(self, *, port: int = 9) -> None:
        """The documents; ``port`` is that of the first check, which each system has."""
        head, check = "apiVersion: gitops/v2\nkind: {}\nmetadata: {{name: {}}}\nspec: ", "{{interval: {}, {}}}\n---\n"
        part = "strategy: {{type: tcp@1, config: {{host: 127.0.0.1, port: {}}}}}"
        systems = max(1, self.slices // _CHECKS)
        names = [f"c{n}" for n in range(min(_CHECKS, self.slices))]
        ports = [port, *[9] * (len(names) - 1)]
        text = [
            head.format("Check", n) + check.format(self.interval, part.format(p))
            for n, p in zip(names, ports, strict=True)
        ]
        members = ", ".join(f"{{check: {n}}}" for n in names)
        text += [head.format("System", f"s{at}") + f"{{checks: [{members}]}}\n---\n" for at in range(systems)]
        (self.folder / "all.yaml").write_text("".join(text))

    def apply(self, *options: str) -> float:
        """Seconds."""
        began = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "reconciler",
            "apply",
            "--yes",
            "--quiet",
            "--worktree",
            "-C",
            str(self.folder),
        ]
        subprocess.run([*command, "--store", self.address, "--source", "bench", *options], check=True)
        return time.monotonic() - began

    @contextmanager
    def workers(
        self, count: int, *options: str, profile: Path | None = None
    ) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Running ones, ended in good order."""
        command = [
            sys.executable,
            "-m",
            "tests.bench.idle_worker",
            "worker",
            "--store",
            self.address,
            "-C",
            self.folder,
        ]
        made = []
        for n in range(count):
            how = dict(os.environ)
            if profile is not None and n == 0:
                how["BENCH_PROFILE"] = str(profile)
            made.append(subprocess.Popen([*map(str, command), *options], stdout=subprocess.DEVNULL, env=how))
        try:
            yield made
        finally:
            for process in made:
                process.send_signal(signal.SIGTERM)
            for process in made:
                process.wait(60)

    def sql(self, text: str) -> list[tuple[object, ...]]:
        """Past the store."""
        return self.server.sql(text, database=self.database)

    def server_cpu(self) -> float:
        """Seconds of the server and all its processes so far, those that ended included."""
        (pid,) = [int((self.server.data / "postmaster.pid").read_text().split()[0])]
        return cpu(pid) + sum(cpu(child) for child in children(pid))


def cpu(pid: int) -> float:
    """Seconds of a process, and of its children that it waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(fields[n]) for n in (11, 12, 13, 14)) / _TICKS


def children(pid: int) -> list[int]:
    """Its processes."""
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def world(slices: int, interval: str) -> Iterator[World]:
    """On a server that waits for its disk, as it comes but for its memory."""
    with (
        StorePostgres(safe=True, shared_buffers="256MB", max_wal_size="2GB", autovacuum_naptime="15s") as server,
        server.database() as address,
        tempfile.TemporaryDirectory() as folder,
    ):
        yield World(server, address, Path(folder), slices, interval)


def sustained(slices: int, interval: int, seconds: int, workers: int) -> Iterator[Figure]:
    """Everything is due once an interval."""
    profile = Path(os.environ["PROFILE"]) if "PROFILE" in os.environ else None
    with world(slices, f"{interval}s") as here:
        yield Figure("apply", f"{here.apply():.1f} s")
        with here.workers(workers, profile=profile) as running:
            time.sleep(min(30, interval))  # the first ticks come while the workers still start
            ((since,),) = here.sql("select extract(epoch from clock_timestamp())::float8")
            began, used = time.monotonic(), [cpu(p.pid) for p in running]
            server = here.server_cpu()
            time.sleep(seconds)
            took = time.monotonic() - began
            used = [(cpu(p.pid) - u) / took for p, u in zip(running, used, strict=True)]
            server = (here.server_cpu() - server) / took
        ((runs, p50, p95, p99, most),) = here.sql(
            "select count(*), percentile_cont(0.5) within group (order by at - slot), "
            "percentile_cont(0.95) within group (order by at - slot), "
            f"percentile_cont(0.99) within group (order by at - slot), max(at - slot) from run where at >= {since}"
        )
        assert isinstance(runs, int)
        yield Figure("runs a second", f"{runs / took:.0f}", f"{slices / interval:.0f}")
        yield Figure("lateness p50/p95/p99/max", f"{p50:.3f} / {p95:.3f} / {p99:.3f} / {most:.3f} s", "p95 < 1 s")
        yield Figure("CPU of each worker", " ".join(f"{u:.0%}" for u in used))
        yield Figure("CPU of the server", f"{server:.0%}", "of 2 cores, all together")
        ((size,),) = here.sql("select sum(pg_total_relation_size(c.oid)) / 1e6 from pg_class c where relname ~ '^run_'")
        yield Figure("disk of runs", f"{size:.0f} MB", f"{float(str(size)) * 1e6 / max(1, runs):.0f} bytes a run")


def ceiling(slices: int, interval: int, seconds: int, workers: int) -> Iterator[Figure]:
    """More is due than can be done."""
    yield from sustained(slices, interval, seconds, workers)


def applying(slices: int) -> Iterator[Figure]:
    """All of it, then a hundredth; beyond planning, which is warm at its second time."""
    with world(slices, "60s") as here:
        here.apply("--dry-run")
        plan = here.apply("--dry-run")
        whole = here.apply()
        yield Figure(f"apply of {slices}", f"{whole - plan:.2f} s beyond a plan of {plan:.2f}", "< 2.5 s at 50,000")
        here.write(port=10)
        plan = here.apply("--dry-run")
        yield Figure("a hundredth changed", f"{here.apply() - plan:.2f} s beyond a plan of {plan:.2f}", "< 0.3 s")


def idle(workers: int, seconds: int) -> Iterator[Figure]:
    """Workers with nothing to do, but for one slice that runs rarely."""
    with world(1, "1h") as here:
        here.apply()
        with here.workers(workers):
            while True:
                ((there,),) = here.sql("select count(*) from worker")
                if there == workers:
                    break
                time.sleep(0.5)
            time.sleep(5)
            began, server = time.monotonic(), here.server_cpu()
            time.sleep(seconds)
            share = (here.server_cpu() - server) / (time.monotonic() - began)
        yield Figure(f"CPU of the server, {workers} idle workers", f"{share:.1%} of a core", "< 5 %")


def main() -> None:
    """Read the command line, print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.postgres")
    parser.add_argument("scene", choices=("sustained", "ceiling", "apply", "idle"))
    parser.add_argument("--slices", type=int, default=None)
    parser.add_argument("--interval", type=int, default=None, help="seconds")
    parser.add_argument("--seconds", type=int, default=None)
    parser.add_argument("--workers", type=int, default=None)
    said = parser.parse_args()
    if said.scene == "apply":
        figures = applying(said.slices or 50_000)
    elif said.scene == "idle":
        figures = idle(said.workers or 50, said.seconds or 60)
    else:
        usual = (100_000, 60, 300) if said.scene == "sustained" else (100_000, 10, 60)
        made = sustained if said.scene == "sustained" else ceiling
        slices, interval, seconds = (said.slices or usual[0], said.interval or usual[1], said.seconds or usual[2])
        figures = made(slices, interval, seconds, said.workers or 2)
    for figure in figures:
        sys.stdout.write(f"{figure.what:<40} {figure.found:<50} {figure.aim}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
