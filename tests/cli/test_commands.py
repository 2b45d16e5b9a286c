"""The commands beside plan and apply, from both ends: what is typed, and what is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo


@pytest.fixture
def applied(shop: Repo, gitops: Gitops) -> Repo:
    """``shop``, applied as generation 1."""
    assert gitops("apply").code == 0
    return shop


def test_status(applied: Repo, gitops: Gitops) -> None:
    told = gitops("status").out
    assert "1, apply of shop at " in told
    assert "by tester on" in told
    assert "5 resources, 4 slices" in told
    data = gitops("status", "--format", "json").json
    assert data["generation"]["generation"] == 1
    assert data["sources"][0]["name"] == "shop"
    assert data["outside"] == 0


def test_status_of_nothing(shop: Repo, gitops: Gitops) -> None:
    assert "is empty: nothing was applied yet" in gitops("status").out
    assert gitops("status", "--format", "json").json["generation"] is None
    assert gitops("history").out == "Nothing was applied yet.\n"


def test_get_lists_and_prints(applied: Repo, gitops: Gitops) -> None:
    assert gitops("get").out.splitlines()[0].split() == ["KIND", "NAME", "SOURCE", "PLACE", "SINCE", "STATUS"]
    assert len(gitops("get").out.splitlines()) == 6
    assert len(gitops("get", "checks").out.splitlines()) == 3
    assert len(gitops("get", "slices").out.splitlines()) == 5
    assert len(gitops("get", "slices/shop/home").out.splitlines()) == 3
    one = gitops("get", "check/home").out
    assert one.startswith("# checks.yaml:3 of source shop, since generation 1, active\napiVersion: gitops/v2\n")
    assert "interval: 30s" in one
    slice_ = gitops("get", "slices/shop/ready/staging").out
    assert "url: https://s.example.net/ready" in slice_
    data = gitops("get", "Check/home", "--format", "json").json
    assert data["resources"][0]["body"]["spec"]["interval"] == 30000
    assert gitops("get", "groups").err == "There are no resources.\n"


def test_what_get_prints_is_a_document_again(applied: Repo, gitops: Gitops) -> None:
    for path in ("environments.yaml", "checks.yaml", "systems.yaml"):
        applied.remove(path)
    applied.put("all.yaml", gitops("get", "--format", "yaml").out)
    applied.commit()
    told = gitops("plan", "--format", "json").json
    assert told["counts"] == {"resources": {}, "slices": {}}


def test_get_of_an_older_generation(applied: Repo, gitops: Gitops, kit: Kit) -> None:
    applied.put("more.yaml", kit.system("more"))
    applied.commit()
    gitops("apply")
    assert "more" in gitops("get", "systems").out
    assert "more" not in gitops("get", "systems", "--generation", "1").out
    assert gitops("get", "systems", "--generation", "3").code == 1


def test_history_and_show(applied: Repo, gitops: Gitops, kit: Kit) -> None:
    applied.put("more.yaml", kit.system("more"))
    commit = applied.commit()
    gitops("apply")
    header, newest, oldest = gitops("history").out.splitlines()
    assert header.startswith("GENERATION")
    assert newest.startswith("2 ")
    assert commit[:7] in newest
    assert "+5" in oldest
    assert "+4" in oldest
    assert len(gitops("history", "--limit", "1").out.splitlines()) == 2
    assert [g["generation"] for g in gitops("history", "--format", "json").json["generations"]] == [2, 1]
    told = gitops("show", "2").out
    assert told.startswith(f"Generation 2: apply of source shop at {commit[:7]}\n")
    assert "+ System more  more.yaml:1" in told


def test_rollback_sticks_until_git_moves_on(applied: Repo, gitops: Gitops, kit: Kit) -> None:
    applied.put("more.yaml", kit.system("more"))
    commit = applied.commit()
    gitops("apply")
    preview = gitops("rollback", "1", "--dry-run", "--exit-code")
    assert preview.code == 3
    assert preview.out.startswith("Rollback of source shop to generation 1, at ")
    assert "- System more" in preview.out
    done = gitops("rollback", "1")
    assert done.code == 0
    assert f"Commit {commit[:7]} and older ones are refused until git moves past it." in done.out
    refused = gitops("apply")
    assert refused.code == 1
    assert "was rolled back from commit" in refused.err
    assert "away from" in gitops("source", "list").out
    applied.put("better.yaml", kit.system("better"))
    applied.commit()
    assert gitops("apply").code == 0


def test_orphans(applied: Repo, gitops: Gitops, kit: Kit) -> None:
    applied.put("more.yaml", [kit.system("a", [], ["home"]), kit.system("b")])
    applied.commit()
    gitops("apply")
    applied.remove("more.yaml")
    applied.commit()
    gitops("apply")
    assert gitops("orphan", "list").out.splitlines()[1].split() == ["System/a", "shop", "3"]
    assert "System a" in gitops("plan").out
    deleted = gitops("orphan", "delete", "system/a")
    assert deleted.code == 0
    assert "- Slice a/home  without environment" in deleted.out
    assert gitops("orphan", "release", "System/b").code == 0
    assert gitops("orphan", "list", "--format", "json").json["orphans"] == []
    assert "(released)" in gitops("get", "System").out


def test_grants(applied: Repo, gitops: Gitops, kit: Kit) -> None:
    assert "everything" in gitops("source", "list").out
    told = gitops("source", "grant", "shop", "--secret", "PROBE_*", "--permission", "incident.*")
    assert told.out.endswith("It may name: permission incident.*, secret PROBE_*.\n")
    check = kit.check("c")
    check["spec"]["collectors"][0]["config"]["headers"] = [{"name": "X", "valueFrom": {"secret": "OTHER"}}]
    applied.put("c.yaml", check)
    applied.commit()
    assert "may not name the secret 'OTHER'" in gitops("plan").err
    assert gitops("source", "revoke", "shop", "--secret", "NONE").code == 1
    assert gitops("source", "revoke", "shop", "--secret", "PROBE_*", "--permission", "incident.*").code == 0
    assert gitops("plan").code == 0
    assert "waits for it" in gitops("source", "grant", "elsewhere", "--secret", "*").err


def test_validate_as_json(shop: Repo, gitops: Gitops) -> None:
    good = gitops("validate", "--format", "json").json
    assert good["valid"]
    assert good["totals"]["slices"] == 4
    shop.put("bad.yaml", "apiVersion: gitops/v2\nkind: System\nmetadata: {name: UP}\nspec: {}\n")
    bad = gitops("validate", "--format", "json").json
    assert not bad["valid"]
    assert bad["totals"] is None
    assert bad["diagnostics"][0]["code"] == "bad-name"


def test_render(shop: Repo, gitops: Gitops) -> None:
    told = gitops("render", "ready", "--environment", "staging").out
    assert "url: https://s.example.net/ready" in told
    assert "production" not in told
    data = gitops("render", "--format", "json").json
    assert [(s["check"], s["environment"]) for s in data["slices"]] == [
        *[("home", "production"), ("home", "staging"), ("ready", "production"), ("ready", "staging")]
    ]
    assert gitops("render", "nothing").code == 1


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Check", "spec"),
        ("Check.spec.interval", "duration, required"),
        ("Check.spec.collectors", "type"),
        ("http@3", "timeout"),
        ("http.request@1", "statusCode"),
    ],
)
def test_explain(path: str, expected: str, gitops: Gitops) -> None:
    told = gitops("explain", path, directory=False)
    assert told.code == 0
    assert expected in told.out
    assert gitops("explain", path, "--format", "json", directory=False).json["path"] == path


def test_schema(gitops: Gitops, tmp_path: Path) -> None:
    assert "strategies/http" in gitops("schema", directory=False).out
    newest = json.loads(gitops("schema", "check", directory=False).out)
    first = json.loads(gitops("schema", "check@1", directory=False).out)
    assert newest != first
    out = tmp_path / "deep" / "schemas"
    assert gitops("schema", "--out", str(out), directory=False).code == 0
    assert json.loads((out / "check" / "v2.schema.json").read_text()) == newest
    assert "did you mean check?" in gitops("schema", "chek", directory=False).err


def test_what_init_writes_applies(gitops: Gitops, tmp_path: Path) -> None:
    fresh = tmp_path / "we ird: name"
    assert gitops("init", str(fresh), directory=False).code == 0
    there = ("-C", str(fresh))
    assert gitops("validate", *there, directory=False).code == 0
    told = gitops("apply", *there, directory=False)
    assert told.code == 0, "a folder without git is read as it is"
    assert "Slices: 2 start" in told.out
    assert gitops("plan", "--exit-code", *there, directory=False).code == 0
    again = gitops("init", str(fresh), directory=False)
    assert again.code == 2
    assert "is there already; nothing was written" in again.err


def test_init_writes_nothing_where_anything_is(gitops: Gitops, tmp_path: Path) -> None:
    (tmp_path / "x" / "monitoring").mkdir(parents=True)
    (tmp_path / "x" / "monitoring" / "environments.yaml").write_text("mine")
    assert gitops("init", str(tmp_path / "x"), directory=False).code == 2
    assert not (tmp_path / "x" / "gitops.yaml").exists()
    assert (tmp_path / "x" / "monitoring" / "environments.yaml").read_text() == "mine"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, gitops: Gitops) -> None:
    assert "_GITOPS_COMPLETE" in gitops("completion", shell, directory=False).out


def test_words_complete(applied: Repo, gitops: Gitops) -> None:
    def words(line: str) -> list[str]:
        given = {"_GITOPS_COMPLETE": "fish_complete", "COMP_WORDS": line, "COMP_CWORD": line.split(" ")[-1]}
        return [w.split("\t")[0].removeprefix("plain,") for w in gitops.process(env=given).out.splitlines()]

    assert words("gitops pl") == ["plan"]
    assert words("gitops get Sy") == ["System"]
    assert words("gitops get System/") == ["System/shop"]
    assert words("gitops explain Env") == ["Environment"]
    assert "--exit-code" in words("gitops plan --ex")


def test_a_store_in_the_repository_isnt_committed_with_it(repo: Repo, gitops: Gitops) -> None:
    gitops("init", str(repo.path), directory=False)
    repo.commit()
    assert gitops("apply").code == 0
    assert (repo.path / ".gitops/store.db").is_file()
    assert repo.git("status", "--porcelain") == ""


def test_validate_reads_the_commit_where_there_are_no_files(shop: Repo, gitops: Gitops, tmp_path: Path) -> None:
    shop.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    ran = gitops("validate", "-C", str(tmp_path / "bare.git"), directory=False)
    assert (ran.code, ran.out) == (0, "Valid. 5 documents in 3 files, 4 slices.\n")
