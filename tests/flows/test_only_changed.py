"""``validate --only-changed`` over real repositories: what git says changed, and how the rest is searched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.base.errors import SourceError, UsageError
from reconciler.flows.check_changed import check
from reconciler.flows.opened import Source, open_source
from reconciler.flows.settings import Overrides
from reconciler.flows.validate import validate
from reconciler.flows.validate_changed import validate_changed
from reconciler.flows.validation import Validation
from reconciler.source.delta import TreeDelta
from reconciler.source.git import GitTree
from reconciler.source.gitdelta import GitDelta, delta, merge_base
from tests.conftest import Repo

if TYPE_CHECKING:
    from tests.conftest import Kit


def told(found: Validation) -> list[tuple[str, str, int]]:
    """(code, file, line) of each."""
    return [(d.code, d.place.path, d.place.line) for d in found.diagnostics if d.place is not None]


@pytest.fixture
def shop(repo: Repo, kit: Kit) -> Repo:
    """The small source of the kit, committed, with an unrelated fault beside it."""
    for name, documents in kit.shop().items():
        repo.put(name, documents)
    repo.put("other/bad.yaml", kit.document("Group", "bad", {"colour": "red"}))
    repo.commit()
    return repo


def both(repo: Repo, base: str = "HEAD", *, rev: str | None = None) -> Validation:
    """By git, and by reading both trees: the same."""
    source = repo.open(rev=rev, worktree=rev is None)
    found = validate_changed(source, base)
    since = merge_base(source.folder, base, "HEAD" if rev is None else rev)
    before = GitTree(source.folder, since.commit, wanted=source.wanted, head=since)
    slow = TreeDelta(before, repo.open(rev=rev, worktree=rev is None).tree())
    assert check(slow, source.settings, name=source.name).diagnostics == found.diagnostics
    everything = set(told(validate(repo.open(rev=rev, worktree=rev is None))))
    assert set(told(found)) <= everything
    return found


def test_nothing_changed(shop: Repo) -> None:
    found = both(shop)
    assert (found.diagnostics, found.files, found.valid) == ((), (), True)
    assert not validate(shop.open()).valid


def test_a_check_that_breaks_in_an_environment(shop: Repo, kit: Kit) -> None:
    shop.put("checks.yaml", [kit.check("ready", "{{ environment.url }}/{{ environment.tier }}"), kit.check("home")])
    assert told(both(shop)) == [("template-undefined", "checks.yaml", 1)]
    commit = shop.commit()
    assert told(both(shop, "HEAD~1", rev=commit)) == [("template-undefined", "checks.yaml", 1)]
    assert both(shop).diagnostics == ()


def test_an_environment_field_that_goes(shop: Repo, kit: Kit) -> None:
    shop.put(
        "environments.yaml", [kit.environment("production", url="https://p.example.net"), kit.environment("staging")]
    )
    assert told(both(shop)) == [("template-undefined", "checks.yaml", 1)]


def test_a_document_that_goes(shop: Repo) -> None:
    shop.remove("checks.yaml")
    assert told(both(shop)) == [("unresolved-reference", "systems.yaml", 1)] * 2
    shop.git("rm", "-q", "checks.yaml")
    assert told(both(shop)) == [("unresolved-reference", "systems.yaml", 1)] * 2
    shop.commit()
    assert told(both(shop, "HEAD~1", rev="HEAD")) == [("unresolved-reference", "systems.yaml", 1)] * 2


def test_untracked_and_staged_files_count_and_ignored_ones_dont(shop: Repo, kit: Kit) -> None:
    shop.put("new.yaml", kit.system("late", ["production"], ["nowhere"]))
    assert told(both(shop)) == [("unresolved-reference", "new.yaml", 1)]
    shop.git("add", "new.yaml")
    assert told(both(shop)) == [("unresolved-reference", "new.yaml", 1)]
    shop.put(".gitignore", "new.yaml\n")
    shop.git("rm", "-q", "--cached", "new.yaml")
    assert told(both(shop)) == []


def test_a_name_that_stands_elsewhere_already(shop: Repo, kit: Kit) -> None:
    shop.put("a.yaml", kit.check("home"))
    (found,) = both(shop).diagnostics
    assert (found.code, str(found.place)[:12]) == ("duplicate-name", "checks.yaml:")
    assert [str(place) for _, place in found.related] == ["a.yaml:1:1"]


def test_a_file_that_was_only_touched_is_no_change(shop: Repo) -> None:
    os.utime(shop.path / "checks.yaml", (1, 1))
    assert both(shop).files == ()


def test_the_base_is_where_the_branch_began(shop: Repo, kit: Kit) -> None:
    shop.git("checkout", "-q", "-b", "feature")
    shop.put("mine.yaml", kit.document("Group", "mine", {"colour": "red"}))
    shop.commit()
    shop.git("checkout", "-q", "main")
    shop.put("theirs.yaml", kit.document("Group", "theirs", {"colour": "red"}))
    shop.commit()
    shop.git("checkout", "-q", "feature")
    assert told(both(shop, "main")) == [("unknown-key", "mine.yaml", 1)]
    assert told(both(shop, "main", rev="feature")) == [("unknown-key", "mine.yaml", 1)]


def test_a_folder_of_a_repository(shop: Repo, kit: Kit) -> None:
    for name, documents in kit.shop().items():
        shop.put(f"sub/dir/{name}", documents)
    shop.commit()
    shop.put("sub/dir/checks.yaml", kit.check("ready"))
    shop.put("checks.yaml", kit.check("ready"))
    folder = Repo.__new__(Repo)
    folder.path = shop.path / "sub" / "dir"
    assert told(both(folder)) == [("unresolved-reference", "systems.yaml", 1)]


CUNNING = {
    "plain": "apiVersion: gitops/v2\nkind: Check\nmetadata: {name: home}\nspec: &s\n  interval: 30s\n",
    "json": '{"apiVersion":"gitops/v2","kind":"Check","metadata":{"name":"home"},\n"spec":{"interval":"30s",\n',
    "escaped": 'apiVersion: gitops/v2\nkind: Check\nmetadata: {name: "h\\x6fme"}\nspec:\n  interval: 30s\n',
    "cut": 'apiVersion: gitops/v2\nkind: Check\nmetadata: {name: "ho\\\n  me"}\nspec:\n  interval: 30s\n',
    "alias": "apiVersion: gitops/v2\nkind: Check\nmetadata: {title: &t home, name: *t}\nspec:\n  interval: 30s\n",
    "below": "apiVersion: gitops/v2\nkind: Check\nmetadata:\n  name:\n    home\nspec:\n  interval: 30s\n",
    "comment": "apiVersion: gitops/v2\nkind: Check\nmetadata:\n  name: # what\n    home\nspec:\n  interval: 30s\n",
    "block": "apiVersion: gitops/v2\nkind: Check\nmetadata:\n  name: >-\n    home\nspec:\n  interval: 30s\n",
    "tagged": "apiVersion: gitops/v2\nkind: Check\nmetadata: {name: !!str 'home'}\nspec:\n  interval: 30s\n",
    "explicit": "apiVersion: gitops/v2\nkind: Check\nmetadata:\n  ? name\n  : home\nspec:\n  interval: 30s\n",
    "crlf": "apiVersion: gitops/v2\r\nkind: Check\r\nmetadata:\r\n  name: home\r\nspec:\r\n  interval: 30s\r\n",
    "key": 'apiVersion: gitops/v2\nkind: Check\nmetadata: {"n\\u0061me": home}\nspec:\n  interval: 30s\n',
}
REST = "  strategy: {type: http@3}\n  collectors: [{type: request@1, config: {url: '{{ environment.gone }}'}}]\n"
REST_JSON = (
    '"strategy":{"type":"http@3"},"collectors":[{"type":"request@1","config":{"url":"{{ environment.gone }}"}}]}}'
)


@pytest.mark.parametrize("how", CUNNING)
def test_however_a_name_is_written_its_document_is_found(how: str, repo: Repo, kit: Kit) -> None:
    """The check didn't change; a system comes to run it, and only so its fault comes up."""
    text = CUNNING[how]
    rest = REST_JSON if how == "json" else REST.replace("\n", "\r\n") if how == "crlf" else REST
    repo.put("deep/check.yaml", (text + rest).encode())
    repo.put("env.yaml", kit.environment("production"))
    repo.put("home-page.yaml", kit.system("home-page", ["production"]))
    repo.commit()
    repo.put("home-page.yaml", kit.system("home-page", ["production"], ["home"]))
    assert [d[:2] for d in told(both(repo))] == [("template-undefined", "deep/check.yaml")]


