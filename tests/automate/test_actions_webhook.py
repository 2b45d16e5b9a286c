"""``webhook``: what is sent and signed, what is tried again, what isn't sent twice, what it can't be made to do."""

from __future__ import annotations

import base64
import hmac
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from reconciler.automate.port import Again, Done, NotDone
from tests.servers.acting import START, Acting
from tests.servers.ca import Authority
from tests.servers.http import Site, site
from tests.servers.peers import closed_port


@pytest.fixture(autouse=True)
def _declared(acting: Acting) -> None:
    acting.declare("webhook")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_webhook_sends_any_method(acting: Acting, web: Site, method: str) -> None:
    config = {"url": f"{web.base}/echo", "method": method, "headers": [{"name": "X-Source", "value": "gitops"}]}
    done = acting.perform("webhook", {**config, "body": "shop is down"} if method != "GET" else config)
    assert isinstance(done, Done)
    assert done.result["status"] == 200
    [asked] = web.asked
    assert (asked.method, asked.header("X-Source")) == (method, "gitops")
    assert asked.body == (b"shop is down" if method != "GET" else b"")
    assert asked.header("Idempotency-Key") == asked.header("webhook-id") == "run-7.actions-0"
    assert asked.header("webhook-timestamp") == str(int(START))
    assert asked.header("webhook-signature") is None


def test_webhook_without_a_body_sends_what_the_trigger_told(acting: Acting, web: Site) -> None:
    acting.perform("webhook", {"url": f"{web.base}/json"})
    assert json.loads(web.asked[0].body) == acting.payload
    assert web.asked[0].header("Content-Type") == "application/json"


@pytest.mark.parametrize(("secret", "key"), [("plain words", b"plain words"), ("whsec_c2lnbmluZw==", b"signing")])
def test_webhook_signs_id_time_and_body(acting: Acting, web: Site, secret: str, key: bytes) -> None:
    acting.environ["GITOPS_SECRET_SIGNING"] = secret
    config = {"url": f"{web.base}/json", "signingSecret": "${{ secrets.SIGNING }}", "body": '{"down": "shöp"}'}
    headers = [{"name": "Webhook-Id", "value": "forged"}]
    acting.perform("webhook", {**config, "headers": headers})
    [asked] = web.asked
    assert [v for n, v in asked.headers if n.lower() == "webhook-id"] == ["run-7.actions-0"]
    signed = f"run-7.actions-0.{int(START)}.".encode() + asked.body
    expected = base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()
    assert asked.header("webhook-signature") == f"v1,{expected}"


def test_a_signing_secret_that_is_none_is_told(acting: Acting, web: Site) -> None:
    acting.environ["GITOPS_SECRET_SIGNING"] = "whsec_???"
    done = acting.perform("webhook", {"url": f"{web.base}/json", "signingSecret": "${{ secrets.SIGNING }}"})
    assert isinstance(done, NotDone)
    assert done.error == "signingSecret begins with whsec_, and what follows isn't base64"
    assert web.asked == []


def test_no_secret_is_left_behind(acting: Acting, web: Site) -> None:
    acting.environ |= {
        "GITOPS_SECRET_HOOK": f"{web.base}/echo/T0000/hidden-part-of-the-path?token=hidden-token",
        "GITOPS_SECRET_KEY": "hidden-header-value",
    }
    config = {
        "url": "${{ secrets.HOOK }}",
        "headers": [{"name": "X-Key", "valueFrom": {"secret": "KEY"}}],
        "body": "shop is down, and a template spelled hidden-header-value",
    }
    done = acting.perform("webhook", config)
    assert isinstance(done, Done)
    assert web.asked[0].header("X-Key") == "hidden-header-value"
    [row] = acting.deliveries()
    assert (row.status, row.target) == ("delivered", "POST ${{ secrets.HOOK }}")
    assert row.request["headers"] == [{"name": "X-Key", "valueFrom": {"secret": "KEY"}}]
    kept = repr((done, acting.deliveries()))
    assert "hidden" not in kept
    assert "****" in kept


def test_a_missing_secret_is_told_before_anything_is_sent(acting: Acting, web: Site) -> None:
    done = acting.perform("webhook", {"url": "${{ secrets.NOBODYS }}"})
    assert isinstance(done, NotDone)
    assert "the secret NOBODYS isn't there" in done.error
    assert (web.asked, acting.deliveries()) == ([], [])


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_may_pass_is_tried_again(acting: Acting, web: Site, status: int) -> None:
    web.planned = [status, status]
    config = {"url": f"{web.base}/planned", "retry": {"attempts": 4, "delay": "10s", "maxDelay": "15s"}}
    first, second, third = (acting.perform("webhook", config, attempt=n) for n in (1, 2, 3))
    assert isinstance(first, Again)
    assert isinstance(second, Again)
    assert f"the receiver answered {status}" in first.error
    assert 7.5 <= first.after <= 10
    assert 11.25 <= second.after <= 15, "twice as long, and never beyond maxDelay"
    assert isinstance(third, Done)
    [row] = acting.deliveries()
    assert (row.status, row.attempts, row.next_at, row.error) == ("delivered", 3, None, None)
    assert {asked.header("Idempotency-Key") for asked in web.asked} == {"run-7.actions-0"}


