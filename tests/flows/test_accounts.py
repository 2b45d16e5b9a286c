"""What the account of an automation may do, as a plan tells it: at the line of the action, and once it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reconciler.base.diagnostics import Diagnostic
from reconciler.flows.check_changed import check
from reconciler.flows.rollback import plan_rollback
from reconciler.flows.settings import Settings
from reconciler.model.plan import Action
from reconciler.source.delta import TreeDelta
from reconciler.store.sql_writer import SqlStore

if TYPE_CHECKING:
    from tests.conftest import Kit

AUTOMATION = """\
apiVersion: gitops/v2
kind: Automation
metadata: {name: react}
spec:
  runAs: oncall
  triggers: [{event: incident.created}]
  actions:
    - action: log@1
      config: {message: hello}
    - choose:
        - when: "true"
          sequence:
            - parallel:
                - - action: webhook@1
                    config: {url: "https://a.example"}
    - id: open
      action: incident.create@1
      config: {title: x, systems: ["{{ trigger.payload.systemId }}", shop]}
"""


def account(kit: Kit, *permissions: str, systems: tuple[str, ...] = ()) -> dict[str, Any]:
    spec: dict[str, Any] = {"permissions": list(permissions)}
    return kit.document("ServiceAccount", "oncall", {**spec, "systems": list(systems)} if systems else spec)


def files(kit: Kit, *permissions: str, systems: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"a.yaml": AUTOMATION, "oncall.yaml": account(kit, *permissions, systems=systems), **kit.shop()}


def said(found: list[Diagnostic] | tuple[Diagnostic, ...]) -> list[tuple[str, str]]:
    return [(d.code, str(d.place)) for d in found]


def test_a_missing_permission_stands_at_the_line_of_the_action(kit: Kit, memory: SqlStore) -> None:
    found = kit.faults(memory, files(kit, "notify"))
    assert said(found) == [("permission-missing", "a.yaml:14:29"), ("permission-missing", "a.yaml:17:15")]
    assert found[0].message == "the account oncall may not run webhook (its permissions: notify)"


@pytest.mark.parametrize("permissions", [("webhook", "incident.*"), ("*",), ("web*", "incident.create")])
def test_enough_permissions_are_no_fault(kit: Kit, memory: SqlStore, permissions: tuple[str, ...]) -> None:
    if permissions[0] == "web*":
        [fault] = kit.faults(memory, files(kit, *permissions))
        assert fault.code == "bad-format", "a star stands for whole parts of a name"
        return
    assert kit.plan(memory, files(kit, *permissions)).warnings == ()


def test_a_system_beyond_the_accounts_stands_where_it_is_named(kit: Kit, memory: SqlStore) -> None:
    found = kit.faults(memory, files(kit, "*", systems=("orders-*",)))
    assert said(found) == [("system-not-permitted", "a.yaml:18:70")]
    assert found[0].message == "the account oncall may not touch shop (its systems: orders-*)"
    kit.plan(memory, files(kit, "*", systems=("sh*",)))


def test_an_account_that_is_narrowed_is_told_by_automations_that_did_not_change(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, files(kit, "*"))
    found = kit.faults(memory, files(kit, "incident.*"))
    assert said(found) == [("permission-missing", "a.yaml:14:29")]


@pytest.mark.parametrize("before", ["*", "webhook", None])
def test_what_changed_finds_automations_of_an_account(kit: Kit, before: str | None) -> None:
    """``--only-changed`` where only the account differs, or is new, or is gone."""
    narrow = files(kit, "incident.*")
    old = {name: text for name, text in files(kit, before or "*").items() if before or name != "oncall.yaml"}
    found = check(TreeDelta(kit.files(old), kit.files(narrow)), Settings(), name="shop").diagnostics
    assert said(found) == [("permission-missing", "a.yaml:14:29")]
    gone = {name: text for name, text in narrow.items() if name != "oncall.yaml"}
    found = check(TreeDelta(kit.files(narrow), kit.files(gone)), Settings(), name="shop").diagnostics
    assert said(found) == [("unresolved-reference", "a.yaml:5:10")]


def test_going_back_is_not_refused_for_what_an_account_may_no_longer_do(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"oncall.yaml": account(kit, "*"), **kit.shop()}, source="base")
    first = kit.apply(memory, {"a.yaml": AUTOMATION}, source="team").generation
    kit.apply(memory, {"a.yaml": AUTOMATION.replace("hello", "changed")}, source="team")
    kit.apply(memory, {"oncall.yaml": account(kit, "incident.*"), **kit.shop()}, source="base")
    plan = plan_rollback(memory, first, "team")
    assert [(d.code, d.severity) for d in plan.warnings] == [("permission-missing", "warning")]
    assert [(str(c.key), c.action.value) for c in plan.resources if c.action is not Action.KEEP] == [
        ("Automation react", "update")
    ]


def test_documents_of_version_1_are_warned(kit: Kit, memory: SqlStore) -> None:
    old = """\
    apiVersion: checkstack.io/v1alpha1
    kind: Automation
    metadata:
      name: old
      labels: {run-as: oncall}
    spec:
      triggers:
        - event: incident.created
      actions:
        - action: automation.log
          config: {message: hello}
        - action: webhook
          config: {url: "https://a.example"}
    """
    quiet = {"old.yaml": old, "oncall.yaml": account(kit, "notify"), **kit.shop()}
    plan = kit.plan(memory, quiet)
    assert [(d.code, d.severity, str(d.place)) for d in plan.warnings] == [
        ("permission-missing", "warning", "old.yaml:12:15")
    ]
    kit.apply(memory, quiet)
    assert kit.plan(memory, {**quiet, "oncall.yaml": account(kit, "webhook")}).warnings == ()


def test_an_account_of_another_source_lends_what_is_granted(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"oncall.yaml": account(kit, "webhook", "incident.*"), **kit.shop()}, source="base")
    team = {"a.yaml": AUTOMATION}
    kit.plan(memory, team, source="team")
    memory.grant("team", "permission", "webhook", actor="tester")
    memory.grant("team", "permission", "incident.create", actor="tester")
    [fault] = kit.faults(memory, team, source="team")
    assert said([fault]) == [("account-not-granted", "a.yaml:5:10")]
    assert fault.message == (
        "source team may not bind the account oncall of source base: its permissions incident.* aren't granted"
    )
    memory.grant("team", "permission", "incident.*", actor="tester")
    kit.apply(memory, team, source="team")
    memory.revoke("team", "permission", "webhook")
    assert said(kit.faults(memory, team, source="team")) == [("account-not-granted", "a.yaml:5:10")]


def test_secrets_of_actions_are_bounded_by_grants(kit: Kit, memory: SqlStore) -> None:
    memory.grant("shop", "permission", "*", actor="tester")
    memory.grant("shop", "secret", "TEAM_*", actor="tester")
    text = AUTOMATION.replace('{url: "https://a.example"}', '{url: "${{ secrets.OPS_HOOK }}"}')
    [fault] = kit.faults(memory, {**files(kit, "*"), "a.yaml": text})
    assert said([fault]) == [("secret-not-granted", "a.yaml:15:35")]
    kit.plan(memory, {**files(kit, "*"), "a.yaml": text.replace("OPS_HOOK", "TEAM_HOOK")})