@pytest.mark.parametrize("how", ["'home'", '"h\\x6fme"', '"ho\\\n      me"', "!!str home", "*h"])
def test_however_a_name_is_referred_to_its_referrer_is_found(how: str, repo: Repo, kit: Kit) -> None:
    repo.put("check.yaml", kit.check("home"))
    text = "apiVersion: gitops/v2\nkind: System\nmetadata: {name: s, description: &h home}\nspec:\n  checks:\n"
    repo.put("system.yaml", f"{text}  - check: {how}\n".encode())
    repo.commit()
    repo.remove("check.yaml")
    assert told(both(repo)) == [("unresolved-reference", "system.yaml", 6)]


def test_links_are_followed_to_what_changed(shop: Repo, kit: Kit) -> None:
    """The link itself is as it was."""
    shop.put("source.txt", kit.document("Group", "linked"))
    (shop.path / "linked.yaml").symlink_to("source.txt")
    shop.commit()
    shop.put("source.txt", kit.document("Group", "linked", {"colour": "red"}))
    assert told(both(shop)) == [("unknown-key", "linked.yaml", 1)]
    shop.commit()
    assert told(both(shop, "HEAD~1", rev="HEAD")) == [("unknown-key", "linked.yaml", 1)]


def test_what_cant_be_read_is_told(shop: Repo) -> None:
    (shop.path / "out.yaml").symlink_to("/etc/hostname")
    assert told(both(shop)) == [("symlink", "out.yaml", 1)]


