"""Which files have to be read, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.base.diagnostics import Diagnostic
from reconciler.flows.forked import map_forked
from reconciler.flows.load import FileResult, read_file
from reconciler.flows.progress import Progress
from reconciler.model.plan import BlobChange
from reconciler.model.resource import Key, Resource
from reconciler.policy.names import is_policy_file

if TYPE_CHECKING:
    from reconciler.source.tree import Tree


@dataclass(slots=True)
class Reading:
    """What was read for one plan."""

    resources: list[Resource] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    blobs: list[BlobChange] = field(default_factory=list)
    """Every file that was read, and every one that is gone (with an empty ``sha``)."""
    same: set[str] = field(default_factory=set)
    """Files that were read again although their bytes are as they were."""
    failed: set[Key] = field(default_factory=set)
    """Documents that have a fault of their own: who refers to them isn't to blame."""
    failed_names: set[str] = field(default_factory=set)
    """Names that stand in files which couldn't be parsed; their kinds are unknown."""
    files: int = 0
    """Files of the source in all, read or not."""

    @property
    def paths(self) -> set[str]:
        """Files whose stored resources are replaced by what was read."""
        return {b.path for b in self.blobs}

    def add(self, more: Reading) -> None:
        """Take over what was read of further files of the same tree."""
        self.resources += more.resources
        self.diagnostics += [d for d in more.diagnostics if d not in self.diagnostics]
        self.blobs += more.blobs
        self.failed |= more.failed
        self.failed_names |= more.failed_names


def read_tree(tree: Tree, known: Mapping[str, str], *, explicit: bool, full: bool, progress: Progress) -> Reading:
    """Read the files of the tree whose blob isn't the ``known`` one; all of them when ``full``; of policies only note.

    ``explicit``: the user's globs name the files, so that a document of another tool is a fault.
    """
    entries = dict(tree.entries())
    changed = [p for p, sha in entries.items() if full or known.get(p) != sha]
    unseen = [p for p in changed if not is_policy_file(p)]
    rules = sum(map(is_policy_file, entries))
    reading = Reading(files=len(entries) - rules, diagnostics=list(tree.faults))
    reading.blobs += (BlobChange(p, entries[p], 0, 0, b"") for p in changed if is_policy_file(p))
    reading.same = {p for p in unseen if known.get(p) == entries[p]}
    progress.stage("reading", len(unseen))

    def read(item: tuple[str, bytes]) -> FileResult:
        return read_file(item[0], entries[item[0]], item[1], source=tree.name, explicit=explicit)

    contents = list(tree.read(unseen))
    for result in map_forked(read, contents, progress.advance):
        reading.resources += result.resources
        reading.diagnostics += result.diagnostics
        reading.failed |= result.failed
        reading.failed_names |= result.loose_names
        reading.blobs.append(BlobChange(result.path, result.sha, result.documents, result.passed_over, b""))
    reading.blobs += (BlobChange(path, "", 0, 0, b"") for path in known if path not in entries)
    return reading
