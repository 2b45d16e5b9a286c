"""``gitops policy``, and rules in the commands that hold documents to them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Repo

EXAMPLE = Path(__file__).parents[2] / "examples" / "06-policies"


@pytest.fixture
def ruled(repo: Repo) -> Repo:
    """The example, committed."""
    shutil.copytree(EXAMPLE, repo.path, dirs_exist_ok=True)
    repo.commit()
    return repo


def edit(repo: Repo, name: str, old: str, new: str) -> None:
    """Change a text of a file."""
    file = repo.path / name
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_list_tells_what_is_in_force(ruled: Repo, gitops: Gitops) -> None:
    out = gitops("policy", "list").out
    assert "timeout-below-half-the-interval  error     resource  policies/timeouts.yaml  1  " in out
    assert "environments-differ              off       slice     -  " in out
    rules = {r["name"]: r for r in gitops("policy", "list", "--format", "json").json["policies"]}
    assert rules["unused-check"]["severity"] == "warning"
    assert rules["unused-check"]["presets"] == ["recommended (warning)", "strict (error)"]
    assert rules["check-without-assertion"]["exceptions"][0]["state"] == "holds"
    assert rules["requests-are-encrypted"]["must"].startswith("item.config.url")


def test_list_without_any(shop: Repo, gitops: Gitops) -> None:
    assert "No rule is in force" in gitops("policy", "list").out


def test_list_tells_what_is_wrong(ruled: Repo, gitops: Gitops) -> None:
    edit(ruled, "policies/timeouts.yaml", "at: spec", "att: spec")
    ran = gitops("policy", "list")
    assert (ran.code, "unknown-key" in ran.err) == (1, True)


def test_operators_are_told_apart(ruled: Repo, gitops: Gitops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITOPS_POLICY_PRESET", "recommended")
    ran = gitops("policy", "list")
    assert "unused-check                     warning   source    operator (recommended)" in ran.out
    explained = gitops("policy", "explain", "policy/check-without-assertion").out
    assert "Exception (refused): Check/orders-legacy until 2099-12-31" in explained
    monkeypatch.setenv("GITOPS_POLICIES", str(tmp_path / "nowhere"))
    ran = gitops("validate")
    assert (ran.code, "GITOPS_POLICIES names the folder" in ran.err) == (2, True)
    assert gitops("plan").code == 2


def test_explain_says_why(ruled: Repo, gitops: Gitops) -> None:
    out = gitops("policy", "explain", "interval-too-short").out
    assert "Code        policy/interval-too-short\n" in out
    assert "With least  10s\n" in out
    ran = gitops("policy", "explain", "unused-chek")
    assert (ran.code, "did you mean unused-check?" in ran.err) == (1, True)
    assert gitops("policy", "explain", "environments-differ", "--format", "json").json["severity"] == "off"


def test_cases_hold_or_are_told(ruled: Repo, gitops: Gitops, tmp_path: Path) -> None:
    assert gitops("policy", "test").out == "2 cases come out as written.\n"
    edit(
        ruled, "policies/tests/timeouts.yaml", "resource: Check/slow}\n        - ", "resource: Check/slows}\n        - "
    )
    ran = gitops("policy", "test")
    assert ran.code == 1
    assert "should find something in Check/slows, and doesn't" in ran.out
    assert "finds something in Check/slow that isn't expected" in ran.out
    assert "policies/tests/timeouts.yaml:17:13: error[policy-test]" in ran.out
    told = gitops("policy", "test", "--format", "json").json
    assert [f["code"] for f in told["failures"]] == ["policy-test"] * 2
    shutil.copytree(EXAMPLE / "policies", tmp_path / "rules")
    assert gitops("policy", "test", str(tmp_path / "rules")).code == 0
    (tmp_path / "rules" / "tests" / "timeouts.yaml").unlink()
    assert (
        "Without a case: requests-are-encrypted, timeout-below" in gitops("policy", "test", str(tmp_path / "rules")).out
    )


def test_a_case_with_a_fault_of_its_own(ruled: Repo, gitops: Gitops) -> None:
    old = "interval: 20s\n            strategy: {type: http@3, config: {timeout: 10s}}"
    edit(ruled, "policies/tests/timeouts.yaml", old, "strategy: {type: http@3}")
    ran = gitops("policy", "test")
    assert ran.code == 1
    assert "half of the interval is fine: Check/ready: interval is missing" in ran.out


def test_an_error_refuses_plan_and_apply(ruled: Repo, gitops: Gitops) -> None:
    assert gitops("apply", "--yes").code == 0
    edit(ruled, "monitoring/orders.yaml", "timeout: 8s", "timeout: 20s")
    ruled.commit()
    for command in (("plan",), ("apply", "--yes"), ("validate",), ("validate", "--only-changed", "HEAD~1")):
        ran = gitops(*command)
        assert ran.code == 1
        assert "monitoring/orders.yaml:29:46: error[policy/timeout-below-half-the-interval]" in ran.out + ran.err


def test_only_changed_looks_at_all_where_rules_changed(ruled: Repo, gitops: Gitops) -> None:
    edit(ruled, "policies/timeouts.yaml", "timeout * 2", "timeout * 9")
    ruled.commit()
    ran = gitops("validate", "--only-changed", "HEAD~1")
    assert (ran.code, "orders.yaml:29:46" in ran.out) == (1, True)


def test_migrate_leaves_policies_alone(ruled: Repo, gitops: Gitops) -> None:
    assert gitops("migrate", "--check").code == 0


def test_policies_may_be_excluded(ruled: Repo, gitops: Gitops) -> None:
    ruled.put("policies/kyverno.yaml", "a: {{ template }}\nb: [\n")
    assert gitops("validate").code == 1
    assert gitops("validate", "--exclude", "policies/kyverno.yaml").code == 0


def test_globs_of_documents_leave_policies_where_they_are(ruled: Repo, gitops: Gitops) -> None:
    edit(ruled, "monitoring/orders.yaml", "timeout: 8s", "timeout: 20s")
    assert gitops("validate", "--include", "monitoring/**").code == 1


def test_a_pull_request_is_warned_of_what_is_new(ruled: Repo, gitops: Gitops) -> None:
    group = "apiVersion: gitops/v2\nkind: Environment\nmetadata: {name: %s}\nspec: {fields: {}}\n"
    ruled.put("old.yaml", group % "old")
    ruled.commit()
    ruled.put("new.yaml", group % "new")
    ruled.commit()
    found = gitops("plan", "--base", "HEAD~1", "--format", "json")
    assert [d["place"]["path"] for d in found.json["warnings"] if d["code"] == "policy/unused-environment"] == [
        "new.yaml"
    ]
    ruled.put("policies/more.yaml", MORE)
    ruled.commit()
    told = gitops("plan", "--base", "HEAD~1", "--format", "json").json["warnings"]
    assert {d["code"] for d in told} == {"policy/no-old"}, "a new rule tells all that it finds"


MORE = """apiVersion: gitops/v2
kind: Policy
metadata: {name: no-old}
spec:
  kinds: [Environment]
  must: metadata.name != "old"
  severity: warning
  message: is old
"""
