"""What many tests share: real git repositories, sources in memory, stores, and the way through the flows.

Test modules aren't importable from each other, so helpers are handed out as fixtures; ``kit`` is safe for hypothesis.
"""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.base.canonical import digest, loads
from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import InvalidDocuments
from reconciler.flows.apply import Actor, Applied, apply_planned
from reconciler.flows.opened import Source, open_source
from reconciler.flows.plan import Options, make_plan
from reconciler.flows.position import plan_source, unchanged
from reconciler.flows.settings import Overrides, Settings
from reconciler.model.plan import Plan
from reconciler.store.open import open_store
from reconciler.store.port import Reader, Writer
from reconciler.store.sql_writer import SqlStore
from tests.servers.store_postgres import postgres_store, store_postgres

__all__ = ["postgres_store", "store_postgres"]

ACTOR = Actor("tester", "host")
Document = dict[str, Any]


class Repo:
    """A git repository in a folder of its own, driven by the git command."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main", *options)

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run git and return what it says."""
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *identity, *arguments], cwd=cwd or self.path, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def put(self, name: str, content: str | bytes | Document | Iterable[Document]) -> Path:
        """Write a file: text (dedented), bytes, or documents."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(content))
        return path

    def remove(self, name: str) -> None:
        """Delete a file of the working tree."""
        (self.path / name).unlink()

    def commit(self, message: str = "change") -> str:
        """Commit everything there is, and return the commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def open(self, overrides: Overrides | None = None, *, rev: str | None = None, worktree: bool = False) -> Source:
        """The source, as the command line opens it."""
        return open_source(self.path, overrides or Overrides(), rev=rev, worktree=worktree)


class Files:
    """A source in memory; see :class:`reconciler.source.tree.Tree`. Equal files have an equal ``tree``."""

    def __init__(self, name: str, files: Mapping[str, str | bytes | Document | Iterable[Document]]) -> None:
        self.name = name
        self._files = {path: as_bytes(content) for path, content in files.items()}
        self.faults: list[Diagnostic] = []
        self.tree = digest(*(part for p, c in sorted(self._files.items()) for part in (p.encode(), c)))
        self.commit: str | None = (self.tree * 2)[:40]
        self.reads: list[str] = []
        """Paths whose bytes were asked for."""

    def entries(self) -> list[tuple[str, str]]:
        """See the protocol."""
        return sorted((path, digest(content)) for path, content in self._files.items())

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See the protocol."""
        for path in paths:
            self.reads.append(path)
            yield path, self._files[path]


def as_bytes(content: str | bytes | Document | Iterable[Document]) -> bytes:
    """A file's bytes: each document on a line of its own, as JSON, which is YAML."""
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return textwrap.dedent(content).encode()
    documents = [content] if isinstance(content, dict) else list(content)
    return "---\n".join(json.dumps(d) + "\n" for d in documents).encode()


Given = Files | Mapping[str, Any]


