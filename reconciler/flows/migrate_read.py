"""A file as a migration reads it: what was asked for, and what a content means, before and after."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from reconciler.base.diagnostics import Fault
from reconciler.flows.load import FileResult, read_documents
from reconciler.model.resource import Resource
from reconciler.rewrite.claims import same
from reconciler.source.faults import Parsed, YamlFault
from reconciler.source.yaml import load
from reconciler.versioning.upgrade import Upgraded, upgrade


class Wanted(NamedTuple):
    """What to rewrite. ``only``: (kind, name), empty for all. ``leave``: (path, document) that must stay, and why."""

    source: str
    explicit: bool
    only: Collection[tuple[str, str]] = ()
    leave: Mapping[tuple[str, int], Fault] = MappingProxyType({})


class Read(NamedTuple):
    """One content of a file, parsed, migrated in memory, and validated. ``tape``: the events of its parser."""

    documents: list[tuple[Parsed, Upgraded]]
    faults: list[YamlFault]
    result: FileResult
    tape: list[Any]

    @staticmethod
    def of(path: str, data: bytes, wanted: Wanted) -> Read:
        tape: list[Any] = []
        parsed, faults = load(data, tape=tape)
        documents = [(each, upgrade(each.value)) for each in parsed]
        result = FileResult(path, "")
        read_documents(result, data, documents, faults, source=wanted.source, explicit=wanted.explicit)
        return Read(documents, faults, result, tape)

    def again(self, data: bytes, wanted: Wanted) -> Read:
        """The same for the file's new content.

        Documents that hold what these were migrated to needn't be validated twice, where there was nothing at all that
        version 1 tolerates and version 2 might not.
        """
        parsed, faults = load(data)
        documents = [(each, upgrade(each.value)) for each in parsed]
        result = FileResult(self.result.path, "")
        lines = {each.index: each.line for each in parsed}
        if self._strict and not faults and _same_documents(self.documents, documents):
            result.resources = [r._replace(line=lines[r.nth]) for r in self.result.resources]
            documents = [
                (now, after._replace(data=before.data))
                for (_, before), (now, after) in zip(self.documents, documents, strict=True)
            ]
        else:
            read_documents(result, data, documents, faults, source=wanted.source, explicit=wanted.explicit)
        return Read(documents, faults, result, [])

    @property
    def _strict(self) -> bool:
        return not self.result.diagnostics and not any(x.lenient for r in self.result.resources for x in r.references)

    def resource(self, nth: int) -> Resource | None:
        return next((r for r in self.result.resources if r.nth == nth), None)


def _same_documents(old: Sequence[tuple[Parsed, Upgraded]], new: Sequence[tuple[Parsed, Upgraded]]) -> bool:
    return len(old) == len(new) and all(
        was.index == now.index and before.kind == after.kind and not after.steps and same(before.data, after.data)
        for (was, before), (now, after) in zip(old, new, strict=True)
    )
