"""What lies between two commits is the same by reading what differs as by reading everything."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from reconciler.base.errors import InvalidDocuments
from reconciler.flows.between import Between, between_by, whole
from reconciler.flows.between_quick import over, quick
from reconciler.flows.opened import Source
from reconciler.flows.settings import Settings
from reconciler.plan.focus import EVERYTHING
from reconciler.report.plan_json import compared_json
from reconciler.source.delta import TreeDelta
from tests.conftest import Files, Repo
from tests.properties.test_incremental import Placed, commits

if TYPE_CHECKING:
    from tests.conftest import Kit

IN_GIT = settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
QUICK = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def source(repository: list[Placed], asked: Settings) -> Source:
    files: dict[str, list[Any]] = {}
    for placed in repository:
        files.setdefault(f"{placed.file}.yaml", []).append(placed.document)
    return Source(Path(), asked, "shop", None, None, Files("shop", files))


def told(found: Between) -> Any:
    return compared_json(found.plan, found.bodies, found.base, EVERYTHING)


def is_valid(of: Source) -> bool:
    try:
        with whole(of, of):
            return True
    except InvalidDocuments:
        return False


@QUICK
@given(st.data())
def test_the_short_way_is_the_long_way(kit: Kit, data: st.DataObject) -> None:
    history = data.draw(commits(kit))
    asked = Settings(deletion=data.draw(st.sampled_from(["orphan", "delete"])))
    base, head = source(history[0], asked), source(history[-1], asked)
    # What no change touches may be wrong as it was before: that is for validate, which looks at everything.
    assume(is_valid(base))
    found = over(TreeDelta(base.tree(), head.tree()), asked, name="shop", commit=head.tree().commit or "")
    try:
        with whole(base, head) as read:
            expected = told(read)
    except InvalidDocuments:
        event("invalid")
        assert found is None
    else:
        event("valid")
        assert found is not None, "nothing is wrong, so there is nothing to doubt"
        assert told(between_by(found, base.tree().commit or "")) == expected


@IN_GIT
@given(st.data())
def test_the_short_way_through_git(kit: Kit, data: st.DataObject) -> None:
    """From a commit to a commit, and to the files on disk, as git tells them apart."""
    history = data.draw(commits(kit, dangling=False))
    with TemporaryDirectory() as folder:
        repo = Repo(Path(folder) / "repo")
        repo.put("gitops.yaml", "source: shop\n")
        commits_of = [lay(repo, repository) for repository in history]
        for worktree in (False, True):
            if worktree:
                write(repo, history[0])
            rev = None if worktree else commits_of[-1]
            base = repo.open(rev=commits_of[-1 if worktree else 0])
            assume(is_valid(base))
            head = repo.open(rev=rev, worktree=worktree)
            found = quick(base, head)
            try:
                with whole(base, repo.open(rev=rev, worktree=worktree)) as read:
                    expected = told(read)
            except InvalidDocuments:
                assert found is None
                continue
            assert found is not None
            assert told(between_by(found, expected["base"]["commit"])) == expected


def write(repo: Repo, repository: list[Placed]) -> None:
    for path in repo.path.glob("[0-9]*.yaml"):
        path.unlink()
    files: dict[str, list[Any]] = {}
    for placed in repository:
        files.setdefault(f"{placed.file}.yaml", []).append(placed.document)
    for name, documents in files.items():
        repo.put(name, documents)


def lay(repo: Repo, repository: list[Placed]) -> str:
    write(repo, repository)
    return repo.commit()
