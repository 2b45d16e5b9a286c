"""Warnings are told by every plan, whether their file is read again or not, and not longer than they are true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reconciler.flows.settings import Settings
from reconciler.flows.validate import validate
from reconciler.store.sql_writer import SqlStore

if TYPE_CHECKING:
    from tests.conftest import Kit, Repo

LEGACY = """\
apiVersion: checkstack.io/v1alpha1
kind: System
metadata: {name: legacy, owner: nobody}
spec: {}
"""
AUTOMATION = """\
apiVersion: checkstack.io/v1alpha1
kind: Automation
metadata:
  name: page
  labels: {run-as: app-oncall}
spec:
  name: Page
  triggers:
    - event: healthcheck.system_health_changed
  actions:
    - {action: automation.log, config: {message: down}}
"""


def told(kit: Kit, store: SqlStore, given: Any, **how: Any) -> list[str]:
    plan = kit.plan(store, given, **how)
    return [f"{d.place}: {d.code}" for d in plan.warnings]


def account(kit: Kit) -> dict[str, Any]:
    return kit.document("ServiceAccount", "app-oncall", {"permissions": []})


def test_they_survive_plans_that_dont_read_the_file(kit: Kit, memory: SqlStore) -> None:
    files: dict[str, Any] = {"legacy.yaml": LEGACY, "a.yaml": kit.system("a")}
    plan = kit.apply(memory, files).plan
    first = plan.warnings
    assert [(d.code, str(d.place), d.severity, d.excerpt) for d in first] == [
        ("v1-unknown-key", "legacy.yaml:3:26", "warning", "metadata: {name: legacy, owner: nobody}")
    ]
    for quick in (True, False):
        assert kit.plan(memory, files, quick=quick).warnings == first
    files["a.yaml"] = kit.system("a", title="A")
    changed = kit.files(files)
    assert kit.apply(memory, changed).plan.warnings == first
    assert "legacy.yaml" not in changed.reads
    assert kit.plan(memory, files, settings=Settings(include=("*.yaml",))).warnings == first, "read again, told once"
    files["legacy.yaml"] = LEGACY.replace(", owner: nobody", "")
    assert kit.apply(memory, files).plan.warnings == ()
    assert kit.plan(memory, files).warnings == ()


def test_they_go_with_their_file(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"legacy.yaml": LEGACY, "a.yaml": kit.system("a")})
    files = {"a.yaml": kit.system("a")}
    assert told(kit, memory, files) == []
    kit.apply(memory, files)
    assert told(kit, memory, files) == []


def test_they_are_told_beside_errors(kit: Kit, memory: SqlStore) -> None:
    faults = kit.faults(memory, {"legacy.yaml": LEGACY, "b.yaml": "kind: ["})
    assert {f.place.path for f in faults if f.place} == {"b.yaml"}


def test_an_assignment_outside_membership_is_told_once_and_kept(kit: Kit, memory: SqlStore) -> None:
    files: dict[str, Any] = kit.shop()
    where = {"check": "ready", "environments": ["production", "staging"]}
    files["systems.yaml"] = kit.system("shop", ["production"], [where])
    expected = told(kit, memory, files)
    assert [line.partition(":")[0] for line in expected] == ["systems.yaml"]
    kit.apply(memory, files)
    assert told(kit, memory, files) == expected
    files["environments.yaml"][0] = kit.environment("production", url="https://new.example.net")
    assert told(kit, memory, files) == expected, "rendered again without being read again"
    kit.apply(memory, files)
    assert told(kit, memory, files) == told(kit, memory, files, quick=False) == expected


def test_a_warning_about_another_sources_file_isnt_kept_with_ones_own(kit: Kit, memory: SqlStore) -> None:
    shop = kit.shop()
    where = {"check": "ready", "environments": ["production", "staging"]}
    base: dict[str, Any] = {"same.yaml": [*shop["environments.yaml"], *shop["checks.yaml"]]}
    kit.apply(memory, base, source="base")
    kit.apply(memory, {"same.yaml": kit.system("shop", ["production"], [where])}, source="team")
    base["same.yaml"][0] = kit.environment("production", url="https://new.example.net")
    kit.apply(memory, base, source="base")
    assert told(kit, memory, base, source="base") == []


def test_an_undeclared_account_is_told_until_it_is_declared(kit: Kit, memory: SqlStore) -> None:
    files: dict[str, Any] = {"page.yaml": AUTOMATION}
    expected = ["page.yaml:5:20: unresolved-reference"]
    assert told(kit, memory, files) == expected
    kit.apply(memory, files)
    assert told(kit, memory, files) == expected
    files["account.yaml"] = account(kit)
    assert told(kit, memory, files) == []
    kit.apply(memory, files)
    assert told(kit, memory, files) == told(kit, memory, files, quick=False) == []
    del files["account.yaml"]
    assert told(kit, memory, files) == expected
    kit.apply(memory, files, settings=Settings(deletion="delete"))
    assert told(kit, memory, files) == told(kit, memory, files, quick=False) == expected


def test_places_in_migrated_documents_are_those_that_were_written(kit: Kit, memory: SqlStore) -> None:
    text = """\
        apiVersion: checkstack.io/v1alpha1
        kind: Healthcheck
        metadata: {name: up}
        spec:
          strategy: healthcheck-http.http
          intervalSeconds: 45
          config:
            url: "https://{{ environment.host | nofilter }}/"
            method: HEAD
        ---
        apiVersion: checkstack.io/v1alpha1
        kind: System
        metadata: {name: s}
        spec:
          environments: [nowhere]
          healthchecks:
            - ref: missing
        """
    faults = kit.faults(memory, {"old.yaml": text})
    places = {f.code: f.place for f in faults}
    lines = {f"{f.place.line}" for f in faults if f.place}
    assert places, faults
    assert lines <= {"8", "15", "16", "17"}, [(f.code, str(f.place), f.message) for f in faults]


def test_validation_without_a_store_tells_the_same(kit: Kit, memory: SqlStore, repo: Repo) -> None:
    repo.put("gitops.yaml", "external: {Environment: [staging]}\n")
    repo.put("legacy.yaml", LEGACY)
    repo.put("s.yaml", kit.system("s", ["staging"]))
    repo.commit()
    source = repo.open()
    found = validate(source)
    assert found.valid
    assert found.totals is not None
    assert [d.code for d in found.diagnostics] == ["v1-unknown-key"]
    assert (found.totals.documents, found.totals.resources) == (2, 2)
    repo.put("s.yaml", kit.system("s", ["stagin"]))
    assert validate(repo.open()).valid, "a commit is read, not the folder"
    broken = validate(repo.open(worktree=True))
    assert not broken.valid
    assert [(d.code, d.severity) for d in broken.diagnostics] == [
        ("v1-unknown-key", "warning"),
        ("unresolved-reference", "error"),
    ]


@pytest.mark.parametrize("n", [1, 3])
def test_equal_warnings_of_several_places_are_all_told(kit: Kit, memory: SqlStore, n: int) -> None:
    files = {f"{i}.yaml": LEGACY.replace("name: legacy", f"name: legacy{i}") for i in range(n)}
    kit.apply(memory, files)
    assert len(told(kit, memory, files)) == n
