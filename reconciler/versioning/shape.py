"""The shape of old versions, held against their frozen JSON Schemas, told in sentences.

Only documents and configs below their head come here. ``jsonschema_rs`` is imported on the first of them, and one
validator is kept for each schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from reconciler.base.bundled import bundled
from reconciler.base.canonical import loads
from reconciler.base.diagnostics import Fault, Path

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "array": "a list",
    "object": "a map",
    "null": "null",
}
_LIMITS = {
    "minimum": "has to be at least {}",
    "maximum": "has to be at most {}",
    "exclusiveMinimum": "has to be more than {}",
    "exclusiveMaximum": "has to be less than {}",
    "minLength": "has to be at least {} characters long",
    "maxLength": "has to be at most {} characters long",
    "minItems": "needs at least {} of its items",
    "maxItems": "can have at most {} items",
    "minProperties": "needs at least {} of its keys",
    "maxProperties": "can have at most {} keys",
}


def check_shape(subject: str, version: int, value: Any, *, at: Path = ()) -> list[Fault]:
    """Faults of ``value`` against ``schemas/<subject>/v<version>.schema.json``, their paths below ``at``.

    A subject without that schema (a plugin that ships none) has nothing to be held against.
    """
    found = _validator(subject, version)
    if found is None:
        return []
    schema, validator = found
    if validator.is_valid(value):
        return []
    faults = [fault for error in validator.iter_errors(value) for fault in _faults(error, schema, value, at)]
    return sorted(faults, key=lambda f: [str(part) for part in f.path])


@cache
def _validator(subject: str, version: int) -> tuple[dict[str, Any], Draft202012Validator] | None:
    file = bundled("schemas") / subject / f"v{version}.schema.json"
    if not file.is_file():
        return None
    from jsonschema_rs import Draft202012Validator

    schema = loads(file.read_bytes())
    return schema, Draft202012Validator(schema)


def _faults(error: ValidationError, schema: dict[str, Any], value: Any, at: Path) -> list[Fault]:
    path = (*at, *error.instance_path)
    name, detail = error.kind.name, getattr(error.kind, "value", None)
    where = str(path[-1]) if path else "the document"
    if isinstance(path[-1] if path else None, int):
        where = f"{path[-2] if len(path) > 1 else 'item'}[{path[-1]}]"
    if name == "required":
        return [Fault("missing-field", f"{detail} is missing", path, at="key")]
    node = _node(schema, error.schema_path[:-1])
    if name in ("additionalProperties", "unevaluatedProperties"):
        known = sorted(node.get("properties", {}))
        return [unknown_key(key, known, path) for key in error.kind.unexpected]
    if name == "type":
        wanted = " or ".join(_TYPES.get(t, t) for t in error.kind.types if t != "null" or len(error.kind.types) == 1)
        found = _at(value, error.instance_path)
        hint = "write it without quotes" if isinstance(found, str) and _numeric(found, error.kind.types) else None
        return [Fault("wrong-type", f"{where} has to be {wanted}, but is {_shown(found)}", path, hint)]
    return [Fault("invalid-value", f"{where} {_sentence(name, detail, node)}", path)]


def unknown_key(key: str, known: Sequence[str], path: Path) -> Fault:
    """The fault of a key nobody knows, with the known key it resembles."""
    hint = did_you_mean(key, known)
    if hint is None and known:
        hint = f"known here: {', '.join(known)}" if len(known) <= 12 else None
    return Fault("unknown-key", f"{key} is not known here", (*path, key), hint, at="key")


def did_you_mean(word: str, known: Sequence[str]) -> str | None:
    """``did you mean "x"?`` for the one of ``known`` that is meant, or None."""
    from difflib import get_close_matches

    lowered = {k.lower(): k for k in known}
    close = get_close_matches(word.lower()[:100], list(lowered), n=1, cutoff=0.6)
    return f'did you mean "{lowered[close[0]]}"?' if close else None


def _sentence(name: str, detail: Any, node: dict[str, Any]) -> str:
    if "x-fault" in node:
        return str(node["x-fault"])
    if name in _LIMITS:
        return _LIMITS[name].format(detail)
    if name == "enum":
        return f"has to be one of {', '.join(str(v) for v in detail)}"
    if name == "const":
        return f"has to be {detail}"
    if name == "pattern":
        return "is no name; small letters, digits and dashes, beginning with a letter or digit" if (
            detail == "^[a-z0-9][a-z0-9-]*$"
        ) else f"doesn't have the form {detail}"
    return f"doesn't fit: {node.get('description', 'see the schema of this version')}"


def _node(schema: dict[str, Any], path: Sequence[str | int]) -> dict[str, Any]:
    """The part of the schema at a schema path; references are followed. Empty when there is none."""
    node: Any = schema
    for part in path:
        if part == "$ref" and isinstance(node, dict):
            node = _node(schema, node["$ref"].removeprefix("#/").split("/"))
        else:
            node = node.get(part, {}) if isinstance(node, dict) else node[int(part)]
    return node if isinstance(node, dict) else {}


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        value = value[part]
    return value


def _numeric(text: str, types: Sequence[str]) -> bool:
    return ("integer" in types or "number" in types) and text.strip().isdigit()


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f'the string "{value if len(value) <= 40 else value[:39] + "…"}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return {list: "a list", dict: "a map"}.get(type(value), "null")
