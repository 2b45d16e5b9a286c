"""Many slices once: in order, so many at a time and no more, kept in batches; whatever a body holds."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.flows.executor import make_executor
from reconciler.flows.once import Choice, Target, run_all, targets
from reconciler.store.open import open_executing, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.flows.runs import Told
    from tests.conftest import Kit


class Busy:
    """A server that takes a moment, and counts how many it serves at once."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.url = ""


@pytest.fixture
def busy() -> Iterator[Busy]:
    state = Busy()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with state.lock:
                state.now += 1
                state.most = max(state.most, state.now)
            time.sleep(0.01 + 0.02 * (hash(self.path) % 3))
            with state.lock:
                state.now -= 1
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # else the kernel lets those who come together wait a second
        daemon_threads = False

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def many(store_path: Path, kit: Kit, busy: Busy) -> str:
    """The address of a store with 130 slices of one system in ten environments."""
    store = open_store(str(store_path))
    environments = [kit.environment(f"e{i}") for i in range(10)]
    checks = [kit.check(f"c{i:02}", f"{busy.url}/{{{{ environment.id }}}}/{i}") for i in range(13)]
    names = [f"c{i:02}" for i in range(13)]
    system = kit.system("shop", [f"e{i}" for i in range(10)], names)
    kit.apply(store, {"all.yaml": [*environments, *checks, system]})
    store.close()
    return str(store_path)


def ran(address: str, chosen: Sequence[Target] | None = None, *, concurrency: int = 10) -> list[Told]:
    """What came of running them with the store's hands."""
    reader, hands = open_store(address), open_executing(address)
    told: list[Told] = []
    try:
        hands.reconcile()
        run_all(
            targets(reader, Choice()) if chosen is None else chosen,
            lambda: make_executor(reader, os.environ),
            told.append,
            recorder=hands,
            concurrency=concurrency,
        )
        assert len(hands.runs_after(0)[1]) == len(told)
    finally:
        hands.close()
        reader.close()
    return told


def test_so_many_at_once_in_order_and_all_are_kept(many: str, busy: Busy) -> None:
    told = ran(many, concurrency=7)
    assert len(told) == 130
    assert [t.name.order for t in told] == sorted(t.name.order for t in told)
    assert {t.run.outcome for t in told} == {"healthy"}
    assert all(t.kept for t in told)
    assert 2 <= busy.most <= 7


def test_what_ended_before_a_failure_is_kept(many: str) -> None:
    reader, hands = open_store(many), open_executing(many)
    told: list[Told] = []

    def fail(run: Told) -> None:
        told.append(run)
        if len(told) == 20:
            raise RuntimeError("whoever shows them fails")

    try:
        hands.reconcile()
        with pytest.raises(RuntimeError):
            run_all(targets(reader, Choice()), lambda: make_executor(reader, os.environ), fail, recorder=hands)
        kept = hands.runs_after(0)[1]
    finally:
        hands.close()
        reader.close()
    assert 20 <= len(kept) <= 40


def test_a_body_that_somebody_wrote_by_hand_is_degraded(many: str) -> None:
    ran(many)
    with sqlite3.connect(many) as db:
        db.execute("delete from run")
        db.execute("""update slice set body = '{"check": 7}'""")
    db.close()
    told = ran(many)
    assert {t.run.outcome for t in told} == {"degraded"}
    assert "the body of the slice can't be read" in (told[0].run.reason or "")
