"""One file to resources: parse, shape check, migrate, validate. Every fault of the file, none hides another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.base.canonical import digest
from reconciler.base.diagnostics import Diagnostic, Fault, Place
from reconciler.flows.consequences import causes
from reconciler.flows.locate import Located
from reconciler.kinds.extras import absent, remedy, sentence
from reconciler.kinds.table import KINDS, V1_KINDS
from reconciler.kinds.validate import RuntimeTemplate, validate
from reconciler.model.resource import Key, Resource
from reconciler.policy.names import is_policy_file
from reconciler.source.faults import Parsed, YamlFault
from reconciler.source.yaml import load
from reconciler.versioning.upgrade import Upgraded, upgrade

_NAME = re.compile(rb"^[ {]*(?:metadata:\s*\{\s*)?name:\s*[\"']?([A-Za-z0-9-]+)", re.MULTILINE)


@dataclass(slots=True)
class FileResult:
    """What one file holds. ``documents`` counts ours, ``passed_over`` those of other tools."""

    path: str
    sha: str
    resources: list[Resource] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    documents: int = 0
    passed_over: int = 0
    failed: set[Key] = field(default_factory=set)
    """Names of documents of ours that have a fault of their own."""
    loose_names: set[str] = field(default_factory=set)
    """Names that stand in a file of which a part is no YAML, or in a document that doesn't say which it is."""


def read_file(path: str, sha: str, data: bytes, *, source: str, explicit: bool) -> FileResult:
    """Read the bytes of one file; of the policies there are no documents.

    ``explicit``: a glob of the user names it, so that a document of another tool is a fault rather than passed over.
    """
    if is_policy_file(path):
        return FileResult(path, sha)
    documents, faults = load(data)
    upgraded = [(parsed, upgrade(parsed.value)) for parsed in documents]
    return read_documents(FileResult(path, sha), data, upgraded, faults, source=source, explicit=explicit)


def read_documents(
    result: FileResult,
    data: bytes,
    documents: Sequence[tuple[Parsed, Upgraded]],
    faults: Sequence[YamlFault],
    *,
    source: str,
    explicit: bool,
) -> FileResult:
    """The same for a file that was parsed and migrated already; fills ``result`` and returns it."""
    located = Located(result.path, data)
    if faults:
        result.loose_names = {m.decode() for m in _NAME.findall(data)}
    result.diagnostics += [
        located.with_excerpt(Diagnostic(f.code, f.message, Place(result.path, f.line, f.column), f.hint))
        for f in faults
    ]
    for parsed, upgraded in documents:
        _read_document(parsed, upgraded, located, result, source=source, explicit=explicit)
    return result


def _read_document(
    parsed: Parsed, upgraded: Upgraded, located: Located, result: FileResult, *, source: str, explicit: bool
) -> None:
    nth = parsed.index
    if upgraded.foreign:
        if not explicit:
            result.passed_over += 1
            return
        fault = Fault(
            "foreign-document",
            "this document isn't one of gitops, but a glob of the settings names its file",
            ("apiVersion",) if isinstance(parsed.value, dict) else (),
            hint="write apiVersion: gitops/v2, or narrow the include globs",
        )
        result.diagnostics.append(located.diagnostic(nth, fault))
        return
    result.documents += 1
    result.diagnostics += [located.diagnostic(nth, f) for f in causes(upgraded.faults)]
    if upgraded.kind is None or upgraded.data is None:
        _note_failed(parsed.value, result)
        if upgraded.kind is not None and upgraded.attempt is not None:
            _neighbours(upgraded.kind, upgraded.attempt, parsed, located, result, declared=upgraded.declared)
        return
    validated = validate(upgraded.kind, upgraded.data, declared=upgraded.declared)
    migrated = parsed.value if upgraded.steps else None
    result.diagnostics += [located.diagnostic(nth, f, original=migrated) for f in causes(validated.faults)]
    faults = [f for f in map(_runtime_fault, validated.runtime_templates) if f is not None]
    result.diagnostics += [located.diagnostic(nth, f, original=migrated) for f in faults]
    if faults or not validated.body or any(f.severity == "error" for f in upgraded.faults):
        _note_failed(upgraded.data, result)
        return
    if validated.runtime_templates:
        from reconciler.flows.runtime_names import unknown_names

        undefined = unknown_names(upgraded.data, validated.runtime_templates)
        result.diagnostics += [located.diagnostic(nth, fault, original=migrated) for fault in undefined]
    if (absence := _missing_extra(upgraded.kind, upgraded.data)) is not None:
        result.diagnostics.append(located.diagnostic(nth, absence, original=migrated))
    result.resources.append(
        Resource(
            Key(upgraded.kind, upgraded.data["metadata"]["name"]),
            source,
            result.path,
            nth,
            parsed.line,
            validated.body,
            digest(validated.body),
            validated.references,
            validated.holes,
            validated.secrets,
            validated.protected,
            validated.renamed_from,
        )
    )


def _missing_extra(kind: str, data: dict[str, Any]) -> Fault | None:
    """A warning, since whoever applies may well be on another machine than the workers."""
    if kind != "Check":
        return None
    strategy = data["spec"]["strategy"]["type"].partition("@")[0]
    if not absent(strategy):
        return None
    hint = f"{remedy(strategy)}, where the check runs"
    return Fault("missing-extra", sentence(strategy), ("spec", "strategy", "type"), hint, "warning")


_FOLLOW = frozenset(
    {
        "missing-key",
        "missing-pin",
        "bad-pin",
        "older-version",
        "newer-version",
        "missing-value",
        "missing-run-as",
        "conflict",
        "invalid",
    }
)
"""Codes that may well follow from a fault already told, rather than stand beside it."""


def _neighbours(
    kind: str, attempt: dict[str, Any], parsed: Parsed, located: Located, result: FileResult, *, declared: int
) -> None:
    """What else is wrong in a document whose old shape has a fault: on other lines, and no consequence of it."""
    told = {d.place.line for d in result.diagnostics if d.place is not None}
    for fault in causes(validate(kind, attempt, declared=declared).faults):
        if fault.severity == "error" and fault.code not in _FOLLOW:
            diagnostic = located.diagnostic(parsed.index, fault, original=parsed.value)
            if diagnostic.place is not None and diagnostic.place.line not in told:
                result.diagnostics.append(diagnostic)


def _runtime_fault(template: RuntimeTemplate) -> Fault | None:
    """Compile what an automation evaluates later, so that its mistakes are found now."""
    from reconciler.render.expression import compile_expression
    from reconciler.render.faults import TemplateFault
    from reconciler.render.template import compile_template

    path, source, what = template
    compile_it = compile_template if what == "template" else compile_expression
    try:
        compile_it(source, clock=_never)
    except TemplateFault as fault:
        return Fault(fault.code, fault.message, path, fault.hint, offset=fault.offset)
    return None


def _never() -> float:
    return 0.0


def _note_failed(data: Any, result: FileResult) -> None:
    metadata = data.get("metadata") if isinstance(data, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    kind = data.get("kind") if isinstance(data, dict) else None
    if isinstance(name, str) and isinstance(kind, str) and (kind in KINDS or kind in V1_KINDS):
        result.failed.add(Key(V1_KINDS.get(kind, kind), name))
    elif isinstance(data, dict):
        maps = [data, *(value for value in data.values() if isinstance(value, dict))]
        result.loose_names |= {value for each in maps for value in each.values() if isinstance(value, str)}
