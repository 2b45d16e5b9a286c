"""The committed JSON Schemas: fresh, true to the models, and frozen once released."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from reconciler.base.bundled import bundled
from reconciler.base.canonical import digest
from reconciler.kinds.jsonschema import COMMAND, RELEASED, freeze, main, render, schemas
from reconciler.kinds.table import TABLES
from reconciler.kinds.validate import validate

Edit = Callable[..., dict[str, Any]]
SCHEMAS = bundled("schemas")
GENERATED = dict(schemas())


@pytest.mark.parametrize("name", GENERATED)
def test_committed_schemas_are_fresh(name: str) -> None:
    file = SCHEMAS / name
    assert file.is_file(), f"{name} is missing; run: {COMMAND}"
    assert file.read_text(encoding="utf-8") == render(GENERATED[name]), f"{name} is old; run: {COMMAND}"


def test_every_head_has_a_schema() -> None:
    heads = {f"{entry.subject}/v{entry.head}.schema.json" for table in TABLES.values() for entry in table.values()}
    assert heads | {"gitops.schema.json"} == set(GENERATED)


def test_released_schemas_stay_as_they_were() -> None:
    released = json.loads((SCHEMAS / RELEASED).read_text(encoding="utf-8"))
    now = {name: digest((SCHEMAS / name).read_bytes()) for name in released}
    assert now == released, "a released schema is history; make a new version and a migration instead"
    older = {file.relative_to(SCHEMAS).as_posix() for file in SCHEMAS.glob("**/v*.schema.json")} - set(GENERATED)
    assert older <= set(released), "an older version has to be noted in released.json"


@pytest.mark.parametrize("name", GENERATED)
def test_schemas_are_valid_and_every_field_is_described(name: str) -> None:
    jsonschema_rs.meta.validate(GENERATED[name])
    for field, schema in _fields(GENERATED[name]):
        assert "description" in schema or "$ref" in schema, field


def test_no_tag_leaks_into_a_schema() -> None:
    assert all("\\u0000" not in json.dumps(schema) for schema in GENERATED.values())


@pytest.mark.parametrize("kind", ["Check", "System", "Environment", "Automation"])
@pytest.mark.parametrize("file", ["gitops.schema.json", "{kind}/v2.schema.json"])
def test_good_documents_fit(documents: dict[str, Any], kind: str, file: str) -> None:
    schema = GENERATED[file.format(kind=kind.lower())]
    assert jsonschema_rs.validator_for(schema).is_valid(documents[kind])


WRONG = [
    ("Check", ("spec", "collectors", 0, "config", "metod"), "GET"),
    ("Check", ("spec", "collectors", 0, "config"), {}),
    ("Check", ("spec", "collectors", 0, "type"), "lookup@1"),
    ("Check", ("spec", "collectors", 0, "assertions", 0, "field"), "statuscode"),
    ("Check", ("spec", "strategy", "type"), "http"),
    ("Check", ("spec", "strategy", "config", "timeout"), "8 s"),
    ("Automation", ("spec", "actions", 0, "config", "boddy"), "x"),
    ("Automation", ("spec", "actions", 0, "action"), "webhook"),
    ("Automation", ("spec", "triggers", 0, "event"), "healthcheck.down"),
    ("System", ("metadata", "name"), "orders-"),
]


@pytest.mark.parametrize(("kind", "path", "value"), WRONG)
def test_the_schema_refuses_what_the_models_refuse(
    edit: Edit, kind: str, path: tuple[str | int, ...], value: Any
) -> None:
    document = edit(kind, *path, to=value)
    assert validate(kind, document).body == b""
    for name in (f"{kind.lower()}/v2.schema.json", "gitops.schema.json"):
        assert not jsonschema_rs.validator_for(GENERATED[name]).is_valid(document)


def test_a_document_of_another_tool_passes() -> None:
    foreign = {"apiVersion": "v1", "kind": "ConfigMap", "data": {}}
    assert jsonschema_rs.validator_for(GENERATED["gitops.schema.json"]).is_valid(foreign)


@pytest.mark.parametrize("port", [443, "{{ environment.port }}"])
def test_a_templatable_number_may_be_a_template(port: Any) -> None:
    schema = jsonschema_rs.validator_for(GENERATED["strategies/tcp/v1.schema.json"])
    assert schema.is_valid({"host": "a", "port": port})
    assert not schema.is_valid({"host": "a", "port": "443"})


def test_freezing_keeps_what_is_noted(tmp_path: Path) -> None:
    assert main([str(tmp_path), "--freeze"]) == 0
    noted = json.loads((tmp_path / RELEASED).read_text(encoding="utf-8"))
    assert set(noted) == set(GENERATED) - {"gitops.schema.json"}
    changed = tmp_path / "group" / "v2.schema.json"
    changed.write_text("{}", encoding="utf-8")
    freeze(tmp_path, [changed])
    assert json.loads((tmp_path / RELEASED).read_text(encoding="utf-8")) == noted


def _fields(schema: Any) -> list[tuple[str, Any]]:
    """The fields of the models: those of maps that allow no others."""
    found: list[tuple[str, Any]] = []
    if isinstance(schema, dict):
        if schema.get("additionalProperties") is False:
            found += schema.get("properties", {}).items()
        for value in schema.values():
            found += _fields(value)
    elif isinstance(schema, list):
        for value in schema:
            found += _fields(value)
    return found
