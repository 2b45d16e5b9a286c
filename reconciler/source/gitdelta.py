"""The files that differ from a commit, found by git, which has them side by side; the rest is searched by ``git grep``.

Of the working tree only those files are read that git holds for touched. Nothing that a repository brings along runs:
comparing files on disk would call the filters that attributes name, so all that are configured are switched off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import SourceError
from reconciler.source.delta import Delta, TreeDelta, may_hold, titles_in
from reconciler.source.gitcli import find_root, run
from reconciler.source.head import Head, resolve
from reconciler.source.tree import Tree, Wanted
from reconciler.source.worktree import WorkTree

_LINK = b"120000"
_SUFFIXES = (b".yaml", b".yml")
_WORDS = 200
"""More words than that, and reading every file is quicker than looking for each."""
_AHEAD = 50
"""More names than that are looked for when it is known which of them matter."""
_FILES = 0.2
"""The same for a larger part of all files."""


def merge_base(folder: Path, base: str, head: str) -> Head:
    """Where ``head`` left ``base``: the commit, seen from the folder. Raises ``SourceError``."""
    tip, end = resolve(folder, base), resolve(folder, head)
    try:
        found = run(folder, "merge-base", tip.commit, end.commit).decode().strip()
    except SourceError:
        raise SourceError(
            f"{head} and {base} have no commit in common",
            hint="fetch the whole history: git fetch --unshallow, or fetch-depth: 0 of the checkout",
        ) from None
    return next((known for known in (tip, end) if known.commit == found), None) or resolve(folder, found)


def delta(folder: Path, base: Head, head: Head | None, *, now: Callable[[], Tree], wanted: Wanted) -> Delta:
    """From the commit ``base`` to the commit ``head``, or to the files on disk. ``now`` makes a tree of the latter."""
    found = GitDelta(folder, base, head, wanted=wanted)
    if found.simple:
        return found
    from reconciler.source.git import GitTree

    return TreeDelta(GitTree(folder, base.commit, wanted=wanted, head=base), now())


class GitDelta:
    """See :class:`~reconciler.source.delta.Delta`. Paths are relative to ``folder``.

    ``simple`` is false where links are among the files: what they lead to may change without them.
    """

    def __init__(self, folder: Path, base: Head, head: Head | None, *, wanted: Wanted) -> None:
        self._folder, self._wanted = folder, wanted
        self._top = find_root(folder) or folder
        self.base = base.commit
        self._blobs, self.simple = _listing(folder, base.tree, wanted)
        self.faults: list[Diagnostic] = []
        self.changed: list[str] = []
        self.gone: list[str] = []
        self._disk: WorkTree | None = None
        self._new: dict[str, str] = {}
        if not self.simple:
            return
        if head is not None:
            new, self.simple = _listing(folder, head.tree, wanted)
            self._new = {path: blob for path, blob in new.items() if self._blobs.get(path) != blob}
            self.gone = sorted(self._blobs.keys() - new.keys())
        else:
            self._read_disk(base)
        self.changed = sorted(self._new)
        self._unchanged = self._blobs.keys() - self._new.keys() - set(self.gone)
        self.total = len(self._unchanged) + len(self.changed)
        self.paths = self._blobs.keys() | self._new.keys()
        self._tree = base.tree
        self._searched: set[bytes] = set()
        self._found: dict[str, bytes] = {}
        self._all = False
        self._before: dict[str, bytes] = {}

    def now(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See the protocol."""
        asked = list(paths)
        if self._disk is not None:
            touched = [path for path in asked if path in self._new]
            yield from self._disk.read(touched)
            asked = [path for path in asked if path not in self._new]
        yield from _contents(self._folder, [(path, self._new.get(path) or self._blobs[path]) for path in asked])

    def before(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See the protocol. What was read ahead isn't read again."""
        asked = [path for path in paths if path in self._blobs]
        missing = [(path, self._blobs[path]) for path in asked if path not in self._before]
        self._before.update(_contents(self._folder, missing))
        yield from ((path, self._before[path]) for path in asked)

    def expect(self) -> None:
        """See the protocol."""
        names: set[bytes] = set()
        for texts in (self.now(self.changed), self.before([*self.changed, *self.gone])):
            names.update(name for _, data in texts for name in titles_in(data))
        if len(names) <= _AHEAD:
            self._search(names)

    def holding(self, words: Collection[str]) -> dict[str, bytes]:
        """See the protocol."""
        wanted = {word.encode() for word in words}
        self._search(wanted)
        return {path: data for path, data in self._found.items() if may_hold(data, wanted)}

    def _search(self, words: set[bytes]) -> None:
        new = words - self._searched
        if not new or self._all:
            return
        self._searched |= new
        if len(new) > _WORDS or len(self._new) > _FILES * len(self._blobs):
            self._all, paths = True, sorted(self._unchanged)
        else:
            paths = self._grep(new)
        self._found.update(self.now(path for path in paths if path not in self._found))

    def _grep(self, words: Collection[bytes]) -> list[str]:
        """Unchanged files with one of the words in them, or with a backslash, which may hide any word."""
        patterns = [part for word in ("\\", *sorted(os.fsdecode(w) for w in words)) for part in ("-e", word)]
        options = ("-l", "-z", "-a", "-F", "--no-textconv", "--no-recurse-submodules")
        out = run(self._top, "grep", *options, *patterns, self._tree, "--", "*.yaml", "*.yml", also=(1,))
        named = (row.partition(b":")[2].decode("utf-8", "surrogateescape") for row in out.split(b"\0") if row)
        return sorted(path for path in named if path in self._unchanged)

    def _read_disk(self, base: Head) -> None:
        off = _filters_off(self._folder)
        if off is None:
            self.simple = False
            return
        options = ("--raw", "-z", "--no-abbrev", "--no-renames", "--ignore-submodules=all", "--relative")
        rows = run(self._folder, *off, "diff-index", *options, base.commit, "--").split(b"\0")
        touched, top = set(rows[1::2]), os.fsencode(self._folder)
        deleted = {path for row, path in zip(rows[0::2], rows[1::2], strict=False) if row.endswith(b" D")}
        loose = run(self._folder, "ls-files", "-o", "--exclude-standard", "-z").split(b"\0")
        listing = [path for path in (*(touched - deleted), *loose) if path and not path.endswith(b"/")]
        if any(path.endswith(_SUFFIXES) and os.path.islink(os.path.join(top, path)) for path in listing):
            self.simple = False
            return
        disk = WorkTree(self._folder, wanted=self._wanted, listing=listing)
        there = dict(disk.entries())
        self.faults = disk.faults
        faulty = {d.place.path for d in self.faults if d.place is not None}
        self._disk = disk
        self._new = {path: blob for path, blob in there.items() if self._blobs.get(path) != blob}
        names = {path.decode("utf-8", "surrogateescape") for path in touched}
        self.gone = sorted(path for path in names & self._blobs.keys() if path not in there and path not in faulty)
        self._blobs = {path: blob for path, blob in self._blobs.items() if path not in faulty}


def _listing(folder: Path, tree: str, wanted: Wanted) -> tuple[dict[str, str], bool]:
    """Wanted path to blob, and whether all of them are plain files with names in UTF-8."""
    found: dict[str, str] = {}
    simple = True
    for row in run(find_root(folder) or folder, "ls-tree", "-r", "-z", "--full-tree", tree).split(b"\0")[:-1]:
        facts, _, raw = row.partition(b"\t")
        path = raw.decode("utf-8", "surrogateescape")
        if not path.endswith((".yaml", ".yml")) or not wanted(path):
            continue
        mode, kind, blob = facts.split(b" ")
        if kind == b"blob":
            simple = simple and mode != _LINK and path.isprintable()
            found[path] = blob.decode()
    return found, simple


def _contents(folder: Path, asked: list[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    if not asked:
        return
    out = run(folder, "cat-file", "--batch", "--buffer", stdin="".join(f"{blob}\n" for _, blob in asked).encode())
    at = 0
    for path, blob in asked:
        end = out.index(b"\n", at)
        header = out[at:end].split()
        if len(header) != 3:
            raise SourceError(
                f"git has no content for {path} (object {blob})",
                hint="this is a partial clone; fetch the missing objects: git fetch --refetch --no-filter",
            )
        at = end + 1 + int(header[2])
        yield path, out[end + 1 : at]
        at += 1


def _filters_off(folder: Path) -> list[str] | None:
    """Options that keep git from running the programs which its configuration names for files with attributes.

    None where no option can: one that names a driver with an equals sign would be cut there.
    """
    names = run(folder, "config", "-z", "--name-only", "--get-regexp", r"^filter\.", also=(1,)).decode().split("\0")
    drivers = {name.removeprefix("filter.").rpartition(".")[0] for name in names if name}
    if any("=" in driver for driver in drivers):
        return None
    off = {"clean": "", "smudge": "", "process": "", "required": "false"}
    options = (f"filter.{driver}.{key}={value}" for driver in sorted(drivers) for key, value in off.items())
    return [part for option in options for part in ("-c", option)]
