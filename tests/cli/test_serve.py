"""``gitops serve``: a process that takes webhooks until it is told to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.store.open import open_to_read
from tests.servers.hooks import Hooks, standard

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo

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
def served(listening: Repo) -> Iterator[tuple[Hooks, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "reconciler", "serve", "-C", str(listening.path), "--format", "json"]
    process = subprocess.Popen(
        [*command, "--webhooks", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "GITOPS_SECRET_DEPLOY": "open-sesame"},
    )
    try:
        assert process.stdout is not None
        began = json.loads(process.stdout.readline())
        assert (began["event"], began["hooks"]) == ("listening", 1)
        yield Hooks(began["url"], []), process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_serves_until_a_signal(
    served: tuple[Hooks, subprocess.Popen[str]], listening: Repo, number: signal.Signals, code: int
) -> None:
    hooks, process = served
    assert hooks.send("deploy", BODY, standard("open-sesame", BODY)).status == 202
    assert hooks.send("deploy", BODY, standard("guess", BODY)).status == 401
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
