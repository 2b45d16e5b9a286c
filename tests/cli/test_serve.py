"""``gitops serve``: a process that takes webhooks until it is told to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.store.open import open_to_read
from tests.servers.hooks import Hooks, read_all, standard

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo

Served = tuple[Hooks, Hooks, "subprocess.Popen[str]"]
"""What takes webhooks, what tells counts, and the process."""
BODY = b'{"version": "1.2"}'


@pytest.fixture
def listening(shop: Repo, kit: Kit, gitops: Gitops) -> Repo:
    """With an automation that listens."""
    trigger = {"event": "webhook@1", "config": {"hook": "deploy", "token": "${{ secrets.DEPLOY }}"}}
    log = {"action": "log@1", "config": {"message": "hello"}}
    shop.put("automations.yaml", kit.document("Automation", "on-deploy", {"triggers": [trigger], "actions": [log]}))
    shop.commit()
    assert gitops("apply").code == 0
    return shop


@pytest.fixture
def served(listening: Repo) -> Iterator[Served]:
    with serving(listening) as found:
        yield found


@contextmanager
def serving(listening: Repo) -> Iterator[Served]:
    """A process that serves."""
    command = [sys.executable, "-m", "reconciler", "serve", "-C", str(listening.path), "--format", "json"]
    process = subprocess.Popen(
        [*command, "--webhooks", "127.0.0.1:0", "--metrics", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "GITOPS_SECRET_DEPLOY": "open-sesame"},
    )
    try:
        assert process.stdout is not None
        began = json.loads(process.stdout.readline())
        assert (began["event"], began["hooks"]) == ("listening", 1)
        yield Hooks(began["url"], []), Hooks(began["metrics"], []), process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_serves_until_a_signal(served: Served, listening: Repo, number: signal.Signals, code: int) -> None:
    hooks, metrics, process = served
    assert hooks.send("deploy", BODY, standard("open-sesame", BODY)).status == 202
    assert hooks.send("deploy", BODY, standard("guess", BODY)).status == 401
    with metrics.raw(b"GET /metrics HTTP/1.1\r\n\r\n") as connection:
        counted = read_all(connection).decode()
    assert 'gitops_webhooks_answered_total{status="202"} 1\n' in counted
    assert 'gitops_webhooks_answered_total{status="401"} 1\n' in counted
    with hooks.raw(b"POST /hooks/deploy HTTP/1.1\r\n"):  # one that never ends doesn't hold up the end
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (code, "")
    told = [json.loads(line) for line in out.splitlines()]
    assert [(t["event"], t.get("requests"), t.get("taken")) for t in told] == [
        ("came", None, None),
        ("refused", 1, None),
        ("ended", None, 1),
    ]
    assert "open-sesame" not in out
    with closing(open_to_read(str(listening.path / ".gitops" / "store.db"))) as store:
        rows: list[Any] = store.db.rows("select name, context_key, actor from event")
    assert rows == [("webhook", "deploy", "webhook from 127.0.0.1")]


def test_what_was_answered_outlives_a_kill(listening: Repo) -> None:
    """Senders send again what they got no answer for; in the end each is there once."""
    ids = [f"msg-{n}" for n in range(60)]
    answered: set[str] = set()
    for round in range(4):
        with serving(listening) as (hooks, _, process):
            for n, id in enumerate(i for i in ids if i not in answered):
                if n == 12 and round < 3:
                    threading.Timer(0.02, process.kill).start()
                try:
                    status = hooks.send("deploy", BODY, standard("open-sesame", BODY, id)).status
                except (OSError, HTTPException):
                    break
                assert status in (200, 202)
                answered.add(id)
    assert len(answered) == len(ids)
    with closing(open_to_read(str(listening.path / ".gitops" / "store.db"))) as store:
        rows: list[Any] = store.db.rows("select payload from event")
    assert sorted(json.loads(payload)["id"] for (payload,) in rows) == sorted(ids)


def test_what_cant_be_served(listening: Repo, gitops: Gitops) -> None:
    assert gitops("serve").code == 2
    assert gitops("serve", "--webhooks", "here").code == 2
    taken = gitops("serve", "--webhooks", "203.0.113.1:80")
    assert (taken.code, taken.out) == (1, "")
    assert "webhooks can't be served on 203.0.113.1:80" in taken.err
    nothing = gitops("serve", "--webhooks", "127.0.0.1:0", "--store", "elsewhere/s.db")
    assert nothing.code == 1
    assert "gitops apply makes it" in nothing.err


def test_without_the_library_it_says_what_to_install(
    listening: Repo, gitops: Gitops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.flows.webhooks.find_spec", lambda name: None)
    told = gitops("serve", "--webhooks", "127.0.0.1:0")
    assert told.code == 1
    assert "pip install 'gitops-reconciler[webhooks]'" in told.err
