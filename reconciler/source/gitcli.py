"""How git is called: in a fixed surrounding, without running anything that a repository brings along.

The folder decides which repository is meant, never the variables that git sets for hooks (``GIT_DIR`` and its kin): a
hook of one repository may well plan another. The exception is the quarantine of a server's pre-receive hook, whose
objects exist nowhere else yet.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from reconciler.base.errors import SourceError

OPTIONS = (
    "core.fsmonitor=false",  # would run a program
    "core.hooksPath=/dev/null",
)
_ALWAYS = {
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # the same for releases that don't know the former
    "GIT_NO_REPLACE_OBJECTS": "1",  # a commit's id must mean its content
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",  # its sentences are matched below
}
_OF_HOOKS = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
)
_OBJECTS = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")


def environment() -> dict[str, str]:
    """The variables git runs with."""
    dropped = _OF_HOOKS if "GIT_QUARANTINE_PATH" in os.environ else _OF_HOOKS + _OBJECTS
    return {name: value for name, value in os.environ.items() if name not in dropped} | _ALWAYS


def find_root(folder: Path) -> Path | None:
    """The top of the working tree that ``folder`` (resolved) is in, by the nearest ``.git``; ``None`` outside."""
    for above in (folder, *folder.parents):
        marker = above / ".git"
        if marker.is_file() or (marker / "HEAD").is_file() or (marker / "HEAD").is_symlink():
            return above
    return None


def run(folder: Path, *arguments: str, stdin: bytes = b"", also: Collection[int] = ()) -> bytes:
    """What ``git <arguments>`` prints. Raises :class:`SourceError` with a sentence for everything that can go wrong.

    ``also``: exit codes beside 0 that are no failure, such as the 1 by which git says that it found nothing.
    """
    import subprocess

    if not folder.is_dir():
        raise SourceError(f"there is no folder {folder}")
    command = ["git", *(part for option in OPTIONS for part in ("-c", option)), *arguments]
    try:
        done = subprocess.run(command, cwd=folder, env=environment(), input=stdin, capture_output=True, check=False)
    except FileNotFoundError:
        raise SourceError("git isn't installed, or isn't on the PATH", hint="install git, or pass --worktree") from None
    except OSError as error:
        raise SourceError(f"git can't be run in {folder}: {error.strerror}") from error
    if done.returncode != 0 and done.returncode not in also:
        raise failure(folder, done.stderr.decode("utf-8", "replace"))
    return done.stdout


def failure(folder: Path, stderr: str) -> SourceError:
    """The sentence for what git complained about."""
    if "not a git repository" in stderr:
        return SourceError(
            f"{folder} is not in a git repository",
            hint="run git init and commit, or pass --worktree to read the folder",
        )
    if "dubious ownership" in stderr or "unsafe repository" in stderr:
        return SourceError(
            f"git refuses the repository at {folder}, since another user owns it",
            hint=f"git config --global --add safe.directory {find_root(folder) or folder}",
        )
    lines = [line for line in stderr.strip().splitlines() if line.startswith(("fatal:", "error:"))] or [
        "no reason given"
    ]
    return SourceError(f"git can't read the repository at {folder}: {lines[0].partition(': ')[2] or lines[0]}")
