"""Stored configs: read by version, written at head."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from reconciler.base.errors import ChainError
from reconciler.versioning.chain import Migration, MigrationError, NewerVersion
from reconciler.versioning.versioned import Record, Versioned

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int = 0


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")
    script: str
    inner: Inner = Inner()


class Loose(BaseModel):
    script: str


def to_v2(data: dict[str, Any]) -> dict[str, Any]:
    if "script" in data:
        return data
    return {"script": data["command"], **{k: v for k, v in data.items() if k != "command"}}


STEP = Migration(1, 2, "", to_v2, "v1_to_v2.py")
CONFIG = Versioned(Config, version=2, migrations=[STEP], clock=lambda: NOW)


def test_a_broken_chain_fails_at_once() -> None:
    with pytest.raises(ChainError, match="Migration chain incomplete"):
        Versioned(Config, version=3, migrations=[STEP])
    Versioned(Config, version=1)


def test_parse_migrates_and_leaves_out_unknown_keys() -> None:
    assert CONFIG.parse(Record(1, {"command": "x", "old": 1, "inner": {"n": 1, "z": 2}})) == Config(
        script="x", inner=Inner(n=1)
    )
    assert CONFIG.parse(Record(2, {"script": "x"})) == Config(script="x")


def test_parse_record_remembers_where_it_came_from() -> None:
    record = CONFIG.parse_record(Record(1, {"command": "x"}, plugin_id="p"))
    assert record == Record(2, Config(script="x"), NOW, 1, "p")
    assert CONFIG.parse_record(Record(1, {"command": "x"}, original_version=0)).original_version == 0
    same = CONFIG.parse_record(Record(2, {"script": "x"}))
    assert (same.migrated_at, same.original_version) == (None, None)


def test_newer_than_the_code() -> None:
    with pytest.raises(NewerVersion, match="written for a newer release"):
        CONFIG.parse(Record(5, {"script": "x"}))
    outcome = CONFIG.safe_parse(Record(5, {"script": "x"}))
    assert not outcome.success
    assert isinstance(outcome.error, NewerVersion)


def test_a_throwing_step() -> None:
    with pytest.raises(MigrationError, match="Migration from v1 to v2 failed"):
        CONFIG.parse(Record(1, {}))
    assert isinstance(CONFIG.safe_parse(Record(1, {})).error, MigrationError)


def test_bare_data_is_version_1_and_may_be_newer_in_shape() -> None:
    assert CONFIG.parse_assuming_v1({"command": "x", "zz": 1}) == Config(script="x")
    assert CONFIG.parse_assuming_v1({"script": "x"}) == Config(script="x")


@pytest.mark.parametrize("schema", [Config, Loose])
def test_strictness_is_for_models(schema: type[BaseModel]) -> None:
    versioned = Versioned(schema, version=2, migrations=[STEP])
    with pytest.raises(ValidationError, match="zz"):
        versioned.parse_strict_assuming_v1({"command": "x", "zz": 1})
    assert versioned.parse_strict_assuming_v1({"command": "x"}) == schema(script="x")


def test_other_schemas_validate_as_ever() -> None:
    versioned: Versioned[Any] = Versioned(Config | Inner, version=1)  # type: ignore[arg-type]
    assert versioned.parse_strict_assuming_v1({"script": "x", "zz": 1}) == Config(script="x")


def test_validate_never_migrates() -> None:
    assert not CONFIG.safe_validate({"command": "x"}).success
    assert CONFIG.safe_validate({"script": "x", "zz": 1}).data == Config(script="x")


def test_create_and_needs_migration() -> None:
    record = CONFIG.create({"script": "x"}, plugin_id="p")
    assert record == Record(2, Config(script="x"), plugin_id="p")
    assert not CONFIG.needs_migration(record)
    assert CONFIG.needs_migration(Record(1, {}))


def test_records_are_plain_data_in_the_store() -> None:
    record = Record(2, {"a": 1}, NOW, 1, "p")
    assert record.as_json() == {
        "version": 2,
        "data": {"a": 1},
        "migratedAt": "2026-01-02T00:00:00+00:00",
        "originalVersion": 1,
        "pluginId": "p",
    }
    assert Record.from_json(record.as_json()) == record
    assert Record.from_json({"version": 1, "data": None}) == Record(1, None)
    with pytest.raises(ValueError, match="whole number"):
        Record.from_json({"version": "1", "data": {}})
