"""gitops.yaml: read from where the documents are read, a flag wins over it, and its faults have a line."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.base.errors import InvalidDocuments, SourceError, UsageError
from reconciler.flows.opened import open_source
from reconciler.flows.settings import Overrides, Settings, resolve
from reconciler.plan.safety import Limits
from reconciler.store.sql_writer import SqlStore

if TYPE_CHECKING:
    from tests.conftest import Kit, Repo

FULL = b"""\
source: fleet
include: [monitoring/**/*.yaml, more.yml]
exclude: "**/draft-*.yaml"
store: state.db
deletion: delete
limits: {deletePercent: 12.5, minResources: 3}
external: {Environment: [production], Check: up}
"""


def test_every_setting_is_read() -> None:
    assert resolve(FULL, Overrides()) == Settings(
        source="fleet",
        include=("monitoring/**/*.yaml", "more.yml"),
        exclude=("**/draft-*.yaml",),
        store="state.db",
        deletion="delete",
        limits=Limits(12.5, 3),
        external={"Environment": ("production",), "Check": ("up",)},
    )


@pytest.mark.parametrize("nothing", [None, b"", b"# only a comment\n", b"---\n"])
def test_without_a_word_the_defaults_hold(nothing: bytes | None) -> None:
    assert resolve(nothing, Overrides()) == Settings()


def test_a_flag_wins_over_the_file() -> None:
    overrides = Overrides("flag", ("f",), (), "flag.db", "orphan", 99.0, 0)
    assert resolve(FULL, overrides) == Settings(
        "flag", ("f",), (), "flag.db", "orphan", Limits(99.0, 0), resolve(FULL, Overrides()).external
    )
    assert resolve(FULL, Overrides(min_resources=7)).limits == Limits(12.5, 7)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("sauce: x", 1, 1, "unknown setting 'sauce'"),
        ("source: a\ndeletion: keep", 2, 11, "deletion must be orphan or delete, not 'keep'"),
        ("source: ''", 1, 9, "source must be a text that isn't empty"),
        ("store: 7", 1, 8, "store must be a text"),
        ("include: {a: b}", 1, 10, "include must be a list of globs"),
        ("include:\n  - a\n  - 3", 3, 5, "must be a text"),
        ("limits: 3", 1, 9, "limits must be a map"),
        ("limits:\n  percent: 3", 2, 3, "unknown limit 'percent'"),
        ("limits: {deletePercent: true}", 1, 25, "must be a number from 0 on"),
        ("limits: {minResources: -1}", 1, 24, "must be a number from 0 on"),
        ("external: [a]", 1, 11, "external must be a map"),
        ("- a", 1, 1, "the settings are one map"),
        ("source: a\n---\nsource: b", 3, 1, "the settings are one map"),
        ("source: [", 1, None, ""),
        ("source: a\nsource: b", 2, 1, ""),
    ],
)
def test_a_fault_has_its_place(text: str, line: int, column: int | None, message: str) -> None:
    with pytest.raises(InvalidDocuments) as caught:
        resolve(text.encode(), Overrides())
    [d] = caught.value.diagnostics
    assert d.place is not None
    assert (d.place.path, d.place.line) == ("gitops.yaml", line)
    assert column in (None, d.place.column)
    assert message in d.message


def test_an_empty_name_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="the name of the source is empty"):
        resolve(None, Overrides(source=" "))


def test_globs_choose_the_documents(kit: Kit, memory: SqlStore, repo: Repo) -> None:
    repo.put("gitops.yaml", "include: ['monitoring/**/*.yaml']\nexclude: ['**/draft.yaml']\n")
    repo.put("monitoring/a.yaml", kit.system("a"))
    repo.put("monitoring/deep/b.yaml", kit.system("b"))
    repo.put("monitoring/draft.yaml", kit.system("draft"))
    repo.put("elsewhere.yaml", "kind: [")
    repo.commit()
    assert kit.actions(kit.plan_repo(memory, repo.open())) == {"System a": "create", "System b": "create"}
    overrides = Overrides(include=("**/draft.yaml",), exclude=())
    assert kit.actions(kit.plan_repo(memory, repo.open(overrides))) == {"System draft": "create"}


def test_without_globs_documents_of_other_tools_are_passed_over_and_counted(kit: Kit, memory: SqlStore) -> None:
    chart = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n---\nservices: {}\n"
    files: dict[str, Any] = {"a.yaml": kit.system("a"), "chart.yaml": chart}
    plan = kit.apply(memory, files).plan
    assert (plan.totals.files, plan.totals.documents, plan.totals.passed_over) == (2, 1, 2)
    for quick in (True, False):
        later = kit.plan(memory, files, quick=quick)
        assert (later.totals.documents, later.totals.passed_over) == (1, 2), "counts survive what isn't read again"
    files["a.yaml"] = [kit.system("a"), kit.system("b")]
    assert kit.plan(memory, files).totals.passed_over == 2
    del files["chart.yaml"]
    assert kit.apply(memory, files).plan.totals.passed_over == 0


def test_with_globs_a_document_of_another_tool_is_a_fault(kit: Kit, memory: SqlStore) -> None:
    files = {"a.yaml": kit.system("a"), "chart.yaml": "a: 1\n---\napiVersion: apps/v1\nkind: Deployment\n"}
    faults = kit.faults(memory, files, settings=Settings(include=("*.yaml",)))
    assert [(f.code, str(f.place)) for f in faults] == [
        ("foreign-document", "chart.yaml:1:1"),
        ("foreign-document", "chart.yaml:3:13"),
    ]


def test_the_settings_of_a_commit_are_in_the_commit(repo: Repo) -> None:
    repo.put("gitops.yaml", "source: committed\n")
    first = repo.commit()
    repo.put("gitops.yaml", "source: later\n")
    repo.commit()
    repo.put("gitops.yaml", "source: on-disk\n")
    assert repo.open().name == "later"
    assert repo.open(rev=first).name == "committed"
    assert repo.open(worktree=True).name == "on-disk"
    repo.remove("gitops.yaml")
    assert repo.open().name == "later"
    assert repo.open(worktree=True).name == "repo"


def test_broken_settings_on_disk_dont_touch_a_commit(repo: Repo) -> None:
    repo.put("gitops.yaml", "source: fine\n")
    repo.commit()
    repo.put("gitops.yaml", "source: [\n")
    assert repo.open().name == "fine"
    with pytest.raises(InvalidDocuments):
        repo.open(worktree=True)


def test_the_settings_are_no_document(kit: Kit, memory: SqlStore, repo: Repo) -> None:
    repo.put("gitops.yaml", "include: ['*.yaml']\n")
    repo.put("a.yaml", kit.system("a"))
    repo.commit()
    assert kit.plan_repo(memory, repo.open()).totals.files == 1
    assert kit.plan_repo(memory, repo.open(worktree=True)).totals.files == 1


@pytest.mark.parametrize(
    ("remote", "name"),
    [
        ("https://git.example.net/team/orders.git", "orders"),
        ("https://git.example.net/team/orders", "orders"),
        ("https://git.example.net/team/orders/", "orders"),
        ("git@git.example.net:team/orders.git", "orders"),
        ("git@git.example.net:orders", "orders"),
        ("ssh://git@git.example.net:22/team/orders.git/", "orders"),
        ("/srv/git/orders.git", "orders"),
        ("../orders", "orders"),
        ("https://git.example.net/team/or.ders.git", "or.ders"),
        ("", "repo"),
    ],
)
def test_the_name_of_a_source_is_that_of_its_origin(repo: Repo, remote: str, name: str) -> None:
    if remote:
        repo.git("config", "remote.origin.url", remote)
    repo.commit()
    assert repo.open().name == name
    assert repo.open(worktree=True).name == name


def test_a_folder_below_the_root_is_a_source_of_its_own(kit: Kit, memory: SqlStore, repo: Repo) -> None:
    repo.git("config", "remote.origin.url", "https://git.example.net/team/mono.git")
    repo.put("one/gitops.yaml", "deletion: delete\n")
    repo.put("one/a.yaml", kit.system("a"))
    repo.put("two/b.yaml", kit.system("b"))
    repo.commit()
    one, two = open_source(repo.path / "one", Overrides()), open_source(repo.path / "two", Overrides())
    assert (one.name, two.name) == ("mono/one", "mono/two")
    assert (one.settings.deletion, two.settings.deletion) == ("delete", "orphan")
    for source in (one, two):
        kit.apply_repo(memory, source)
    assert [s.name for s in memory.sources()] == ["mono/one", "mono/two"]
    repo.put("two/b.yaml", kit.system("b", title="B"))
    repo.commit()
    assert not kit.plan_repo(memory, open_source(repo.path / "one", Overrides())).pending
    assert kit.plan_repo(memory, open_source(repo.path / "two", Overrides())).pending


def test_where_the_store_is(repo: Repo) -> None:
    repo.commit()
    assert repo.open().store == str(repo.path / ".gitops/store.db")
    assert repo.open(Overrides(store="/var/x.db")).store == "/var/x.db"
    assert repo.open(Overrides(store=":memory:")).store == ":memory:"
    assert repo.open(Overrides(store="sqlite:////var/x.db")).store == "sqlite:////var/x.db"


def test_a_commit_and_the_working_tree_are_told_apart(kit: Kit, memory: SqlStore, repo: Repo) -> None:
    repo.put("a.yaml", kit.system("a"))
    commit = repo.commit()
    repo.put("b.yaml", kit.system("b"))
    assert kit.actions(kit.plan_repo(memory, repo.open())) == {"System a": "create"}
    there = kit.plan_repo(memory, repo.open(worktree=True))
    assert kit.actions(there) == {"System a": "create", "System b": "create"}
    assert there.commit == ""
    kit.apply_repo(memory, repo.open())
    assert memory.history(1)[0].commit == commit
    repo.remove("b.yaml")
    plan = kit.plan_repo(memory, repo.open(worktree=True))
    assert (plan.pending, plan.reread) == (False, 0), "both know a file by the same blob"


def test_a_folder_without_git_is_read_as_it_is(kit: Kit, memory: SqlStore, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "a.yaml").write_bytes(b"{apiVersion: gitops/v2, kind: System, metadata: {name: a}}\n")
    (folder / "gitops.yaml").write_text("deletion: delete\n")
    source = open_source(folder, Overrides())
    assert (source.name, source.head, source.settings.deletion) == ("plain", None, "delete")
    assert source.moved_past("anything")
    kit.apply_repo(memory, source)
    assert not kit.plan_repo(memory, open_source(folder, Overrides())).pending
    with pytest.raises(SourceError):
        open_source(folder, Overrides(), rev="HEAD")


def test_what_isnt_there(tmp_path: Path, repo: Repo) -> None:
    with pytest.raises(SourceError, match="there is no folder"):
        open_source(tmp_path / "nowhere", Overrides())
    with pytest.raises(SourceError, match="no commit yet"):
        repo.open()
    repo.commit()
    with pytest.raises(SourceError, match="there is no commit v9"):
        repo.open(rev="v9")


def test_a_bare_repository_is_a_source(kit: Kit, memory: SqlStore, repo: Repo, tmp_path: Path) -> None:
    repo.put("a.yaml", kit.system("a"))
    repo.commit()
    bare = tmp_path / "orders.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(repo.path), str(bare)], check=True)
    subprocess.run(["git", "-C", str(bare), "remote", "remove", "origin"], check=True)
    source = open_source(bare, Overrides())
    assert source.name == "orders"
    assert kit.actions(kit.plan_repo(memory, source)) == {"System a": "create"}


@pytest.mark.parametrize("rev", ["", "  "])
def test_an_empty_revision_is_an_unset_variable_not_head(repo: Repo, rev: str) -> None:
    with pytest.raises(UsageError, match="the revision is empty"):
        repo.open(rev=rev)
