"""JSON Schemas (draft 2020-12) of all head models, for editors and for the shape check of later releases.

``python -m reconciler.kinds.jsonschema schemas/`` writes them; they are committed, and a test tells when they are old.
The schema of a document selects the config's schema by its pin, so that an editor completes inside of it. Each pin is
described (``enumDescriptions``, which editors show beside what they complete); older ones are taken, as a document may
have them, with the schema that was frozen for them, and are marked as deprecated.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.base.bundled import bundled
from reconciler.base.canonical import digest
from reconciler.base.durations import format_duration
from reconciler.kinds.loaded import load
from reconciler.kinds.results import OPERATORS, ResultField
from reconciler.kinds.table import ACTIONS, API_VERSION, COLLECTORS, EVENTS, KINDS, STRATEGIES, TABLES, TRIGGERS, Entry

Schema = dict[str, Any]
COMMAND = "python -m reconciler.kinds.jsonschema schemas/"
RELEASED = "released.json"
"""Digests of the schemas that were released and must not change, by their path below ``schemas/``."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
POLICIES = {
    "Policy": "A rule over resources or slices; stands below policies/.",
    "PolicyException": "Whom a rule doesn't bind, until when, and who answers for it; stands below policies/.",
    "PolicyTest": "Documents, and what the rules find in them; stands below policies/.",
}
"""Kinds of another stage, which is above this one. Their names are known, so that an editor doesn't refuse them."""
_TOLD = {event: f"{meaning[0].upper()}{meaning[1:]}." for event, meaning in EVENTS.items()}


def schemas() -> Iterator[tuple[str, Schema]]:
    """``(path below schemas/, schema)`` of everything built in, and of the one schema for any kind of document."""
    for table in TABLES.values():
        for entry in table.values():
            yield f"{entry.subject}/v{entry.head}.schema.json", schema_of(entry)
    yield "gitops.schema.json", any_document()


def schema_of(entry: Entry) -> Schema:
    """The schema of one head model; for a kind, that of the whole document."""
    schema = _plain(entry)
    if entry == KINDS["Check"]:
        _select_in_check(schema)
    elif entry == KINDS["Automation"]:
        _select_in_automation(schema)
    name = f"urn:gitops:{entry.subject.replace('/', ':')}:v{entry.head}"
    return {"$schema": DIALECT, "$id": name, **schema}


def any_document() -> Schema:
    """The schema of a document of any kind; one of another tool passes."""
    definitions: Schema = {}
    choices = []
    for kind, entry in KINDS.items():
        schema = schema_of(entry)
        for key in ("$schema", "$id"):
            del schema[key]
        _embed(schema, kind, definitions)
        choices.append(
            {"if": {"properties": {"kind": {"const": kind}}}, "then": {"$ref": f"#/$defs/{kind}"}},
        )
    return {
        "$schema": DIALECT,
        "$id": "urn:gitops:document:v2",
        "title": "A gitops document",
        "type": "object",
        "if": {"required": ["apiVersion"], "properties": {"apiVersion": {"const": API_VERSION}}},
        "then": {
            "required": ["kind", "metadata"],
            "properties": {"kind": {"description": "The kind of this document.", **_kinds()}},
            "allOf": choices,
        },
        "$defs": definitions,
    }


def _kinds() -> Schema:
    told = {kind: " ".join((load(entry).model.__doc__ or "").split()) for kind, entry in KINDS.items()} | POLICIES
    return {"enum": list(told), "enumDescriptions": list(told.values())}