def test_the_wait_is_the_same_for_the_same_attempt_and_another_for_another_key(acting: Acting, web: Site) -> None:
    from reconciler.flows.acting.backoff import wait

    config = {"retry": {"attempts": 5, "delay": 1000, "maxDelay": 600_000}}
    assert [wait(config, "a", n) for n in (1, 2, 3)] == [wait(config, "a", n) for n in (1, 2, 3)]
    assert wait(config, "a", 1) != wait(config, "b", 1)
    assert all(0.75 * 2 ** (n - 1) <= wait(config, "a", n) <= 2 ** (n - 1) for n in range(1, 8))
    assert wait(config, "a", 500) <= 600


@pytest.mark.parametrize(("asked_for", "after"), [("120", 120), ("Tue,_01_Jan_2030_00:00:00_GMT", 86_400), ("soon", 0)])
def test_what_the_receiver_asks_for_is_waited_for(acting: Acting, web: Site, asked_for: str, after: float) -> None:
    done = acting.perform("webhook", {"url": f"{web.base}/later/{asked_for}", "retry": {"delay": "1s"}})
    assert isinstance(done, Again)
    assert done.after == after or (after == 0 and 0.75 <= done.after <= 1)
    assert acting.deliveries()[0].next_at == pytest.approx(START + done.after)


def test_after_the_last_attempt_it_is_a_dead_letter(acting: Acting, web: Site) -> None:
    config = {"url": f"{web.base}/status/503", "retry": {"attempts": 2, "delay": "1s"}}
    assert isinstance(acting.perform("webhook", config), Again)
    done = acting.perform("webhook", config, attempt=2)
    assert isinstance(done, NotDone)
    assert done.error == "the receiver answered 503 Service Unavailable (after 2 attempts)"
    [row] = acting.deliveries()
    assert (row.status, row.attempts, row.response["status"]) == ("dead", 2, 503)
    assert done.result["delivery"] == row.id
    assert acting.perform("webhook", config, attempt=2) == NotDone(done.error, {"body": "", "status": 503})
    assert len(web.asked) == 2, "what was given up isn't sent by its run again"


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_what_will_not_pass_is_not_tried_again(acting: Acting, web: Site, status: int) -> None:
    done = acting.perform("webhook", {"url": f"{web.base}/status/{status}"})
    assert isinstance(done, NotDone)
    assert f"the receiver answered {status}" in done.error
    assert acting.deliveries()[0].status == "dead"


def test_a_target_that_is_away_is_tried_again(acting: Acting) -> None:
    done = acting.perform("webhook", {"url": f"http://127.0.0.1:{closed_port()}/"})
    assert isinstance(done, Again)
    assert "can't connect to 127.0.0.1" in done.error
    assert acting.deliveries()[0].status == "pending"


def test_one_that_gives_no_answer_is_tried_again(acting: Acting, web: Site) -> None:
    done = acting.perform("webhook", {"url": f"{web.base}/hang", "timeout": "150ms"})
    assert isinstance(done, Again)
    assert "no answer from 127.0.0.1" in done.error


def test_what_was_delivered_is_not_sent_again_by_a_run_that_lost_its_worker(acting: Acting, web: Site) -> None:
    config = {"url": f"{web.base}/echo", "body": "once"}
    first = acting.perform("webhook", config)
    assert isinstance(first, Done)
    assert acting.perform("webhook", config) == first
    assert len(web.asked) == 1


def test_a_worker_killed_between_sending_and_writing_down_sends_the_same_key_again(acting: Acting, web: Site) -> None:
    class Killed(BaseException):
        pass

    def die() -> None:
        if web.asked:
            raise Killed

    acting.before_asking = die
    config = {"url": f"{web.base}/json"}
    with pytest.raises(Killed):
        acting.perform("webhook", config)
    acting.before_asking = None
    assert acting.deliveries()[0].status == "pending"
    assert isinstance(acting.perform("webhook", config), Done)
    assert [asked.header("Idempotency-Key") for asked in web.asked] == ["run-7.actions-0"] * 2
    assert acting.deliveries()[0].attempts == 2


