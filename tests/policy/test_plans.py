"""Policies in plans: what a later plan looks at again, and what it may leave alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from reconciler.base.canonical import dumps
from reconciler.base.diagnostics import Diagnostic
from reconciler.flows.settings import Settings
from reconciler.store.sql_writer import SqlStore

Policy = Callable[..., dict[str, Any]]
WARN, STRICT = Settings(policies="recommended"), Settings(policies="strict")


def codes(diagnostics: Any) -> list[str]:
    """The codes of policies, sorted."""
    return sorted(d.code for d in diagnostics if d.code.startswith("policy"))


def owned(kit: Any, **how: Any) -> dict[str, Any]:
    """The shop, with nothing that the recommended rules find but two checks without assertions."""
    shop: dict[str, Any] = kit.shop(**how)
    shop["systems.yaml"][0]["metadata"]["labels"] = {"owner": "me"}
    return shop


def test_warnings_about_documents_are_told_by_every_plan(memory: SqlStore, kit: Any) -> None:
    shop = owned(kit)
    first = kit.apply(memory, shop, settings=WARN).plan
    again = kit.plan(memory, shop, settings=WARN)
    assert codes(first.warnings) == codes(again.warnings) == ["policy/check-without-assertion"] * 2
    assert not again.pending


def test_one_changed_file_is_read_alone(memory: SqlStore, kit: Any, policy: Policy) -> None:
    shop = {**owned(kit), "policies/p.yaml": policy("mine", kinds=["Environment"], must="'url' in spec.fields")}
    kit.apply(memory, shop, settings=WARN)
    shop["environments.yaml"][0]["spec"]["fields"] = {"url": "https://new.example.net"}
    plan = kit.plan(memory, shop, settings=WARN)
    assert plan.reread == 1
    assert codes(plan.warnings) == ["policy/check-without-assertion"] * 2
    shop["environments.yaml"][0]["spec"]["fields"] = {"link": "https://new.example.net", "url2": "x"}
    assert "policy/mine" in codes(kit.faults(memory, shop, settings=WARN))


def test_another_rule_looks_at_everything(memory: SqlStore, kit: Any, policy: Policy) -> None:
    shop = owned(kit)
    kit.apply(memory, shop)
    shop["policies/p.yaml"] = policy("mine", kinds=["Check"], must="metadata.name != 'home'")
    assert [str(d.place) for d in kit.faults(memory, shop)] == ["checks.yaml:3:67"]
    shop["policies/p.yaml"] = policy("mine", kinds=["Check"], must="metadata.name != 'home'", severity="warning")
    kit.apply(memory, shop)
    assert codes(kit.plan(memory, shop).warnings) == ["policy/mine"]
    del shop["policies/p.yaml"]
    assert codes(kit.plan(memory, shop).warnings) == []
    kit.apply(memory, shop)
    assert codes(kit.plan(memory, shop).warnings) == []


def test_an_operators_word_reaches_what_did_not_change(
    memory: SqlStore, kit: Any, policy: Policy, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = owned(kit)
    kit.apply(memory, shop)
    assert not kit.plan(memory, shop).pending
    (tmp_path / "rules.yaml").write_bytes(dumps(policy("theirs", kinds=["System"], must="false")))
    monkeypatch.setenv("GITOPS_POLICIES", str(tmp_path))
    assert codes(kit.faults(memory, shop)) == ["policy/theirs"]
    (tmp_path / "rules.yaml").write_bytes(dumps(policy("theirs", kinds=["System"], must="true")))
    kit.apply(memory, shop)
    assert not kit.plan(memory, shop).pending
    monkeypatch.setenv("GITOPS_POLICY_PRESET", "strict")
    assert set(codes(kit.faults(memory, shop))) == {"policy/check-without-assertion"}


def test_what_nothing_uses_any_more_refuses_a_plan_of_one_file(memory: SqlStore, kit: Any) -> None:
    shop = owned(kit)
    for check in shop["checks.yaml"]:
        check["spec"]["collectors"][0]["assertions"] = [{"field": "statusCode", "operator": "equals", "value": 200}]
    kit.apply(memory, shop, settings=STRICT)
    shop["systems.yaml"][0]["spec"]["checks"].pop()
    found = kit.faults(memory, shop, settings=STRICT)
    assert [(d.code, str(d.place)) for d in found] == [("policy/unused-check", "checks.yaml:3:67")]
    plan = kit.plan(memory, shop, settings=WARN)
    assert codes(plan.warnings) == ["policy/unused-check"]


def test_what_another_source_uses_is_used(memory: SqlStore, kit: Any) -> None:
    platform = {"c.yaml": kit.check("shared")}
    kit.apply(memory, platform, source="platform")
    kit.apply(memory, {"s.yaml": kit.system("shop", [], ["shared"])}, source="shop")
    assert "policy/unused-check" not in codes(kit.plan(memory, platform, source="platform", settings=WARN).warnings)


def test_a_changed_environment_is_compared_with_the_other(memory: SqlStore, kit: Any) -> None:
    shop = owned(kit)
    config = shop["checks.yaml"][0]["spec"]["collectors"][0]["config"]
    config["body"] = "{{ environment.region | default('eu') }}"
    kit.apply(memory, shop)
    settings = Settings()
    shop["policies/p.yaml"] = {
        "apiVersion": "gitops/v2",
        "kind": "Policy",
        "metadata": {"name": "alike"},
        "spec": {"uses": "environments-differ"},
    }
    kit.apply(memory, shop, settings=settings)
    shop["environments.yaml"][0]["spec"]["fields"]["region"] = "us"
    (found,) = kit.faults(memory, shop, settings=settings)
    assert found.code == "policy/environments-differ"
    assert "collectors.0.config.body differs between staging and production on system shop" in found.message


def test_what_an_exception_covered_is_judged_again_once_it_ended(
    memory: SqlStore, kit: Any, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    excepted = {"resources": ["Check/home"], "until": "2026-03-01", "owner": "me", "reason": "so"}
    shop = {**owned(kit), "policies/p.yaml": policy("mine", must="metadata.name != 'home'", exceptions=[excepted])}
    monkeypatch.setattr("reconciler.flows.policing.today", lambda: date(2026, 3, 1))
    kit.apply(memory, shop)
    monkeypatch.setattr("reconciler.flows.policing.today", lambda: date(2026, 3, 2))
    assert not kit.plan(memory, shop).pending  # nothing changes, so nothing is judged
    shop["environments.yaml"][0]["spec"]["fields"]["url"] = "https://new.example.net"
    assert codes(kit.faults(memory, shop)) == ["policy/mine"]


def test_documents_that_move_below_policies_are_not_taken_for_gone(memory: SqlStore, kit: Any) -> None:
    shop = owned(kit)
    kit.apply(memory, shop)
    shop["policies/checks.yaml"] = shop.pop("checks.yaml")
    found: list[Diagnostic] = kit.faults(memory, shop)
    assert {d.code for d in found} >= {"not-a-policy"}


def test_a_rollback_is_not_judged(memory: SqlStore, kit: Any, policy: Policy) -> None:
    from reconciler.flows.rollback import plan_rollback

    shop = owned(kit)
    kit.apply(memory, shop)
    shop["checks.yaml"].pop()
    shop["systems.yaml"][0]["spec"]["checks"].pop()
    shop["policies/p.yaml"] = policy("mine", must="metadata.name != 'home'")
    kit.apply(memory, shop)
    plan = plan_rollback(memory, 1, "shop")
    assert kit.actions(plan)["Check home"] in ("create", "move", "update")
