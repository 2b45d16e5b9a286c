"""Plans as text and as JSON, where a folder of files can't set the stage."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo

KEYS = {
    *("format", "source", "generation", "kind", "commit", "tree", "note", "pending", "changed", "drifted"),
    *("counts", "totals", "resources", "slices", "orphans", "warnings"),
}


def by_hand(repo: Repo, sql: str) -> None:
    with closing(sqlite3.connect(repo.path / ".gitops/store.db")) as db:
        assert db.execute(sql).rowcount
        db.commit()


def test_drift_stands_apart(shop: Repo, gitops: Gitops, kit: Kit) -> None:
    gitops("apply")
    by_hand(shop, "update slice set body = replace(body, 'https', 'http'), digest = '00'")
    shop.put("more.yaml", kit.system("more"))
    shop.commit()
    told = gitops("plan").out
    changes, _, drift = told.partition("Drift: written outside an apply, to be put back\n")
    assert "+ System more" in changes
    assert "+ System more" not in drift
    assert "~ Slice shop/" in drift
    assert "Slices: 4 change (of these 4 drift)" in drift
    report = gitops("drift")
    assert "slice shop/home/production  update" in report.out
    assert "Drift: 4 rows written outside an apply." in report.out
    assert report.code == 0
    told_json = gitops("plan", "--format", "json").json
    assert told_json["drifted"]
    assert told_json["changed"]
    assert {s["cause"] for s in told_json["slices"]} == {"drift"}
    assert gitops("drift", "--format", "json").json["drifted"]
    assert "4 writes outside an apply" in gitops("status").out


def test_json_has_one_shape(shop: Repo, gitops: Gitops) -> None:
    told = gitops("plan", "--format", "json").json
    assert set(told) == KEYS
    assert told["format"] == 1
    assert told["counts"] == {"resources": {"create": 5}, "slices": {"create": 4}}
    assert told["totals"] == {"files": 3, "documents": 5, "passedOver": 0, "resources": 5, "slices": 4}
    assert [r["name"] for r in told["resources"]] == ["home", "ready", "production", "staging", "shop"]
    assert told["resources"][0]["place"] == {"path": "checks.yaml", "line": 3}
    applied = gitops("apply", "--format", "json").json
    assert set(applied) == KEYS | {"applied"}
    assert applied["applied"]["generation"] == 1
    assert applied["applied"]["committed"] is True
    again = gitops("plan", "--format", "json").json
    assert set(again) == KEYS
    assert again["counts"] == {"resources": {}, "slices": {}}
    assert not again["pending"]
    shown = gitops("show", "1", "--format", "json").json
    assert shown["counts"] == applied["counts"]
    assert shown["applied"]["generation"] == 1


def test_json_tells_fields_per_environment(shop: Repo, gitops: Gitops) -> None:
    gitops("apply")
    text = (shop.path / "environments.yaml").read_text()
    shop.put("environments.yaml", text.replace("https://s.", "https://stage."))
    shop.put("checks.yaml", (shop.path / "checks.yaml").read_text().replace("30s", "40s"))
    shop.commit()
    slices = {s["check"]: s for s in gitops("plan", "--format", "json").json["slices"]}
    url, interval = slices["ready"]["fields"]
    assert url["values"] == [
        {"environment": "staging", "old": "https://s.example.net/ready", "new": "https://stage.example.net/ready"}
    ]
    assert interval == {"path": "check.interval", "values": [{"environment": "*", "old": 30000, "new": 40000}]}
    assert slices["home"]["environments"] == ["production", "staging"]


def test_the_json_of_an_apply_has_the_old_values(shop: Repo, gitops: Gitops) -> None:
    gitops("apply")
    shop.put("checks.yaml", (shop.path / "checks.yaml").read_text().replace("30s", "40s"))
    shop.commit()
    planned = gitops("plan", "--format", "json").json
    applied = gitops("apply", "--format", "json").json
    assert applied["slices"] == planned["slices"]
    assert gitops("show", "2", "--format", "json").json["slices"] == planned["slices"]


def test_full_unfolds(repo: Repo, gitops: Gitops, kit: Kit) -> None:
    repo.put("many.yaml", [kit.system(f"s{i:03}") for i in range(300)])
    repo.commit()
    folded, unfolded = gitops("plan").out, gitops("plan", "--full").out
    assert "  and 270 more to create; --full shows all\n" in folded
    assert folded.count("+ System") == 30
    assert unfolded.count("+ System") == 300
    assert "more" not in unfolded


def test_deletions_fold_late_and_are_counted(repo: Repo, gitops: Gitops, kit: Kit) -> None:
    repo.put("many.yaml", [kit.system(f"s{i:03}") for i in range(300)])
    repo.put("one.yaml", kit.system("one"))
    repo.commit()
    gitops("apply")
    repo.remove("many.yaml")
    repo.commit()
    told = gitops("plan", "--deletion", "delete", "--force").out
    assert told.count("- System") == 200
    assert "  and 100 more to delete; --full shows all" in told
    assert "Plan: 300 to delete" in told


def test_secrets_and_passwords_stay_out(repo: Repo, gitops: Gitops, kit: Kit) -> None:
    headers = [{"name": "X-Key", "valueFrom": {"secret": "PROBE_KEY"}}]
    check = kit.check("c", "https://me:hunter2@x.example.net/")
    check["spec"]["collectors"][0]["config"]["headers"] = headers
    repo.put("a.yaml", [check, kit.system("s", [], ["c"])])
    repo.commit()
    gitops("apply")
    check["spec"]["collectors"][0]["config"]["url"] = "https://me:hunter3@x.example.net/v2"
    repo.put("a.yaml", [check, kit.system("s", [], ["c"])])
    repo.commit()
    for command in (["plan"], ["plan", "--full"], ["plan", "--format", "json"], ["apply"], ["show", "2"]):
        told = gitops(*command)
        assert "hunter" not in told.out + told.err, command
        assert "***" in told.out
    told = gitops("get", "Check/c")
    assert "hunter" not in told.out
    assert "PROBE_KEY" in told.out


def test_a_saved_plan_applies_exactly_itself_or_not_at_all(shop: Repo, gitops: Gitops, kit: Kit) -> None:
    file = str(shop.path / "out.plan")
    planned = gitops("plan", "--out", file)
    assert planned.code == 0
    assert "The plan is saved" in planned.err
    shown = gitops("apply", file, "--dry-run")
    assert shown.out == planned.out
    shop.put("more.yaml", kit.system("more"))
    shop.commit()
    applied = gitops("apply", file)
    assert applied.code == 0
    assert applied.out.strip().startswith("Applied as generation 1")
    assert gitops("get", "System/more").code == 1, "only what was reviewed"
    stale = gitops("apply", file)
    assert stale.code == 1
    assert "generation 0, but the store is at generation 1" in stale.err
    assert gitops("apply", file, "--dry-run").out == planned.out, "a stale plan can still be looked at"
    shop.put("out.plan", "no plan")
    assert gitops("apply", file).code == 1


def test_without_a_terminal_nothing_is_asked(shop: Repo, gitops: Gitops) -> None:
    ran = gitops.process("apply")
    assert ran.code == 0
    assert "[y/N]" not in ran.out + ran.err
    assert "legend" not in ran.out
    assert "o orphan" not in ran.out, "no legend in a log"


def test_a_plan_makes_no_store(shop: Repo, gitops: Gitops) -> None:
    for command in (["plan"], ["status"], ["history"], ["drift"], ["get"], ["orphan", "list"]):
        assert gitops(*command).code == 0
    assert not (shop.path / ".gitops").exists()
