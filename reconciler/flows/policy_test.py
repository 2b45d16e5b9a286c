"""Test cases of rules: documents, and all that the rules beside them have to find in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.base.canonical import digest, dumps
from reconciler.base.diagnostics import Diagnostic, Fault
from reconciler.base.errors import InvalidDocuments, UsageError
from reconciler.flows.offline import offline_plan
from reconciler.flows.plan import Options
from reconciler.flows.policies import Policies, load_policies, missing_libraries
from reconciler.flows.policy_inputs import Operator
from reconciler.flows.settings import Settings
from reconciler.policy.builtin import preset_rules
from reconciler.policy.names import is_policy_file
from reconciler.policy.rules import Rule, Written

if TYPE_CHECKING:
    from reconciler.flows.opened import Source
    from reconciler.policy.documents import Case

_CODE = "policy/"


@dataclass(slots=True)
class Tried:
    """``failures`` are errors: in the policy files, or cases that came out otherwise, at the case."""

    cases: int = 0
    rules: set[str] = field(default_factory=set)
    untested: list[str] = field(default_factory=list)
    failures: list[Diagnostic] = field(default_factory=list)


def policy_files(source: Source, folder: Path | None) -> list[tuple[str, bytes]]:
    """Those of the source, or of a folder such as an operator's. Raises ``UsageError``."""
    if folder is None:
        tree = source.tree()
        return list(tree.read([path for path, _ in tree.entries() if is_policy_file(path)]))
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    paths = sorted(p for p in folder.rglob("*") if p.suffix in (".yaml", ".yml") and p.is_file())
    return [(str(path), path.read_bytes()) for path in paths]


def try_policies(files: Iterable[tuple[str, bytes]]) -> Tried:
    """Run every case. Exceptions don't count: a case is about the rule, and mustn't change with the day."""
    policies = load_policies(files, Operator(), "off")
    found = Tried(failures=[*policies.diagnostics, *missing_libraries(policies)])
    if found.failures:
        return found
    for written, test in policies.tests:
        named = test.spec.policies or list(policies.rules)
        rules, unknown = _rules(policies, named)
        for name in unknown:
            where = ("spec", "policies", test.spec.policies.index(name))
            found.failures.append(policies.locate(written, Fault("unknown-policy", f"there is no rule {name}", where)))
        for index, case in enumerate(test.spec.cases):
            found.cases += 1
            found.rules |= rules.keys()
            faults = _try(case, Policies(rules=rules, files=policies.files))
            at = ("spec", "cases", index, "name")
            found.failures += [
                policies.locate(written, Fault("policy-test", f"{case.name}: {sentence}", at)) for sentence in faults
            ]
    found.untested = sorted(policies.rules.keys() - found.rules)
    return found


def _rules(policies: Policies, named: Iterable[str]) -> tuple[dict[str, Rule], list[str]]:
    """Built-in rules can be tested without being in force."""
    known = {r.name: r for r in preset_rules("strict", Written("preset", ""))} | policies.rules
    names = list(named)
    return {n: known[n] for n in names if n in known}, [n for n in names if n not in known]


def _try(case: Case, policies: Policies) -> Iterator[str]:
    tree = _Documents(case.documents)
    try:
        diagnostics = offline_plan(tree, Settings(), options=Options(force=True, policies=policies)).warnings
    except InvalidDocuments as invalid:
        diagnostics = invalid.diagnostics
    came = Counter((d.code, _name(d)) for d in diagnostics if d.code.startswith(_CODE))
    expected = Counter((f"{_CODE}{e.policy}", e.resource) for e in case.expect)
    for code, name in expected - came:
        yield f"{code.removeprefix(_CODE)} should find something in {name}, and doesn't"
    for code, name in came - expected:
        yield f"{code.removeprefix(_CODE)} finds something in {name} that isn't expected"
    for d in diagnostics:
        if d.code.startswith("policy-") or (d.severity == "error" and not d.code.startswith(_CODE)):
            where = f"{_name(d)}: " if d.place and d.place.path in tree.files else ""
            yield f"{where}{d.message}"


def _name(diagnostic: Diagnostic) -> str:
    return diagnostic.place.path.removesuffix(".yaml") if diagnostic.place is not None else "?"


class _Documents:
    """The documents of a case as a source: a file for each, called as the resource is."""

    name = "case"
    commit = None

    def __init__(self, documents: Iterable[dict[str, object]]) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: list[Diagnostic] = []
        for document in documents:
            metadata = document.get("metadata")
            name = metadata.get("name") if isinstance(metadata, dict) else None
            path = f"{document.get('kind')}/{name}.yaml"
            before = self.files.get(path)
            text = dumps(document)
            self.files[path] = text if before is None else before + b"\n---\n" + text
        self.tree = digest(*self.files.values())

    def entries(self) -> list[tuple[str, str]]:
        """See :class:`~reconciler.source.tree.Tree`."""
        return sorted((path, digest(data)) for path, data in self.files.items())

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See :class:`~reconciler.source.tree.Tree`."""
        return ((path, self.files[path]) for path in paths)
