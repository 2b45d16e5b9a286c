"""Exit codes are promises: 0, 1, 2, 130, and with --exit-code 3, 4, 5."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo


def outside(repo: Repo) -> None:
    with closing(sqlite3.connect(repo.path / ".gitops/store.db")) as db:
        db.execute("update slice set digest = '00', body = '{}' where environment <> 0")
        db.commit()


def test_nothing_pending_is_0(shop: Repo, gitops: Gitops) -> None:
    assert gitops("apply").code == 0
    for command in (["plan"], ["apply"], ["apply", "--dry-run"], ["drift"]):
        assert gitops(*command, "--exit-code").code == 0


def test_changes_are_0_unless_asked(shop: Repo, gitops: Gitops) -> None:
    assert gitops("plan").code == 0
    assert gitops("plan", "--exit-code").code == 3
    assert gitops("apply", "--dry-run", "--exit-code").code == 3
    assert gitops("plan", "--exit-code", "--quiet").code == 3
    assert gitops("apply", "--exit-code").code == 3, "an apply tells what it changed"
    assert gitops("plan", "--exit-code").code == 0


def test_drift_is_4_and_both_are_5(shop: Repo, gitops: Gitops, kit: Kit) -> None:
    gitops("apply")
    outside(shop)
    assert gitops("plan", "--exit-code").code == 4
    assert gitops("drift", "--exit-code").code == 4
    assert gitops("drift").code == 0
    shop.put("more.yaml", kit.system("more"))
    shop.commit()
    assert gitops("plan", "--exit-code").code == 5
    assert gitops("apply", "--exit-code").code == 5
    assert gitops("plan", "--exit-code").code == 0
    assert gitops("drift", "--exit-code").code == 0


def test_a_deletion_is_a_change(shop: Repo, gitops: Gitops, kit: Kit) -> None:
    shop.put("more.yaml", kit.system("more"))
    shop.commit()
    gitops("apply")
    shop.remove("more.yaml")
    shop.commit()
    assert gitops("plan", "--exit-code").code == 3
    assert gitops("plan", "--exit-code", "--deletion", "delete").code == 3


def test_invalid_documents_are_1(shop: Repo, gitops: Gitops) -> None:
    shop.put("bad.yaml", "apiVersion: gitops/v2\nkind: System\nmetadata: {name: UP}\nspec: {}\n")
    shop.commit()
    for command in (["plan", "--exit-code"], ["apply"], ["validate"], ["render"]):
        ran = gitops(*command)
        assert ran.code == 1, command
        assert "bad.yaml:3:" in ran.out + ran.err


def test_a_refused_plan_is_1(shop: Repo, gitops: Gitops) -> None:
    gitops("apply")
    for path in ("environments.yaml", "checks.yaml", "systems.yaml"):
        shop.remove(path)
    shop.commit()
    ran = gitops("plan", "--exit-code")
    assert ran.code == 1
    assert ran.err.startswith("error: source shop has no documents")
    assert "hint:" in ran.err
    assert gitops("plan", "--exit-code", "--force").code == 3


def test_no_repository_is_1(repo: Repo, gitops: Gitops) -> None:
    assert gitops("plan").code == 1
    assert gitops("plan", "--rev", "nowhere").code == 1


def test_an_unreadable_store_is_1(shop: Repo, gitops: Gitops) -> None:
    shop.put("no.db", "this is no database, whatever its name says" * 100)
    ran = gitops("plan", "--store", "no.db")
    assert ran.code == 1
    assert "no.db" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "--nope"],
        ["aply"],
        ["plan", "--rev", "a", "--worktree"],
        ["plan", "--deletion", "perhaps"],
        ["plan", "--max-delete-percent", "-1"],
        ["apply", "--lock-timeout", "soon"],
        ["show", "first"],
        ["get", "chek"],
        ["get", "System/a/b"],
        ["orphan", "delete", "website"],
        ["orphan", "delete"],
        ["source", "grant", "shop"],
        ["schema", "chek"],
        ["explain", "Chek"],
        ["apply", "no-such-file.plan"],
        ["plan", "--store", "redis://x"],
        [],
    ],
)
def test_usage_is_2(arguments: list[str], shop: Repo, gitops: Gitops) -> None:
    ran = gitops.process(*arguments)
    assert ran.code == 2, ran
    assert not ran.out
    assert "Traceback" not in ran.err


def test_a_wrong_settings_file_is_1(shop: Repo, gitops: Gitops) -> None:
    shop.put("gitops.yaml", "source: shop\ndeletions: delete\n")
    shop.commit()
    ran = gitops("plan")
    assert ran.code == 1
    assert "gitops.yaml:2:1: error[settings]" in ran.err


def test_what_is_not_there_is_1(shop: Repo, gitops: Gitops) -> None:
    gitops("apply")
    for command in (["show", "7"], ["rollback", "7"], ["get", "System/none"], ["orphan", "delete", "System/shop"]):
        assert gitops(*command).code == 1, command
