"""Dead letters: listed, shown without secrets, sent again by hand under the old key, as the account is by then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.automate.port import Again, NotDone
from reconciler.base.errors import GitopsError
from reconciler.flows.acting.replay import Replayed, replay_by_hand
from reconciler.store.sql_automation_start import end
from tests.servers.acting import Acting
from tests.servers.http import Site

CONFIG = {"method": "PUT", "retry": {"attempts": 1}, "headers": [{"name": "X-Key", "valueFrom": {"secret": "KEY"}}]}


@pytest.fixture
def dead(acting: Acting, web: Site) -> int:
    """A delivery that was refused once and given up."""
    acting.declare("webhook")
    acting.environ["GITOPS_SECRET_KEY"] = "hidden-value"
    web.planned = [503]
    assert isinstance(acting.perform("webhook", {**CONFIG, "url": f"{web.base}/planned"}), NotDone)
    return acting.deliveries()[0].id


def again(acting: Acting, *ids: int, environ: Mapping[str, str] | None = None) -> list[Replayed]:
    return replay_by_hand(acting.store, acting.environ if environ is None else environ, ids)


def test_a_dead_letter_is_sent_again_under_its_key(acting: Acting, web: Site, dead: int) -> None:
    [done] = again(acting, dead)
    assert done.error is None
    assert (done.delivery.status, done.delivery.attempts) == ("delivered", 2)
    first, second = web.asked
    assert second.header("Idempotency-Key") == first.header("Idempotency-Key") == "run-7.actions-0"
    assert json.loads(second.body) == acting.payload
    assert (second.body, second.header("X-Key")) == (first.body, "hidden-value")
    assert "hidden" not in repr(done)


def test_one_that_fails_again_stays_dead(acting: Acting, web: Site, dead: int) -> None:
    web.planned = [500]
    [done] = again(acting, dead)
    assert done.error == "the receiver answered 500 Internal Server Error"
    assert (done.delivery.status, done.delivery.error) == ("dead", done.error)


@pytest.mark.parametrize(("permissions", "said"), [(("notify",), "may not run webhook")])
def test_it_is_sent_as_the_account_is_by_then(
    acting: Acting, web: Site, dead: int, permissions: tuple[str, ...], said: str
) -> None:
    acting.declare(*permissions)
    [done] = again(acting, dead)
    assert said in str(done.error)
    assert len(web.asked) == 1


def test_without_its_automation_or_its_secret_nothing_is_sent(acting: Acting, web: Site, dead: int) -> None:
    [done] = again(acting, dead, environ={})
    assert "the secret KEY isn't there" in str(done.error)
    acting.executing.db.run("update delivery set automation = 999")
    [done] = again(acting, dead)
    assert done.error == "the automation #999 isn't there any more"
    assert (len(web.asked), done.delivery.status) == (1, "dead")


def test_only_dead_letters_are_sent_again(acting: Acting, web: Site, dead: int) -> None:
    with pytest.raises(GitopsError, match="there is no delivery 77"):
        again(acting, dead, 77)
    assert len(web.asked) == 1, "nothing is sent before all of them are known"
    assert again(acting, dead)[0].error is None
    with pytest.raises(GitopsError, match="was delivered, and isn't sent again"):
        again(acting, dead)
    web.planned = [503]
    config = {**CONFIG, "url": f"{web.base}/planned", "retry": {"attempts": 3}}
    assert isinstance(acting.perform("webhook", config, key="another-key"), Again)
    with pytest.raises(GitopsError, match="is still being tried by run 7"):
        again(acting, acting.deliveries()[0].id)


def test_what_a_run_that_ended_did_not_send_is_a_dead_letter(acting: Acting, web: Site, dead: int) -> None:
    web.planned = [503]
    config: dict[str, Any] = {**CONFIG, "url": f"{web.base}/planned", "retry": {"attempts": 3}}
    acting.perform("webhook", config, key="another-key")
    with acting.executing.db.transaction():
        end(acting.executing.db, 7, "cancelled", None, acting.at)
    [row, _] = acting.deliveries()
    assert (row.status, row.next_at, row.error) == ("dead", None, "the receiver answered 503 Service Unavailable")
    assert again(acting, row.id)[0].error is None
