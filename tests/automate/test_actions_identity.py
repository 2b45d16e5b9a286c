"""On whose behalf: what an account may do is asked for each action, and nobody else stands in for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.automate.port import Done, NotDone
from reconciler.base.errors import StoreError
from reconciler.flows.acting.permissions import Bounds, covers
from tests.servers.acting import MESSAGE, Acting
from tests.servers.http import Site


def refused(found: object) -> str:
    assert isinstance(found, NotDone), found
    return found.error


@pytest.mark.parametrize("pattern", ["webhook", "*"])
def test_a_permission_lets_an_action_run(acting: Acting, web: Site, pattern: str) -> None:
    acting.declare(pattern)
    assert isinstance(acting.perform("webhook", {"url": f"{web.base}/json"}), Done)


@pytest.mark.parametrize("pattern", ["notify", "web.*", "incident.*"])
def test_no_permission_no_action(acting: Acting, web: Site, pattern: str) -> None:
    acting.declare(pattern)
    said = refused(acting.perform("webhook", {"url": f"{web.base}/json"}))
    assert f"the account oncall may not run webhook (its permissions: {pattern})" in said
    assert web.asked == []
    assert acting.deliveries() == []


def test_without_an_account_only_log_is_done(acting: Acting, web: Site) -> None:
    acting.declare("*")
    nobody = replace(acting.identity(), account=None)
    assert isinstance(acting.perform_as(nobody, "log", MESSAGE), Done)
    said = refused(acting.perform_as(nobody, "webhook", {"url": f"{web.base}/json"}))
    assert said == "react may not run webhook: it acts on behalf of nobody; add runAs with a ServiceAccount"
    assert web.asked == []


def test_an_account_that_is_gone_does_nothing(acting: Acting, web: Site) -> None:
    acting.declare("*")
    before = acting.identity()
    config = {"url": f"{web.base}/json"}
    unknown = replace(before, account="nobody")
    assert "the account nobody, which react runs as, isn't there" in refused(
        acting.perform_as(unknown, "webhook", config)
    )
    kit = acting.kit
    kit.apply(acting.store, {"rest.yaml": kit.environment("production")}, force=True)  # orphans all the others
    assert "the account oncall, which react runs as, isn't there" in refused(
        acting.perform_as(before, "webhook", config)
    )
    assert web.asked == []


def test_an_account_that_was_narrowed_meanwhile_holds_at_once(acting: Acting, web: Site) -> None:
    acting.declare("webhook")
    before, config = acting.identity(), {"url": f"{web.base}/json"}
    assert isinstance(acting.perform_as(before, "webhook", config), Done)
    acting.declare("notify")
    assert "may not run webhook" in refused(acting.perform_as(before, "webhook", {**config, "body": "again"}))


def test_the_operators_grants_hold_at_run_time(acting: Acting, web: Site) -> None:
    acting.declare("webhook", "notify")
    config = {"url": f"{web.base}/json"}
    acting.store.grant("shop", "permission", "notify", actor="tester")
    said = refused(acting.perform("webhook", config))
    assert said == "source shop may not use the permission 'webhook'; an operator grants it with gitops source grant"
    acting.store.grant("shop", "permission", "web*", actor="tester")
    assert isinstance(acting.perform("webhook", config), Done)


@pytest.mark.parametrize(
    ("action", "config"),
    [
        ("incident.create", {"title": "t", "systems": ["shop", "other"]}),
        ("maintenance.start", {"title": "t", "systems": ["other"]}),
        ("maintenance.start", {"title": "t", "systems": ["other::production"]}),
        ("check.run_now", {"system": "other", "check": "ready"}),
        ("check.pause", {"system": "other", "check": "ready"}),
        ("check.resume", {"system": "other", "check": "ready"}),
    ],
)
def test_systems_beyond_the_accounts_are_not_touched(acting: Acting, action: str, config: dict[str, Any]) -> None:
    acting.declare("*", systems=("shop", "sho-*"))
    said = refused(acting.perform(action, config))
    assert said.startswith("the account oncall may not touch other")
    assert said.endswith("(its systems: shop, sho-*)")


def test_systems_of_the_trigger_are_bounded_too(acting: Acting) -> None:
    acting.declare("*", systems=("oth*",))
    assert "may not touch shop" in refused(acting.perform("incident.create", {"title": "t"}))
    acting.payload = {"systemId": "shop", "systemIds": ["other"]}
    assert isinstance(acting.perform("incident.create", {"title": "t"}), Done)
    acting.payload = {}
    assert "names no system" in refused(acting.perform("incident.create", {"title": "t"}, key="other-key"))


def test_an_incident_about_other_systems_is_not_touched(acting: Acting) -> None:
    acting.declare("*")
    made = acting.perform("incident.create", {"title": "t", "systems": ["shop", "other"]}, key="create-it")
    assert isinstance(made, Done)
    window = acting.perform("maintenance.start", {"title": "t", "systems": ["other"]}, key="start-it")
    assert isinstance(window, Done)
    acting.declare("*", systems=("shop",))
    for action, config in (
        ("incident.update", {"incident": made.result["id"], "message": "x"}),
        ("incident.resolve", {"incident": made.result["id"]}),
        ("maintenance.end", {"maintenance": window.result["id"]}),
    ):
        assert "may not touch other" in refused(acting.perform(action, config, key=f"{action}-it"))


def test_a_store_that_is_away_is_not_the_actions_failure(acting: Acting, web: Site) -> None:
    """Whoever walks tries again when the store is back; nobody takes the action for refused."""

    def away() -> None:
        raise StoreError("the store is away")

    acting.declare("*")
    acting.before_asking = away
    for action, config in (("webhook", {"url": f"{web.base}/json"}), ("incident.create", {"title": "t"})):
        with pytest.raises(StoreError):
            acting.perform(action, config)
    assert web.asked == []


def test_an_action_that_nobody_brings_is_told(acting: Acting) -> None:
    acting.declare("*")
    for pin, said in (("teapot@1", "nothing here does teapot"), ("log@7", "this worker does log@1, not log@7")):
        assert said in refused(acting.perform("log", MESSAGE, pin=pin))


@pytest.mark.parametrize(
    ("granted", "wanted", "covered"),
    [
        ("*", "incident.*", True),
        ("incident.*", "incident.create", True),
        ("incident.*", "incident.*", True),
        ("incident.create", "incident.*", False),
        ("incident.*", "*", False),
        ("i*", "incident.*", True),
        ("notify", "webhook", False),
    ],
)
def test_what_a_grant_covers(granted: str, wanted: str, covered: bool) -> None:
    assert covers(granted, wanted) is covered


def test_bounds_without_systems_reach_all() -> None:
    assert Bounds("a", ("*",)).beyond(["x", "y::z"]) == []
    assert Bounds("a", ("*",), ("x",)).beyond(["x", "x::z", "y"]) == ["y"]
