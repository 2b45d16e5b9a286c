"""What an editor gets from the exported schemas: fields told with true examples, and pins that complete."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner
from pydantic import BaseModel
from ruamel.yaml import YAML

from reconciler.cli.main import cli
from reconciler.kinds.jsonschema import POLICIES, schemas
from reconciler.kinds.table import ACTIONS, COLLECTORS, EVENTS, KINDS, STRATEGIES, TRIGGERS

ROOT = Path(__file__).parents[3]
GENERATED = dict(schemas())
Found = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The schema that a modeline points at, as the command writes it."""
    folder = tmp_path_factory.mktemp("schemas")
    result = CliRunner().invoke(cli, ["schema", "--out", str(folder)])
    assert result.exit_code == 0
    found: dict[str, Any] = json.loads((folder / "gitops.schema.json").read_text(encoding="utf-8"))
    return found


def documents() -> Iterator[Any]:
    """Each valid document of version 2 among the examples, with where it stands."""
    yaml = YAML(typ="safe", pure=True)
    for file in sorted((ROOT / "examples").glob("[0-9]*/**/*.yaml")):
        if file.name != "gitops.yaml":
            for index, document in enumerate(yaml.load_all(file.read_text(encoding="utf-8"))):
                if isinstance(document, dict) and document.get("apiVersion") == "gitops/v2":
                    yield pytest.param(document, id=f"{file.relative_to(ROOT)}:{index}")


