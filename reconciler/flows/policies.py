"""The rules in force for a source: built-in, an operator's, and the repository's, with what is wrong among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING

from reconciler.base.diagnostics import Diagnostic, Fault, Place
from reconciler.flows.locate import Located
from reconciler.flows.policy_inputs import Operator, operator
from reconciler.policy.names import Preset, is_policy_file
from reconciler.policy.rules import Exemption, Owner, Rule, Written

if TYPE_CHECKING:
    from reconciler.flows.settings import Settings
    from reconciler.policy.documents import PolicyTest
    from reconciler.source.delta import Delta
    from reconciler.source.tree import Tree

_DISTRIBUTIONS = {"cel": "expressions", "detect_secrets": "credentials"}


@dataclass(slots=True)
class Policies:
    """What holds. ``diagnostics`` are of the policy files themselves."""

    rules: dict[str, Rule] = field(default_factory=dict)
    exemptions: list[Exemption] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    tests: list[tuple[Written, PolicyTest]] = field(default_factory=list)
    files: dict[str, Located] = field(default_factory=dict)

    def locate(self, written: Written, fault: Fault) -> Diagnostic:
        """A fault in a policy file; what no file says has no place."""
        file = self.files.get(written.file)
        if file is None:
            return Diagnostic(fault.code, fault.message, None, fault.hint, fault.severity)
        return file.diagnostic(written.nth, fault)


def today() -> date:
    """The day that exceptions are measured by, the same on every machine."""
    return datetime.now(UTC).date()


def policies_of(tree: Tree, settings: Settings) -> Policies | None:
    """Of a source and of this machine's operator; None where nobody asks for any."""
    return policies_in(list(tree.read([path for path, _ in tree.entries() if is_policy_file(path)])), settings)


def policies_of_change(delta: Delta, settings: Settings) -> Policies | None:
    """Of what a source is after a change."""
    return policies_in(list(delta.now([path for path in delta.paths if is_policy_file(path)])), settings)


def policies_in(files: Sequence[tuple[str, bytes]], settings: Settings) -> Policies | None:
    """The same as :func:`policies_of`, of these files."""
    asked = operator()
    if not files and asked == Operator() and settings.policies == "off":
        return None
    return load_policies(files, asked, settings.policies)


def load_policies(files: Iterable[tuple[str, bytes]], asked: Operator, preset: Preset) -> Policies:
    """The operator's word first: what the repository says beside it can only add to it."""
    from reconciler.policy.builtin import preset_rules

    found = Policies()
    for rule in preset_rules(asked.preset, Written("operator", "")):
        found.rules[rule.name] = rule
    _read_files(found, asked.files, "operator")
    for rule in preset_rules(preset, Written("preset", "")):
        before = found.rules.get(rule.name)
        if before is None:
            found.rules[rule.name] = rule
        elif rule.severity == "error":
            found.rules[rule.name] = replace(before, severity="error")
    _read_files(found, files, "repository")
    return found


def _read_files(found: Policies, files: Iterable[tuple[str, bytes]], owner: Owner) -> None:
    from reconciler.policy.documents import read
    from reconciler.source.yaml import load

    for path, data in files:
        file = found.files[path] = Located(path, data)
        documents, faults = load(data)
        found.diagnostics += [
            file.with_excerpt(Diagnostic(f.code, f.message, Place(path, f.line, f.column), f.hint)) for f in faults
        ]
        for document in documents:
            written = Written(owner, path, document.index)
            came = read(document.value, written)
            found.diagnostics += [file.diagnostic(document.index, fault) for fault in came.faults]
            found.exemptions += came.exceptions
            for rule in came.rules:
                _add(found, rule)
            if came.test is not None:
                found.tests.append((written, came.test))


def _add(found: Policies, rule: Rule) -> None:
    """A rule takes the place of one of a preset of the same owner; any other of its name is in its way."""
    before = found.rules.get(rule.name)
    mine = "operator" if rule.written.owner == "operator" else "preset"
    if before is None or (before.written.owner == mine and not before.written.file):
        found.rules[rule.name] = rule
        return
    if before.locked and rule.written.owner != "operator":
        message = f"the rule {rule.name} is the operator's, and a repository can't replace it"
        hint = "give it another name" if rule.must else "leave it out"
    else:
        message, hint = f"there are two rules called {rule.name}", "give one of them another name"
    path = ("metadata", "name") if rule.must else ("spec", "uses")
    found.diagnostics.append(found.locate(rule.written, Fault("policy-conflict", message, path, hint)))


def missing_libraries(found: Policies) -> list[Diagnostic]:
    """An error for each that rules in force need and isn't here: what can't be judged isn't let through."""
    from reconciler.policy.judge import libraries

    told = []
    for library in sorted(libraries(found.rules.values())):
        if find_spec(library) is None:
            names = sorted(r.name for r in found.rules.values() if libraries([r]) == {library})
            message = f"the library that judges {_DISTRIBUTIONS[library]} isn't installed, which {names[0]} needs"
            hint = "pip install 'gitops-reconciler[policy]'"
            rule = found.rules[names[0]]
            told.append(found.locate(rule.written, Fault("policy-library", message, ("spec",), hint)))
    return told