class Kit:
    """Documents, and the way from files to a plan and to a generation."""

    def document(self, kind: str, name: str, spec: Mapping[str, Any] | None = None, **metadata: Any) -> Document:
        """A version 2 document."""
        return {
            "apiVersion": "gitops/v2",
            "kind": kind,
            "metadata": {"name": name, **metadata},
            "spec": dict(spec or {}),
        }

    def environment(self, name: str, extends: str | None = None, /, **fields: Any) -> Document:
        """An environment with these fields."""
        spec: Document = {"fields": fields}
        if extends:
            spec["extends"] = extends
        return self.document("Environment", name, spec)

    def check(self, name: str, url: str = "https://x.example.net/", **metadata: Any) -> Document:
        """An http check of one URL, which may hold a template."""
        spec = {
            "interval": "30s",
            "strategy": {"type": "http@3"},
            "collectors": [{"type": "request@1", "config": {"url": url}}],
        }
        return self.document("Check", name, spec, **metadata)

    def system(
        self,
        name: str,
        environments: Iterable[str] = (),
        checks: Iterable[str | Document] = (),
        *,
        dependencies: Iterable[str] = (),
        fields: Document | None = None,
        **metadata: Any,
    ) -> Document:
        """A system; a check is named, or given as a whole assignment."""
        spec = {
            "environments": list(environments),
            "checks": [c if isinstance(c, dict) else {"check": c} for c in checks],
            "dependencies": [{"system": d, "impact": "degraded"} for d in dependencies],
            "fields": fields or {},
        }
        return self.document("System", name, spec, **metadata)

    def shop(self, *, url: str = "{{ environment.url }}/ready") -> dict[str, list[Document]]:
        """A small source: two environments, two checks, one system; four slices."""
        return {
            "environments.yaml": [
                self.environment("production", url="https://p.example.net"),
                self.environment("staging", url="https://s.example.net"),
            ],
            "checks.yaml": [self.check("ready", url), self.check("home")],
            "systems.yaml": [self.system("shop", ["production", "staging"], ["ready", "home"])],
        }

    def many(self, n: int, *, groups: int = 0) -> dict[str, Document]:
        """``n`` systems without a slice, a file each."""
        return {f"s{i}.yaml": self.system(f"s{i}") for i in range(n)}

    def files(self, given: Given, source: str = "shop") -> Files:
        """The tree of what is given."""
        return given if isinstance(given, Files) else Files(source, given)

    def plan(
        self,
        store: Reader,
        given: Given,
        *,
        source: str = "shop",
        settings: Settings | None = None,
        force: bool = False,
        quick: bool = True,
        moved_past: Callable[[str], bool] | None = None,
    ) -> Plan:
        """The plan as the command line makes it. ``quick=False`` doesn't ask first whether anything changed."""
        tree, settings = self.files(given, source), settings or Settings()
        found = unchanged(store, tree.name, tree.tree, settings) if quick else None
        if found is not None:
            return found
        options = Options(force=force) if moved_past is None else Options(force=force, moved_past=moved_past)
        return make_plan(tree, settings, store, options=options)

    def apply(self, store: Writer, given: Given, *, actor: Actor = ACTOR, timeout: float = 0.0, **how: Any) -> Applied:
        """Plan and commit under the lock."""
        return apply_planned(store, lambda: self.plan(store, given, **how), actor=actor, lock_timeout=timeout)

    def commit(self, store: Writer, plan: Plan) -> Applied:
        """Commit a plan of any kind."""
        return apply_planned(store, lambda: plan, actor=ACTOR, lock_timeout=0.0)

    def plan_repo(self, store: Reader, source: Source, *, force: bool = False) -> Plan:
        """The plan of an opened repository."""
        return plan_source(source, store, force=force)

    def apply_repo(self, store: Writer, source: Source, *, force: bool = False) -> Applied:
        """Plan an opened repository and commit it."""
        return apply_planned(store, lambda: self.plan_repo(store, source, force=force), actor=ACTOR, lock_timeout=0.0)

    def faults(self, store: Reader, given: Given, **how: Any) -> list[Diagnostic]:
        """The errors that refuse a plan; fails where it isn't refused."""
        with pytest.raises(InvalidDocuments) as caught:
            self.plan(store, given, **how)
        return [d for d in caught.value.diagnostics if d.severity == "error"]

    def slices(self, store: Reader, generation: int | None = None) -> dict[str, Any]:
        """``system/check/environment`` to body."""
        rows = store.slice_rows(generation)
        return {f"{r.system}/{r.check}/{r.environment or '-'}": loads(r.body) for r in rows}

    def urls(self, store: Reader, generation: int | None = None) -> dict[str, str]:
        """``system/check/environment`` to the URL of its first collector."""
        slices = self.slices(store, generation)
        return {name: body["check"]["collectors"][0]["config"]["url"] for name, body in slices.items()}

    def uids(self, store: Reader) -> dict[str, int]:
        """``Kind name`` to uid, of what is there now."""
        return {str(s.resource.key): s.uid for s in store.resources()}

    def actions(self, plan: Plan) -> dict[str, str]:
        """``Kind name`` to action, without what is merely kept."""
        return {str(c.key): c.action.value for c in plan.resources if c.action.value != "keep"}

    def sound(self, store: Reader) -> None:
        """The store is as its last apply left it, and consistent in itself."""
        assert store.mismatches() == []
        assert store.seal_holds()
        uids = {s.uid for s in store.resources()}
        loose = [key for key in store.slice_digests() if key.system not in uids]
        assert loose == [], "slices of systems that aren't there"


@pytest.fixture(scope="session")
def kit() -> Kit:
    """Documents, plans and applies."""
    return Kit()


@pytest.fixture
def _no_git_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def repo(tmp_path: Path, _no_git_variables: None) -> Repo:
    """A real repository without a commit."""
    return Repo(tmp_path / "repo")


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """Where ``store`` keeps its file."""
    return tmp_path / "store" / "store.db"


@pytest.fixture
def store(store_path: Path) -> Iterator[SqlStore]:
    """An empty store in a file."""
    opened = open_store(str(store_path))
    yield opened
    opened.close()


@pytest.fixture
def memory() -> Iterator[SqlStore]:
    """An empty store in memory."""
    opened = open_store(":memory:")
    yield opened
    opened.close()