def fields(schema: Any) -> Iterator[Found]:
    """The fields of the models: those of maps that allow no others."""
    if isinstance(schema, dict):
        if schema.get("additionalProperties") is False:
            yield from schema.get("properties", {}).items()
        for name, value in schema.items():
            if "@" not in name:  # the schemas of older versions are as they were frozen
                yield from fields(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from fields(value)


@pytest.mark.parametrize("document", list(documents()))
def test_examples_fit(exported: dict[str, Any], document: Any) -> None:
    errors = list(jsonschema_rs.validator_for(exported).iter_errors(document))
    assert not errors, [error.message for error in errors]


@pytest.mark.parametrize("document", [d for d in documents() if "policies" not in str(d.id)])
def test_planted_mistakes_are_seen(exported: dict[str, Any], document: Any) -> None:
    """A misspelt key in any map whose keys are known, a pin that nobody knows, a kind that isn't."""
    validator = jsonschema_rs.validator_for(exported)
    planted = list(mistakes(document))
    assert len(planted) >= 4
    for wrong in planted:
        assert not validator.is_valid(wrong), wrong


def mistakes(document: Any) -> Iterator[Any]:
    free = ("fields", "labels", "annotations", "env", "secretEnv", "variables", "body")
    for path in list(maps(document)):
        if not any(step in free for step in path):
            wrong = copy.deepcopy(document)
            at(wrong, path)["mistyped"] = 1
            yield wrong
            for key in ("type", "event", "action", "apiVersion", "kind", "name"):
                if isinstance(at(document, path).get(key), str) and (key != "name" or path == ("metadata",)):
                    wrong = copy.deepcopy(document)
                    at(wrong, path)[key] += "_9!"
                    if key != "apiVersion":  # a document of another tool is none of our business
                        yield wrong


def maps(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from maps(item, (*path, key))


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


@pytest.mark.parametrize("name", GENERATED)
def test_each_field_shows_what_to_write(name: str) -> None:
    """An example, a choice, a default that says something, or fields of its own."""
    for field, schema in fields(GENERATED[name]):
        text = json.dumps(schema)
        shown = any(f'"{key}"' in text for key in ("examples", "enum", "const", "$ref")) or '"boolean"' in text
        shown = shown or schema.get("default") not in (None, "", [], {})
        assert shown or field == "config", f"{field} needs an example"


@pytest.mark.parametrize("name", GENERATED)
def test_each_example_fits_its_field(name: str) -> None:
    whole = GENERATED[name]
    for field, schema in fields(whole):
        rules = {k: v for k, v in schema.items() if k not in ("examples", "default")}
        validator = jsonschema_rs.validator_for({**rules, "$schema": whole["$schema"], "$defs": whole.get("$defs", {})})
        for example in schema.get("examples", ()):
            assert validator.is_valid(example), (field, example)


def pins() -> Iterator[tuple[str, dict[str, Any], set[str]]]:
    check, automation = GENERATED["check/v2.schema.json"]["$defs"], GENERATED["automation/v2.schema.json"]["$defs"]

    def every(table: Any) -> set[str]:
        return {f"{n}@{v}" for n, entry in table.items() for v in range(entry.first, entry.head + 1)}

    yield "strategies", check["StrategySpec"]["properties"]["type"], every(STRATEGIES)
    yield "actions", automation["Provider"]["properties"]["action"], every(ACTIONS)
    yield "triggers", automation["Trigger"]["properties"]["event"], every(TRIGGERS) | set(EVENTS)
    yield "waits", automation["TriggerWait"]["properties"]["event"], set(EVENTS)
    for rule, strategy in zip(check["CheckSpec"]["allOf"], STRATEGIES, strict=True):
        own = {n.partition(".")[2]: e for n, e in COLLECTORS.items() if n.startswith(f"{strategy}.")}
        yield strategy, rule["then"]["properties"]["collectors"]["items"]["properties"]["type"], every(own)
    whole = GENERATED["gitops.schema.json"]
    yield "kinds", whole["then"]["properties"]["kind"], {*KINDS, *POLICIES}


@pytest.mark.parametrize(("schema", "known"), [pytest.param(s, k, id=name) for name, s, k in pins()])
def test_pins_complete_with_what_they_mean(schema: dict[str, Any], known: set[str]) -> None:
    assert set(schema["enum"]) == known
    assert len(schema["enumDescriptions"]) == len(schema["enum"]) == len(known)
    assert all(text.endswith(".") for text in schema["enumDescriptions"])
    old = [text.startswith("Deprecated: ") for text in schema["enumDescriptions"]]
    assert old == sorted(old), "current ones are offered first"


def test_kinds_of_policies_are_those_there_are() -> None:
    from reconciler.policy import documents as policy

    assert all(issubclass(getattr(policy, kind), BaseModel) for kind in POLICIES)


def test_an_older_pin_fits_with_its_own_fields_and_is_marked() -> None:
    check: dict[str, Any] = {
        "apiVersion": "gitops/v2",
        "kind": "Check",
        "metadata": {"name": "old"},
        "spec": {
            "interval": "30s",
            "strategy": {"type": "http@1", "config": {"url": "https://x.example.net/", "timeout": 5000}},
            "collectors": [{"type": "request@1", "config": {"url": "https://x.example.net/"}}],
        },
    }
    schema = GENERATED["check/v2.schema.json"]
    validator = jsonschema_rs.validator_for(schema)
    assert validator.is_valid(check)
    check["spec"]["strategy"]["config"]["utl"] = "x"
    assert not validator.is_valid(check)
    check["spec"]["strategy"] = {"type": "http@3", "config": {"url": "https://x.example.net/"}}
    assert not validator.is_valid(check), "what a later version dropped"
    check["spec"]["strategy"] = {"type": "http@2"}
    check["spec"]["collectors"][0]["type"] = "lookup@1"
    assert not validator.is_valid(check), "collectors are those of the strategy, whatever its version"
    marks = [
        rule["then"]["properties"]["type"]["deprecationMessage"]
        for rule in schema["$defs"]["StrategySpec"]["allOf"]
        if rule["then"]["properties"].get("type", {}).get("deprecated")
    ]
    assert marks == ["Deprecated: http@3 is current, and gitops migrate writes it."] * 2


def test_durations_without_a_unit_are_marked() -> None:
    """They are what version 1 had."""
    durations = [
        option
        for schema in GENERATED.values()
        for _, field in fields(schema)
        if "x-duration" in field
        for option in field.get("anyOf", ())
        if option.get("type") == "number"
    ]
    assert len(durations) > 10
    assert all(option["deprecated"] and "unit" in option["description"] for option in durations)
