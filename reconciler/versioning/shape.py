"""The shape of old versions, held against their frozen JSON Schemas, told in the words that validation uses.

Only documents and configs below their head come here. ``jsonschema_rs`` is imported on the first of them, and one
validator is kept for each schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from reconciler.base.bundled import bundled
from reconciler.base.canonical import loads
from reconciler.base.diagnostics import Fault, Path

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

MAX_DEPTH = 100
_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a map",
    "null": "null",
}
_LIMITS = {
    "minimum": "has to be at least {}",
    "maximum": "has to be at most {}",
    "minLength": "has to be at least {} characters long",
    "maxLength": "has to be at most {} characters long",
    "minItems": "needs at least {}",
    "maxItems": "has more than {}",
    "minProperties": "needs at least {}",
    "maxProperties": "has more than {}",
}


def check_shape(subject: str, version: int, value: Any, *, at: Path = ()) -> list[Fault]:
    """Faults of ``value`` against ``schemas/<subject>/v<version>.schema.json``, their paths below ``at``.

    A subject without that schema (a plugin that ships none) has nothing to be held against.
    """
    found = _validator(subject, version)
    if found is None:
        return []
    schema, validator = found
    if (alien := _alien(value, at)) is not None:
        return [alien]
    if validator.is_valid(value):
        return []
    faults = [fault for error in validator.iter_errors(value) for fault in _faults(error, schema, value, at)]
    # What has the wrong type fails every other rule as well; nobody needs to read that.
    mistyped = {f.path for f in faults if f.code == "wrong-type"}
    told = [f for f in faults if f.path not in mistyped or f.code == "wrong-type"]
    return sorted(told, key=lambda f: [str(part) for part in f.path])


@cache
def _validator(subject: str, version: int) -> tuple[dict[str, Any], Draft202012Validator] | None:
    file = bundled("schemas") / subject / f"v{version}.schema.json"
    if not file.is_file():
        return None
    from jsonschema_rs import Draft202012Validator

    schema = loads(file.read_bytes())
    return schema, Draft202012Validator(schema)


def _faults(error: ValidationError, schema: dict[str, Any], value: Any, at: Path) -> list[Fault]:
    from reconciler.kinds.faults import spelled
    from reconciler.kinds.marks import named

    path = (*at, *error.instance_path)
    where = spelled(path) if path else "the document"
    kind: Any = error.kind
    node = _node(schema, error.schema_path[:-1])
    if kind.name == "required":
        key = str(kind.property)
        described = node.get("properties", {}).get(key, {}).get("description")
        return [Fault("missing-key", f"{key} is missing", (*path, key), described)]
    if kind.name == "additionalProperties":
        return [_unknown(key, where, path, node) for key in kind.unexpected]
    found = _at(value, error.instance_path)
    if kind.name == "type":
        wanted = " or ".join(_TYPES[t] for t in kind.types if t != "null" or len(kind.types) == 1)
        return [Fault("wrong-type", f"{where} has to be {wanted}, not {named(found)}", path, _conversion(kind, found))]
    code, sentence, hint = _judged(kind.name, kind.value, node, found)
    return [Fault(code, f"{where} {sentence}", path, hint)]


def _unknown(key: str, where: str, path: Path, node: dict[str, Any]) -> Fault:
    """A key nobody knows: a warning where the schema says that the version tolerated it (``x-tolerant``)."""
    from reconciler.kinds.faults import suggest

    known = list(node.get("properties", {}))
    hint = suggest(key, known) if known else "nothing can be set here"
    message = f"{where} has no key {key!r}"
    if node.get("x-tolerant"):
        message += "; it is left out, as in version 1"
        return Fault("v1-unknown-key", message, (*path, key), hint, severity="warning", at="key")
    return Fault("unknown-key", message, (*path, key), hint, at="key")


def _judged(name: str, detail: Any, node: dict[str, Any], found: Any) -> tuple[str, str, str | None]:
    """Code, sentence and hint of a value of the right type that isn't right all the same."""
    from reconciler.kinds.faults import did_you_mean
    from reconciler.kinds.marks import named
    from reconciler.kinds.types import NAME_PATTERN, SENTENCES

    if "x-fault" in node:
        return "invalid", str(node["x-fault"]), None
    if name in _LIMITS:
        empty = name == "minLength" and found == ""
        return "out-of-range", "is empty" if empty else _LIMITS[name].format(detail), None
    if name in ("enum", "const"):
        options = [str(option) for option in (detail if name == "enum" else [detail])]
        hint = did_you_mean(found, options) if isinstance(found, str) else None
        choice = f"one of {', '.join(options)}" if len(options) > 1 else options[0]
        return "unknown-value", f"has to be {choice}, not {named(found)}", hint
    if name == "pattern":
        code = "bad-name" if detail == NAME_PATTERN else "bad-format"
        return code, f"{SENTENCES.get(detail, f'has to match {detail}')}; {found!r} doesn't fit", None
    return "invalid", f"doesn't fit: {node.get('description', 'see the schema of this version')}", None


def _conversion(kind: Any, found: Any) -> str | None:
    """How to write a value of the right type, where it looks like one."""
    if isinstance(found, str) and "string" not in kind.types and found.strip().isdigit():
        return "leave out the quotes"
    if isinstance(found, (bool, int, float)) and "string" in kind.types:
        return f'put it in quotes: "{str(found).lower()}"'
    return None


def _node(schema: dict[str, Any], path: Sequence[str | int]) -> dict[str, Any]:
    """The part of the schema at a schema path; references are followed. Empty when there is none."""
    node: Any = schema
    for part in path:
        if part == "$ref" and isinstance(node, dict):
            node = _node(schema, node["$ref"].removeprefix("#/").split("/"))
        elif isinstance(node, list):
            node = node[int(part)]
        else:
            node = node.get(part, {})
    return node if isinstance(node, dict) else {}


def _alien(value: Any, at: Path) -> Fault | None:
    """What no schema has words for: keys that are no text, infinite numbers, nesting beyond what steps can follow."""
    waiting: list[tuple[Path, Any]] = [(at, value)]
    while waiting:
        path, node = waiting.pop()
        if len(path) > MAX_DEPTH:
            return Fault("too-deep", f"the document is nested more than {MAX_DEPTH} levels deep", path[:10])
        if isinstance(node, dict):
            for key, item in node.items():
                if not isinstance(key, str):
                    return Fault("bad-key", f"the key {key!r} has to be text", path, f'put it in quotes: "{key}"')
                waiting.append(((*path, key), item))
        elif isinstance(node, list):
            waiting.extend(((*path, index), item) for index, item in enumerate(node))
        elif isinstance(node, float) and not isfinite(node):
            return Fault("bad-value", f"{node} is no number that JSON can hold", path)
    return None


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        value = value[part]
    return value
