"""What a revision is, by one small git process and without GitPython: the way to a plan without changes.

Importing GitPython costs more than everything else such a plan does.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from reconciler.base.errors import SourceError
from reconciler.source.gitcli import find_root, run

CONFIG = "gitops.yaml"


class Head(NamedTuple):
    """A revision, seen from a folder. ``tree`` is that folder's, so a change elsewhere leaves it alone.

    ``config`` is the content of ``gitops.yaml`` in that folder at that commit, ``None`` without one. ``root`` is the
    folder inside the repository, with ``/`` and without one at its ends; empty for the top.
    """

    commit: str
    tree: str
    config: bytes | None
    root: str


class NoFolder(SourceError):
    """The commit has no such folder: it came later, or is gone."""


def resolve(folder: Path | str, rev: str = "HEAD") -> Head:
    """Resolve ``rev`` for ``folder``, in a working tree, a bare repository or a worktree.

    Raises :class:`SourceError`: no repository, no commit, no such revision, folder not in it, git missing.
    """
    folder = Path(folder).resolve()
    if not rev or any(character in rev for character in "\n\r\0"):
        raise SourceError(f"{rev!r} is not a revision")
    top = find_root(folder)
    root = "" if top is None or top == folder else folder.relative_to(top).as_posix()
    if "\n" in root:
        raise SourceError(f"a folder with a line break in its name can't be read from git: {root!r}")
    commit = f"{rev}^{{commit}}"
    asked = [commit, f"{commit}:{root}", f"{commit}:{root}/{CONFIG}" if root else f"{commit}:{CONFIG}"]
    out = run(folder, "cat-file", "--batch", "--follow-symlinks", stdin="".join(f"{a}\n" for a in asked).encode())
    (commit_kind, commit_id, _), rest = _reply(out)
    if commit_kind != "commit":
        raise _no_commit(folder, rev)
    (tree_kind, tree_id, _), rest = _reply(rest)
    if tree_kind != "tree":
        raise NoFolder(f"the folder {root} doesn't exist in {_shown(rev, commit_id)}")
    (config_kind, _, content), _ = _reply(rest)
    if config_kind in ("symlink", "loop", "dangling"):
        raise SourceError(f"{CONFIG} is a link that leads to no file of the repository", hint="commit the file itself")
    return Head(commit_id, tree_id, content if config_kind == "blob" else None, root)


def _reply(out: bytes) -> tuple[tuple[str, str, bytes], bytes]:
    """(type, id, content) of the first answer of ``cat-file --batch``, and what follows it.

    What isn't found has its verdict as the type: missing, ambiguous, symlink, dangling, loop, notdir.
    """
    header, _, rest = out.partition(b"\n")
    words = header.decode("utf-8", "replace").split(" ")
    if words[-1] in ("missing", "ambiguous"):
        return (words[-1], "", b""), rest
    size = int(words[-1])
    kind, name = (words[1], words[0]) if len(words) == 3 else (words[0], "")
    return (kind, name, rest[:size]), rest[size + 1 :]


def _no_commit(folder: Path, rev: str) -> SourceError:
    if rev == "HEAD":
        return SourceError(
            f"the repository at {folder} has no commit yet",
            hint="commit the documents, or pass --worktree to read them",
        )
    shallow = run(folder, "rev-parse", "--is-shallow-repository").strip() == b"true"
    hint = "this clone is shallow: git fetch --unshallow" if shallow else "git log --all --oneline shows what there is"
    return SourceError(f"there is no commit {rev} in the repository at {folder}", hint=hint)


def _shown(rev: str, commit: str) -> str:
    return rev if commit.startswith(rev) else f"{rev} ({commit[:12]})"
