"""Where documents and store are: the folder, the settings in force, and the tree, as late as possible.

What a commit means must not depend on what lies in the checkout, so ``gitops.yaml`` is read from the commit as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.base.errors import PlanRefused, SourceError, UsageError
from reconciler.flows.settings import FILE, Overrides, Settings, resolve
from reconciler.policy.names import is_policy_file
from reconciler.source.gitcli import find_root, run
from reconciler.source.head import Head
from reconciler.source.head import resolve as resolve_head

if TYPE_CHECKING:
    from reconciler.source.tree import Tree

_REMOTE_NAME = re.compile(r"([^/:\\]+?)(?:\.git)?/*\s*\Z")


@dataclass
class Source:
    """One source, settled but not read. ``head`` is None for a working tree."""

    folder: Path
    settings: Settings
    name: str
    head: Head | None
    config: bytes | None = None
    """``gitops.yaml`` as it was read."""
    _tree: Tree | None = None

    @property
    def store(self) -> str:
        """The address of its store; a relative file is relative to the folder."""
        address = self.settings.store
        if address == ":memory:" or "://" in address:
            return address
        return str(self.folder / address)

    def tree(self) -> Tree:
        """The files; listing and reading happens on demand."""
        if self._tree is None:
            if self.head is None:
                from reconciler.source.worktree import WorkTree

                self._tree = WorkTree(self.folder, wanted=self.wanted, name=self.name)
            else:
                from reconciler.source.git import GitTree

                self._tree = GitTree(self.folder, self.head.commit, wanted=self.wanted, name=self.name, head=self.head)
        return self._tree

    @cached_property
    def wanted(self) -> Callable[[str], bool]:
        """Which files may hold documents, by the globs of the settings."""
        from reconciler.source.globs import Globs

        globs, rules = Globs(self.settings.include, self.settings.exclude), Globs((), self.settings.exclude)
        return lambda path: path != FILE and (globs.match(path) or (is_policy_file(path) and rules.match(path)))

    def moved_past(self, held: str) -> bool:
        """Whether the commit is neither ``held`` nor older. A working tree always is: somebody made it on purpose.

        Raises ``PlanRefused`` when the clone is too shallow to tell.
        """
        if self.head is None:
            return True
        if self.head.commit == held:
            return False
        try:
            return bool(run(self.folder, "rev-list", "--max-count=1", self.head.commit, f"^{held}").strip())
        except SourceError:
            raise PlanRefused(
                "held",
                f"source {self.name} was rolled back from commit {held[:12]}, which this clone doesn't have, "
                "so that it can't be told whether git moved past it",
                hint="fetch the whole history (git fetch --unshallow), or pass --force",
            ) from None


def open_source(folder: Path, overrides: Overrides, *, rev: str | None = None, worktree: bool = False) -> Source:
    """Settle what is read: a commit (``rev``, else HEAD), or the working tree where asked or where there is no git.

    Raises ``SourceError``, ``UsageError``, and ``InvalidDocuments`` for ``gitops.yaml``.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise SourceError(f"there is no folder {folder}", hint="name the root of the repository")
    if rev is not None and not rev.strip():
        raise UsageError("the revision is empty", hint="an unset variable? leave --rev out to read HEAD")
    in_git = find_root(folder) is not None or not has_files(folder)
    if worktree or (not in_git and rev is None):
        head, file = None, _file_on_disk(folder)
    else:
        head = resolve_head(folder, rev or "HEAD")
        file = head.config
    settings = resolve(file, overrides)
    return Source(folder, settings, settings.source or _default_name(folder, in_git), head, file)


def nothing_at(rev: str, other: Source) -> Source:
    """The same source at a commit that hasn't got its folder."""
    from reconciler.source.tree import NoFiles

    commit = run(other.folder, "rev-parse", "--verify", "--end-of-options", f"{rev}^{{commit}}").decode().strip()
    tree = NoFiles(other.name, commit)
    return Source(other.folder, other.settings, other.name, None, other.config, tree)


def folder_in_repository(folder: Path) -> str:
    """Where the folder lies, seen from the top of its repository, with ``/``; empty for the top, and outside of git."""
    folder = folder.resolve()
    root = find_root(folder)
    return "" if root is None or root == folder else folder.relative_to(root).as_posix()


def has_files(folder: Path) -> bool:
    """Whether there are files beside git's own: a bare repository has none to read."""
    return find_root(folder.resolve()) is not None or not (folder / "HEAD").is_file()


def _file_on_disk(folder: Path) -> bytes | None:
    """The settings as they are on disk; a link that leads out of the repository isn't followed."""
    if not os.path.lexists(folder / FILE):
        return None
    from reconciler.source.worktree import WorkTree

    tree = WorkTree(folder, listing=[os.fsencode(FILE)])
    for _, content in tree.read([path for path, _ in tree.entries()]):
        return content
    for fault in tree.faults:
        raise SourceError(f"{folder / FILE} can't be read: {fault.message}", hint=fault.hint)
    return None


def _default_name(folder: Path, in_git: bool) -> str:
    """The repository's name: of its origin, so that each clone has the same, else of its folder; then the subfolder."""
    if not in_git:
        return folder.name or "root"
    root = find_root(folder) or folder
    config = run(folder, "config", "--default", "", "--get", "remote.origin.url").decode("utf-8", "replace").strip()
    match = _REMOTE_NAME.search(config)
    name = match[1] if match else root.name.removesuffix(".git") or "root"
    below = folder.relative_to(root).as_posix() if folder != root else ""
    return f"{name}/{below}" if below else name