def test_a_variable_that_is_unset_is_no_commit(shop: Repo) -> None:
    with pytest.raises(UsageError, match="the revision is empty"):
        validate_changed(shop.open(worktree=True), " ")


def test_other_settings_mean_everything(shop: Repo) -> None:
    shop.put("gitops.yaml", "external: {Check: [elsewhere]}\n")
    found = validate_changed(shop.open(worktree=True), "HEAD")
    assert told(found) == [("unknown-key", "other/bad.yaml", 1)]
    assert found.since == ""


def test_names_of_other_sources_are_taken_as_given(repo: Repo, kit: Kit) -> None:
    repo.put("gitops.yaml", "external: {Check: [home]}\n")
    repo.put("check.yaml", kit.check("home"))
    repo.put("system.yaml", kit.system("s", [], ["home"]))
    repo.commit()
    repo.remove("check.yaml")
    assert told(both(repo)) == []


def test_many_changes_are_checked_by_reading_everything(repo: Repo, kit: Kit) -> None:
    for n in range(300):
        repo.put(f"c{n}.yaml", kit.check(f"c{n}"))
    repo.put("env.yaml", kit.environment("production"))
    repo.put("s.yaml", kit.system("s", ["production"], [f"c{n}" for n in range(300)]))
    repo.commit()
    for n in range(250):
        repo.put(f"c{n}.yaml", kit.check(f"c{n}", "{{ environment.gone }}"))
    found = both(repo)
    assert len(found.diagnostics) == 250


def test_a_shallow_clone_says_what_is_missing(shop: Repo, tmp_path: Path) -> None:
    shop.put("more.yaml", "")
    shop.commit()
    clone = tmp_path / "clone"
    shop.git("clone", "-q", "--depth=1", f"file://{shop.path}", str(clone))
    copy = Repo(clone)
    with pytest.raises(SourceError, match="no commit") as caught:
        validate_changed(copy.open(worktree=True), "HEAD~1")
    assert "unshallow" in (caught.value.hint or "")
    copy.git("checkout", "-q", "--orphan", "apart")
    copy.commit()
    with pytest.raises(SourceError, match="no commit in common"):
        validate_changed(copy.open(worktree=True), "main")


@pytest.mark.usefixtures("_no_git_variables")
def test_without_git_nothing_says_what_changed(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    source: Source = open_source(tmp_path / "plain", Overrides(), worktree=True)
    with pytest.raises(SourceError, match="not in a git repository"):
        validate_changed(source, "HEAD")


@pytest.mark.parametrize("kind", ["bare", "sha256"])
def test_bare_repositories_and_other_hashes(kind: str, shop: Repo, kit: Kit, tmp_path: Path) -> None:
    if kind == "bare":
        shop.put("checks.yaml", kit.check("ready"))
        shop.commit()
        shop.git("clone", "-q", "--bare", str(shop.path), str(tmp_path / "bare.git"))
        other = Repo.__new__(Repo)
        other.path = tmp_path / "bare.git"
    else:
        other = Repo(tmp_path / "sha256", "--object-format=sha256")
        for name, documents in kit.shop().items():
            other.put(name, documents)
        other.commit()
        other.put("checks.yaml", kit.check("ready"))
        assert told(both(other)) == [("unresolved-reference", "systems.yaml", 1)]
        other.commit()
    assert told(both(other, "HEAD~1", rev="HEAD")) == [("unresolved-reference", "systems.yaml", 1)]


@pytest.mark.parametrize("name", ["evil", "e=vil"])
def test_filters_that_attributes_name_never_run(name: str, shop: Repo, kit: Kit, tmp_path: Path) -> None:
    """Comparing files on disk would call them."""
    ran = tmp_path / "ran"
    shop.put(".gitattributes", f"*.yaml filter={name} diff={name}\n")
    shop.commit()
    for key in ("clean", "smudge", "process"):
        shop.git("config", f"filter.{name}.{key}", f"touch {ran}; cat")
    shop.git("config", f"filter.{name}.required", "true")
    shop.git("config", f"diff.{name}.textconv", f"touch {ran}; cat")
    shop.git("config", f"diff.{name}.command", f"touch {ran}; true")
    shop.git("config", "core.fsmonitor", f"touch {ran}")
    for path in shop.path.glob("*.yaml"):
        os.utime(path, (1, 1))
    shop.put("checks.yaml", kit.check("ready"))
    assert told(both(shop)) == [("unresolved-reference", "systems.yaml", 1)]
    assert not ran.exists()


def test_git_searches_what_doesnt_change(shop: Repo, kit: Kit) -> None:
    """Only what may matter is read: the measure of its speed."""
    for n in range(50):
        shop.put(f"more/{n}.yaml", kit.check(f"more-{n}"))
    shop.commit()
    shop.put("checks.yaml", [kit.check("ready"), kit.check("home")])
    source = shop.open(worktree=True)
    head = merge_base(shop.path, "HEAD", "HEAD")
    found = delta(shop.path, head, None, now=source.tree, wanted=source.wanted)
    assert isinstance(found, GitDelta)
    assert list(found.changed) == ["checks.yaml"]
    assert sorted(found.holding({"ready", "home"})) == ["systems.yaml"]
