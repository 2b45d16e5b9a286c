"""From a head document to what is stored of it: judged, normalised, with its templates, references and secrets."""

from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from reconciler.base.canonical import dumps
from reconciler.base.diagnostics import Fault, Path, Severity
from reconciler.kinds import texts
from reconciler.kinds.checks import quoted
from reconciler.kinds.faults import suggest, translate
from reconciler.kinds.inner import Inner, automation_parts, check_parts
from reconciler.kinds.loaded import Loaded, load
from reconciler.kinds.metadata import PROTECT
from reconciler.kinds.table import KINDS, extend
from reconciler.model.resource import Hole, Reference

RuntimeTemplate = tuple[Path, str, str]
"""``(path, source, form)``: ``form`` is ``template`` or ``expression``."""


class Validated(NamedTuple):
    """``body`` is empty when ``faults`` hold an error; warnings may stand beside a good body.

    ``runtime_templates`` are those of an automation: evaluated at run time, so that whoever joins the stages compiles
    them once, to find mistakes early. ``secrets`` are sorted names.
    """

    body: bytes
    holes: tuple[Hole, ...]
    references: tuple[Reference, ...]
    secrets: tuple[str, ...]
    protected: bool
    renamed_from: str | None
    faults: list[Fault]
    runtime_templates: tuple[RuntimeTemplate, ...] = ()


_INNER: dict[str, Callable[[dict[str, Any], BaseModel | None, dict[str, Any] | None, int], Inner]] = {
    "Check": check_parts,
    "Automation": automation_parts,
}
"""Kinds with configs inside that have versions of their own."""
_LENIENT = frozenset({"ServiceAccount"})
_NOTHING: frozenset[str] = frozenset()


def validate(kind: str, data: dict[str, Any], *, declared: int = 2) -> Validated:
    """Judge the head document ``data`` of ``kind``; all faults at once, none raised.

    ``declared`` is the version in which it was written: what version 1 tolerated is a warning there. Raises
    ``GitopsError`` only for a broken installation (a model or a plugin that can't be loaded).
    """
    extend()
    try:
        return _validate(kind, data, declared)
    except RecursionError:
        return _failed([_too_deep()])


def _validate(kind: str, data: dict[str, Any], declared: int) -> Validated:
    entry = KINDS.get(kind)
    if entry is None:
        return _failed([Fault("unknown-kind", f"there is no kind {quoted(kind)}", ("kind",), suggest(kind, KINDS))])
    loaded = load(entry)
    faults: list[Fault] = []
    value: BaseModel | None = None
    body: dict[str, Any] | None = None
    try:
        value = loaded.validate(data)
        body = loaded.dump(value)
    except ValidationError as error:
        faults = translate(error, loaded.model)
    except ValueError:
        return _failed([_too_deep()])
    inner = _INNER[kind](data, value, body, declared) if kind in _INNER else None
    if inner is not None:
        faults += inner.faults
    if body is None or any(fault.severity == "error" for fault in faults):
        return _failed(faults + _secret_faults(loaded, data, inner))
    return _finished(loaded, data, body, inner, faults, declared)


def _finished(
    loaded: Loaded, data: dict[str, Any], body: dict[str, Any], inner: Inner | None, faults: list[Fault], declared: int
) -> Validated:
    del body["apiVersion"], body["kind"]
    try:
        written = dumps(body)
    except TypeError as error:
        return _failed([*faults, Fault("bad-value", f"the document holds what JSON has no form for: {error}")])
    parts = [texts.Part(loaded, body, ())]
    if inner is not None:
        parts += inner.parts
    names, more = texts.secrets(data, parts, text=b"${{" in written)
    faults += more
    metadata = body["metadata"]
    faults += _metadata(metadata, declared)
    if any(fault.severity == "error" for fault in faults):
        return _failed(faults)
    lenient = _LENIENT if declared == 1 else _NOTHING
    return Validated(
        written,
        texts.holes(parts) if b"{{" in written else (),
        texts.references(parts, lenient=lenient),
        tuple(sorted(names)),
        metadata["annotations"].get(PROTECT) == "true",
        metadata.get("renamedFrom"),
        faults,
        inner.runtime if inner is not None else (),
    )


def _too_deep() -> Fault:
    return Fault("too-deep", "maps and lists are nested too deep in this document")


def _failed(faults: list[Fault]) -> Validated:
    return Validated(b"", (), (), (), False, None, faults)


def _secret_faults(loaded: Loaded, data: dict[str, Any], inner: Inner | None) -> list[Fault]:
    parts = [texts.Part(loaded, data, ()), *(inner.raw if inner is not None else ())]
    return texts.secrets(data, parts, text=True, unknown=inner.unknown if inner is not None else ())[1]


def _metadata(metadata: dict[str, Any], declared: int) -> list[Fault]:
    faults: list[Fault] = []
    name = metadata["name"]
    if name.endswith("-"):
        message = f"the name {name!r} ends with a dash"
        severity: Severity = "warning" if declared == 1 else "error"
        hint = (
            "version 1 allowed it; rename it with renamedFrom" if declared == 1 else "end it with a letter or a digit"
        )
        faults.append(Fault("bad-name", message, ("metadata", "name"), hint, severity))
    if metadata.get("renamedFrom") == name:
        message = f"renamedFrom is the name itself, {name!r}"
        faults.append(Fault("self-reference", message, ("metadata", "renamedFrom"), "leave it out"))
    protect = metadata["annotations"].get(PROTECT)
    if protect not in (None, "true", "false"):
        message = f'{PROTECT} has to be "true" or "false", not {protect!r}'
        faults.append(Fault("bad-value", message, ("metadata", "annotations", PROTECT)))
    return faults
