"""Actions within whole walks: waits between attempts by the clock, what later blocks read, workers that get lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.automate.port import Doing, Event, Performed, Progress, Started, Wait, Walked
from reconciler.automate.walk import walk
from reconciler.flows.acting.perform import perform
from tests.servers.acting import EVENT, Acting
from tests.servers.forge import TOKEN, forging
from tests.servers.http import Site


class Killed(BaseException):
    """The worker is gone."""


class Run:
    """A run of some actions: what is kept of it, and a walk as a worker would go on with it."""

    def __init__(self, acting: Acting, *actions: dict[str, Any]) -> None:
        self._acting, self._actions = acting, list(actions)
        self.snapshot: bytes | None = None
        self.waits: tuple[Wait, ...] = ()
        self.steps: dict[str, str] = {}
        self.dies_after: str | None = None
        """The path whose step isn't kept any more when it was done."""

    def walk(self) -> Walked:
        return asyncio.run(self._walk())

    async def _walk(self) -> Walked:
        hands, acting = self._acting.hands(), self._acting
        identity = acting.identity()
        run = self

        class World:
            def now(self) -> float:
                return acting.at

            async def perform(self, doing: Doing) -> Performed:
                return await perform(doing, identity, hands)

            async def save(self, progress: Progress) -> None:
                done = {step.path: step.status for step in progress.steps}
                if run.dies_after is not None and done.get(run.dies_after) == "success":
                    run.dies_after = None
                    raise Killed
                run.steps |= done
                run.snapshot, run.waits = progress.snapshot, tuple(progress.waits)

            def health(self, system: str | None) -> Mapping[str, Any]:
                return {}

            def artifact(self, type: str) -> Mapping[str, Any] | None:
                return None

        started = Started(Event("t-1", EVENT, acting.at, acting.payload, "shop"), None)
        spec = {"triggers": [{"event": EVENT}], "actions": self._actions}
        try:
            return await walk(spec, started, World(), run="7-x", snapshot=self.snapshot, waits=self.waits)
        finally:
            await hands.aclose()


def webhook(acting: Acting, url: str, **more: Any) -> dict[str, Any]:
    """As it is stored: complete."""
    doing = acting.doing("webhook", {"url": url, **more})
    return {"action": doing.action, "config": dict(doing.config)}


@pytest.fixture(autouse=True)
def _declared(acting: Acting) -> None:
    acting.declare("*")


def test_attempts_wait_for_their_time(acting: Acting, web: Site) -> None:
    web.planned = [503, 503]
    run = Run(acting, webhook(acting, f"{web.base}/planned", retry={"delay": "1m", "attempts": 3}))
    assert run.walk().status == "waiting"
    [wait] = run.waits
    assert wait.kind == "retry"
    assert wait.due_at is not None
    assert 45 <= wait.due_at - acting.at <= 60
    acting.at += 44
    assert run.walk().status == "waiting"
    assert len(web.asked) == 1, "it isn't time yet"
    acting.at = wait.due_at
    assert run.walk().status == "waiting"
    acting.at += 120
    assert run.walk().status == "success"
    assert len(web.asked) == 3
    assert len({asked.header("Idempotency-Key") for asked in web.asked}) == 1
    assert acting.deliveries()[0].status == "delivered"


def test_after_the_last_attempt_the_run_has_failed(acting: Acting, web: Site) -> None:
    once = {"attempts": 1}
    run = Run(acting, webhook(acting, f"{web.base}/status/503", retry=once), webhook(acting, f"{web.base}/json"))
    walked = run.walk()
    assert walked.status == "failed"
    assert "the receiver answered 503" in str(walked.reason)
    assert len(web.asked) == 1


def test_what_was_delivered_before_its_worker_was_lost_is_not_sent_again(acting: Acting, web: Site) -> None:
    run = Run(acting, webhook(acting, f"{web.base}/json", body="one"), webhook(acting, f"{web.base}/json", body="two"))
    run.dies_after = "actions[0]"
    with pytest.raises(Killed):
        run.walk()
    assert run.walk().status == "success"
    assert [asked.body for asked in web.asked] == [b"one", b"two"]
    assert web.asked[0].header("Idempotency-Key") != web.asked[1].header("Idempotency-Key")


def test_rounds_of_a_loop_have_keys_of_their_own(acting: Acting, web: Site) -> None:
    round_ = webhook(acting, f"{web.base}/json", body="{{ repeat.index }}")
    run = Run(acting, {"repeat": {"count": 3, "maxIterations": 1000, "sequence": [round_]}})
    assert run.walk().status == "success"
    assert [asked.body for asked in web.asked] == [b"0", b"1", b"2"]
    assert len({asked.header("Idempotency-Key") for asked in web.asked}) == 3


def test_later_blocks_read_what_an_action_left(acting: Acting, web: Site) -> None:
    acting.environ["GITOPS_SECRET_FORGE"] = TOKEN
    with forging() as forge:
        asked = {
            "repository": "a/b",
            "title": "{{ trigger.payload.systemId }} is down",
            "token": "${{ secrets.FORGE }}",
        }
        issue = acting.doing("github.issue", {**asked, "apiUrl": forge.url})
        told = webhook(acting, f"{web.base}/json", body="{{ artifacts.ticket.issue.url }}")
        created = acting.doing("incident.create", {"title": "{{ trigger.payload.systemId }}"})
        run = Run(
            acting,
            {"id": "ticket", "action": issue.action, "config": dict(issue.config)},
            told,
            {"id": "open", "action": created.action, "config": dict(created.config)},
            {"action": "incident.resolve@1", "config": {"incident": "{{ artifacts.open.incident.id }}"}},
        )
        assert run.walk().status == "success", run.steps
        assert forge.issues[0]["title"] == "shop is down"
        assert web.asked[0].body.decode() == forge.issues[0]["html_url"]
    rows = acting.executing.db.rows("select title, status from incident")
    assert rows == [("shop", "resolved")]


def test_a_payload_that_spells_templates_and_secrets_stays_text(acting: Acting, web: Site) -> None:
    acting.environ["GITOPS_SECRET_KEY"] = "hidden-value"
    acting.payload["note"] = "{{ 7 * 7 }} ${{ secrets.KEY }}\r\nX-Evil: yes"
    run = Run(acting, webhook(acting, f"{web.base}/json", body="{{ trigger.payload.note }}"))
    assert run.walk().status == "success"
    assert web.asked[0].body.decode() == acting.payload["note"]
    assert web.asked[0].header("X-Evil") is None
