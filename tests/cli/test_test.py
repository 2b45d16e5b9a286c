"""``gitops test``: what the files on disk say, run without a store."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.answers import Answers
from tests.servers.checks import http_check

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo


@pytest.fixture
def edited(web: Repo, kit: Kit) -> Repo:
    """``web`` with an edit that nobody has committed: one more check, which fails."""
    web.put("new/more.yaml", [http_check(kit, "more", "/more"), kit.system("blog", ["staging"], ["more", "home"])])
    return web


def test_test_takes_the_files_as_they_are(edited: Repo, gitops: Gitops, server: Answers) -> None:
    server.status["/s/more"] = 404
    ran = gitops("test", "--check", "more")
    assert ran.code == 1
    assert "✗ shop" not in ran.out
    assert "✗ blog/more/staging: unhealthy" in ran.out
    assert "  new/more.yaml:1\n" in ran.out, "no commit and no generation: neither is there yet"
    assert ran.out.endswith("1 run: 1 unhealthy\n")
    data = gitops("test", "--check", "more", "--format", "json").json
    assert data["runs"][0]["kept"] is False
    assert data["runs"][0]["generation"] == 0
    assert data["runs"][0]["origin"]["commit"] is None
    assert "4 slices: 4 without a run" in gitops("status").out, "nothing of it reaches a store"


def test_test_needs_no_store(edited: Repo, gitops: Gitops) -> None:
    shutil.rmtree(edited.path / ".gitops")
    assert gitops("test", "--environment", "staging").code == 0
    assert not (edited.path / ".gitops").exists()


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["new"], ["blog/home/staging", "blog/more/staging"]),
        (["new/more.yaml"], ["blog/home/staging", "blog/more/staging"]),
        (["checks.yaml", "--check", "home", "--environment", "staging"], ["blog/home/staging", "shop/home/staging"]),
        (["."], 6),
    ],
)
def test_test_of_paths(
    edited: Repo, gitops: Gitops, monkeypatch: pytest.MonkeyPatch, paths: list[str], expected: Any
) -> None:
    monkeypatch.chdir(edited.path)
    runs = [r["slice"] for r in gitops("test", *paths, "--format", "json").json["runs"]]
    assert runs == expected if isinstance(expected, list) else len(runs) == expected


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("gitops.yaml",), 1, "nothing that runs is declared there"),
        (("nowhere.yaml",), 2, "there is no nowhere.yaml"),
        (("/etc",), 2, "/etc isn't in "),
        (("--check", "mor"), 1, "did you mean more?"),
        (("--system", "nobody"), 1, "there is no system with a check 'nobody'"),
    ],
)
def test_test_of_what_isnt_there(
    edited: Repo, gitops: Gitops, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, words: str
) -> None:
    monkeypatch.chdir(edited.path)
    ran = gitops("test", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err


def test_test_of_faulty_documents_tells_all_of_them(edited: Repo, gitops: Gitops, server: Answers) -> None:
    edited.put("bad.yaml", "apiVersion: gitops/v2\nkind: Check\nmetadata: {name: b}\nspec: {interval: soon}\n")
    ran = gitops("test")
    assert ran.code == 1
    assert ran.out == ""
    assert "bad.yaml:4:18: error[bad-duration]" in ran.err
    assert server.asked == []


def test_test_where_nothing_runs(repo: Repo, gitops: Gitops, kit: Kit) -> None:
    repo.put("a.yaml", kit.check("alone"))
    ran = gitops("test")
    assert ran.code == 1
    assert "no system runs a check here" in ran.err
    assert "gitops run" not in ran.err
    repo.put("gitops.yaml", "external: {Environment: [live]}\n")
    repo.put("b.yaml", kit.system("shop", ["live"], ["alone"]))
    ran = gitops("test")
    assert "can only be run once it is applied (gitops run)" in ran.err
