"""What those who write migration steps ask: which chains there are, and whether they would hold once merged.

Two branches that both add version 3 are sound each on its own. Git merges them without a word when the files have
different names, so the tree that the merge will make is looked at before it is made.
"""

from __future__ import annotations

import inspect
import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from reconciler.base.errors import ChainError, SourceError, UsageError
from reconciler.source.gitcli import find_root, run
from reconciler.versioning.chain import Chain, Migration
from reconciler.versioning.loading import load_chains

FOLDER = "migrations"
"""Where steps are in a checkout of this project."""
_STEP = re.compile(r"(?P<subject>.+)/v(?P<frm>\d+)_to_v(?P<to>\d+)\.py\Z")
_SCHEMA = re.compile(r"schemas/(?P<subject>.+)/v(?P<version>\d+)\.schema\.json\Z")


class Story(NamedTuple):
    """A step and all that its docstring says."""

    step: Migration
    text: str
    renamed: tuple[str, ...]


def chains() -> list[Chain]:
    """Every chain, by subject. Raises ``ChainError``."""
    return [chain for _, chain in sorted(load_chains().items())]


def chain_of(subject: str) -> Chain:
    """One chain. Raises ``UsageError`` for a subject that isn't there."""
    known = load_chains()
    found = known.get(subject) or known.get(subject.lower())
    if found is None:
        import difflib

        near = difflib.get_close_matches(subject, known, 1) or [s for s in known if s.endswith(f"/{subject}")]
        hint = f"did you mean {near[0]}?" if near else "gitops migrations list shows them"
        raise UsageError(f"there is no subject {subject!r}", hint=hint)
    return found


def stories(chain: Chain) -> list[Story]:
    """What every step of a chain says about itself."""
    found = []
    for step in chain.steps:
        text = inspect.cleandoc(step.migrate.__globals__.get("__doc__") or step.description)
        renamed = tuple(f"{'.'.join(map(str, old))} -> {'.'.join(map(str, new))}" for new, old in step.renamed)
        found.append(Story(step, text, renamed))
    return found


def faults_here() -> list[str]:
    """What is wrong with the chains of this installation."""
    try:
        load_chains()
    except ChainError as broken:
        return list(broken.faults)
    return []


def faults_of_merge(folder: Path, rev: str) -> list[str]:
    """What would be wrong once ``rev`` and the commit that is checked out are merged. Raises ``SourceError``."""
    top = find_root(folder.resolve())
    if top is None:
        raise SourceError(f"{folder} is not in a git repository", hint="run it in the checkout that has the steps")
    base = run(top, "merge-base", rev, "HEAD").decode().strip()
    before, ours, theirs = (_files(top, tree) for tree in (base, "HEAD", rev))
    faults = [
        f"{path}: this branch and {rev} both add it, and they differ"
        for path in sorted((ours.keys() & theirs.keys()) - before.keys())
        if ours[path] != theirs[path]
    ]
    gone = {path for path in before if path not in ours or path not in theirs}
    steps: dict[str, list[tuple[int, int, str]]] = {}
    for path in sorted((ours.keys() | theirs.keys()) - gone):
        found = _STEP.match(path)
        if found is not None:
            steps.setdefault(found["subject"], []).append((int(found["frm"]), int(found["to"]), path))
    for chain in steps.values():
        faults += _broken(sorted(chain))
    return faults


def _broken(chain: list[tuple[int, int, str]]) -> list[str]:
    """A fork or a gap between steps; their own head is checked at every start."""
    faults = []
    for (frm, to, path), (following, _, after) in pairwise(chain):
        if following == frm:
            faults.append(f"{after}: a fork: {path} starts from version {frm} as well; make this one the step after it")
        elif following != to:
            faults.append(f"{after}: a gap: {path} ends at version {to}, and this one starts from {following}")
    return faults


def _files(top: Path, tree: str) -> dict[str, str]:
    """Steps and schemas of a tree, with the ids of their contents."""
    listing = run(top, "ls-tree", "-r", "-z", "--full-tree", tree).decode("utf-8", "replace")
    found: dict[str, str] = {}
    for row in listing.split("\0"):
        facts, _, path = row.partition("\t")
        if _STEP.match(path) or _SCHEMA.match(path):
            found[path] = facts.split(" ")[-1]
    return found