def render(schema: Schema) -> str:
    """The text of a schema file; equal for equal models."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _plain(entry: Entry) -> Schema:
    schema = load(entry).model.model_json_schema(by_alias=True, mode="validation")
    name = schema.get("$ref", "").rpartition("/")[2]
    if name:
        # pydantic refers to a recursive root instead of spelling it out.
        schema = {**schema["$defs"][name], "$defs": schema["$defs"]}
    tidied: Schema = _tidy(schema)
    return tidied


def _tidy(value: Any, *, names: bool = False) -> Any:
    """Without the titles that repeat each field's name, and with default durations as people write them.

    ``names``: the keys of ``value`` are names of fields, not keywords.
    """
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    if names:
        return {key: _tidy(item) for key, item in value.items()}
    kept = {
        key: item
        if key in ("default", "examples", "enum", "const", "enumDescriptions")
        else _tidy(item, names=key in ("properties", "$defs"))
        for key, item in value.items()
        if key != "title"
    }
    if isinstance(kept.get("default"), int) and _is_duration(kept):
        kept["default"] = format_duration(kept["default"])
    return kept


def _is_duration(schema: Schema) -> bool:
    return "x-duration" in schema or any("x-duration" in option for option in schema.get("anyOf", ()))


def _embed(schema: Schema, name: str, definitions: Schema) -> None:
    """Put ``schema`` under ``name`` into ``definitions``, and what it defines itself under names of its own."""
    renamed = {}
    for key, definition in schema.pop("$defs", {}).items():
        there = definitions.get(key)
        renamed[key] = key if there in (None, definition) else f"{name}.{key}"
        definitions[renamed[key]] = definition
    definitions[name] = schema
    for key, new in renamed.items():
        if key != new:
            definitions[new] = _refer(definitions[new], renamed)
    definitions[name] = _refer(schema, renamed)


def _refer(value: Any, renamed: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_refer(item, renamed) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: _refer(item, renamed) for key, item in value.items()}
    target = out.get("$ref")
    if isinstance(target, str):
        name = target.rpartition("/")[2]
        out["$ref"] = f"#/$defs/{renamed.get(name, name)}"
    return out


class Pin(NamedTuple):
    """``text`` as it stands in a document; the ``version`` of ``entry`` that it names."""

    text: str
    entry: Entry
    version: int

    @property
    def old(self) -> bool:
        """Whether a later one is current."""
        return self.version < self.entry.head

    @property
    def current(self) -> str:
        """What to write today."""
        return f"{self.text.partition('@')[0]}@{self.entry.head}"

    @property
    def description(self) -> str:
        """For who completes it."""
        if self.old:
            return f"Deprecated: {self.current} is current, and gitops migrate writes it."
        about = " ".join((load(self.entry).model.__doc__ or "").split())
        table, _, name = self.entry.subject.partition("/")
        fitting = [pin.text for pin in _pins(COLLECTORS, f"{name}.") if not pin.old] if table == "strategies" else []
        return f"{about} Collectors: {', '.join(fitting)}." if fitting else about

    def schema(self) -> Schema:
        """That of the model, or the frozen one."""
        if not self.old:
            return _plain(self.entry)
        file = bundled("schemas") / self.entry.subject / f"v{self.version}.schema.json"
        frozen: Schema = json.loads(file.read_text(encoding="utf-8"))
        return {key: value for key, value in frozen.items() if key not in ("$schema", "$id", "title")}


def _pins(table: Mapping[str, Entry], prefix: str = "") -> list[Pin]:
    """Current ones first, since an editor offers them in this order."""
    found = [
        Pin(f"{name.removeprefix(prefix)}@{version}", entry, version)
        for name, entry in table.items()
        if name.startswith(prefix)
        for version in range(entry.first, entry.head + 1)
    ]
    return [pin for pin in found if not pin.old] + [pin for pin in reversed(found) if pin.old]


def _enumerate(pins: Iterable[Pin], more: Mapping[str, str] | None = None) -> Schema:
    """The texts that fit, and what each means."""
    told = {pin.text: pin.description for pin in pins} | dict(more or {})
    return {"enum": list(told), "enumDescriptions": list(told.values())}


def _choice(key: str, pin: Pin, definitions: Schema, **more: Any) -> Schema:
    """When ``key`` is ``pin``, the config has the shape of what it pins."""
    schema = pin.schema()
    name = pin.entry.subject.replace("/", ".") + (f"@{pin.version}" if pin.old else "")
    needed = ["config"] if schema.get("required") else []
    _embed(schema, name, definitions)
    then: Schema = {"properties": {"config": {"$ref": f"#/$defs/{name}"}, **more}}
    if pin.old:
        then["properties"][key] = {"deprecated": True, "deprecationMessage": pin.description}
    if needed:
        then["required"] = needed
    return {"if": {"required": [key], "properties": {key: {"const": pin.text}}}, "then": then}


def _select_in_check(schema: Schema) -> None:
    definitions = schema["$defs"]
    strategy, spec = definitions["StrategySpec"], definitions["CheckSpec"]
    pins = _pins(STRATEGIES)
    strategy["properties"]["type"] |= _enumerate(pins)
    strategy["allOf"] = [_choice("type", pin, definitions) for pin in pins]
    definitions["Assertion"]["properties"]["operator"]["enum"] = list(
        dict.fromkeys(operator for operators in OPERATORS.values() for operator in operators)
    )
    spec["allOf"] = [
        _collectors(name, [p for p in pins if p.entry == e], definitions) for name, e in STRATEGIES.items()
    ]


def _collectors(strategy: str, pins: Iterable[Pin], definitions: Schema) -> Schema:
    """When the strategy is one of ``pins``, collectors are those of ``strategy``."""
    known = _pins(COLLECTORS, f"{strategy}.")
    choices = [
        _choice(
            "type",
            pin,
            definitions,
            assertions={"items": {"properties": {"field": _field(load(pin.entry).results or ())}}},
        )
        for pin in known
    ]
    types = {"enum": [pin.text for pin in pins]}
    return {
        "if": {"properties": {"strategy": {"required": ["type"], "properties": {"type": types}}}},
        "then": {
            "properties": {"collectors": {"items": {"properties": {"type": _enumerate(known)}, "allOf": choices}}},
        },
    }


def _field(results: tuple[ResultField, ...]) -> Schema:
    return {"anyOf": [{"enum": [field.name for field in results]}, {"pattern": r"\.\$$"}]}


def _select_in_automation(schema: Schema) -> None:
    definitions = schema["$defs"]
    for definition, key, table, more in (("Trigger", "event", TRIGGERS, _TOLD), ("Provider", "action", ACTIONS, {})):
        pins = _pins(table)
        definitions[definition]["properties"][key] |= _enumerate(pins, more)
        definitions[definition]["allOf"] = [_choice(key, pin, definitions) for pin in pins]
    definitions["TriggerWait"]["properties"]["event"] |= _enumerate((), _TOLD)


def main(arguments: list[str]) -> int:
    """Write every schema below the given folder; with ``--freeze``, a release's, note their digests too."""
    folders = [each for each in arguments if each != "--freeze"]
    if len(folders) != 1:
        sys.stderr.write(f"usage: {COMMAND} [--freeze]\n")
        return 2
    folder = Path(folders[0])
    for name, schema in schemas():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(schema), encoding="utf-8")
    if "--freeze" in arguments:
        freeze(folder, folder.glob("**/v*.schema.json"))
    return 0


def freeze(folder: Path, files: Iterable[Path]) -> None:
    """Add the digests of ``files`` to ``released.json``; what is noted already stays, so that a change is found out."""
    released = folder / RELEASED
    known: dict[str, str] = json.loads(released.read_text(encoding="utf-8")) if released.exists() else {}
    for file in files:
        known.setdefault(file.relative_to(folder).as_posix(), digest(file.read_bytes()))
    released.write_text(json.dumps(dict(sorted(known.items())), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