@pytest.mark.parametrize("value", ["one\r\nX-Evil: two", "one\nX-Evil: two", "one\rX-Evil: two"])
def test_a_rendered_header_can_not_add_others(acting: Acting, web: Site, value: str) -> None:
    done = acting.perform("webhook", {"url": f"{web.base}/json", "headers": [{"name": "X-A", "value": value}]})
    assert isinstance(done, NotDone)
    assert "holds a line break" in done.error
    assert web.asked == []


def test_the_url_is_not_rendered(acting: Acting) -> None:
    """A payload can't lead a request elsewhere: what looks like a template is no URL."""
    from reconciler.kinds.checks import CHECKS
    from reconciler.kinds.loaded import load
    from reconciler.kinds.marks import Runtime
    from reconciler.kinds.shape import marked
    from reconciler.kinds.table import ACTIONS

    places = dict(marked(load(ACTIONS["webhook"]).model))
    assert not any(isinstance(mark, Runtime) for mark in places[("url",)])
    with pytest.raises(ValueError, match="templates aren't rendered in this one"):
        CHECKS["url"]("https://example.net/{{ trigger.payload.x }}")


def test_a_rendered_text_that_spells_a_secret_stays_text(acting: Acting, web: Site) -> None:
    acting.environ["GITOPS_SECRET_KEY"] = "hidden-value"
    acting.perform("webhook", {"url": f"{web.base}/json", "body": "${{ secrets.KEY }}"})
    assert web.asked[0].body == b"${{ secrets.KEY }}"


def test_an_address_that_is_denied_is_not_connected_to(acting: Acting, web: Site) -> None:
    acting.deny = ("127.0.0.0/8",)
    done = acting.perform("webhook", {"url": f"{web.base}/json"})
    assert isinstance(done, NotDone), "it won't be another address the next time"
    assert "may not be connected to" in done.error
    assert web.asked == []


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_to_a_denied_address_is_not_followed(acting: Acting, web: Site, status: int) -> None:
    to = "http://169.254.169.254/latest/meta-data"
    done = acting.perform("webhook", {"url": f"{web.base}/redirect/{status}?to={to}"})
    assert isinstance(done, NotDone)
    assert "the address 169.254.169.254 may not be connected to" in done.error


def test_a_redirect_takes_body_along_or_is_not_followed(acting: Acting, web: Site) -> None:
    done = acting.perform("webhook", {"url": f"{web.base}/redirect/307?to=/echo", "body": "whole"})
    assert isinstance(done, Done)
    assert web.asked[1].body == b"whole"
    lost = acting.perform("webhook", {"url": f"{web.base}/redirect/302?to=/echo", "body": "whole"}, key="another-key")
    assert isinstance(lost, NotDone)
    assert "a redirect that can't be followed" in lost.error


def test_a_redirect_to_another_origin_goes_without_secrets(acting: Acting, web: Site) -> None:
    acting.environ["GITOPS_SECRET_KEY"] = "hidden-value"
    headers = [{"name": "X-Key", "valueFrom": {"secret": "KEY"}}]
    to = f"http://localhost:{web.port}/echo"
    acting.perform("webhook", {"url": f"{web.base}/redirect/307?to={to}", "headers": headers})
    assert [asked.header("X-Key") for asked in web.asked] == ["hidden-value", None]


@pytest.mark.parametrize("path", ["flood", "bomb", "loop"])
def test_an_answer_without_end_is_cut(acting: Acting, web: Site, path: str) -> None:
    method = {"method": "GET"} if path == "loop" else {}
    done: Any = acting.perform("webhook", {"url": f"{web.base}/{path}", "timeout": "20s", **method})
    assert len(json.dumps(done.result)) < 5_000
    if path == "loop":
        assert isinstance(done, Again)
        assert "redirects more than 5 times" in done.error
        assert len(web.asked) == 6


def test_an_authority_of_ones_own_is_trusted_where_it_is_named(acting: Acting, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    with site(cert=authority.issue(["127.0.0.1"])) as secure:
        found = acting.perform("webhook", {"url": f"{secure.base}/json"})
        assert isinstance(found, Again), "a certificate may be mended meanwhile"
        assert "isn't trusted" in found.error
        config = {"url": f"{secure.base}/json", "caCert": authority.ca_text}
        assert isinstance(acting.perform("webhook", config, key="another-key"), Done)


def test_a_key_that_can_not_stand_in_a_header_is_sent_as_its_digest(acting: Acting, web: Site) -> None:
    for _ in range(2):
        acting.perform("webhook", {"url": f"{web.base}/status/500"}, key="run 7/actions[0].é")
    keys = {asked.header("webhook-id") for asked in web.asked}
    assert len(keys) == 1
    assert all(key is not None and key.isalnum() for key in keys)
