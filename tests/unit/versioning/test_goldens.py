"""Whole migrations: every ``<case>.in.yaml`` below tests/golden/migrations against its ``<case>.out.yaml``.

Set ``GITOPS_UPDATE_GOLDENS=1`` to write the outputs anew, and read the difference before committing it.
"""

from __future__ import annotations

import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from reconciler.kinds.validate import validate
from reconciler.versioning.loading import load_chains
from reconciler.versioning.upgrade import upgrade

GOLDENS = Path(__file__).parents[2] / "golden" / "migrations"
CASES = sorted(str(path.relative_to(GOLDENS)).removesuffix(".in.yaml") for path in GOLDENS.rglob("*.in.yaml"))


def read(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path)


def outcome(case: str, data: Any) -> dict[str, Any]:
    """What became of the data: for documents with all that was said about them, for configs the config."""
    subject = case.rpartition("/")[0]
    if "/" in subject:
        chain = load_chains()[subject]
        return {"data": chain.migrate(data, chain.first)}
    upgraded = upgrade(data)
    shown: dict[str, Any] = {"data": upgraded.data} if upgraded.data is not None else {}
    if upgraded.faults:
        shown["faults"] = [f"{f.severity}[{f.code}] {'.'.join(map(str, f.path))}: {f.message}" for f in upgraded.faults]
    return shown


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    data = read(GOLDENS / f"{case}.in.yaml")
    before = deepcopy(data)
    found = outcome(case, data)
    assert data == before, "a step changed its input"
    expected = GOLDENS / f"{case}.out.yaml"
    if os.environ.get("GITOPS_UPDATE_GOLDENS"):
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False
        yaml.width = 4096
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
        yaml.dump(found, expected)
    assert found == read(expected)


def test_there_are_goldens_of_every_chain() -> None:
    subjects = {case.rpartition("/")[0] for case in CASES}
    assert subjects == {subject for subject, chain in load_chains().items() if chain.steps}


@pytest.mark.parametrize("case", [case for case in CASES if case.count("/") == 1])
def test_what_comes_out_is_valid(case: str) -> None:
    upgraded = upgrade(read(GOLDENS / f"{case}.in.yaml"))
    if upgraded.data is None or upgraded.kind is None:
        assert any(f.severity == "error" for f in upgraded.faults)
        return
    validated = validate(upgraded.kind, upgraded.data, declared=upgraded.declared)
    assert [f for f in validated.faults if f.severity == "error"] == []


@pytest.mark.parametrize("case", CASES)
def test_migrating_twice_changes_nothing(case: str) -> None:
    subject = case.rpartition("/")[0]
    chain = load_chains()[subject]
    data = read(GOLDENS / f"{case}.in.yaml")
    if "/" not in subject and upgrade(data).data is None:
        return
    once = chain.migrate(data, chain.first)
    assert chain.migrate(once, chain.first) == once


@pytest.mark.parametrize("case", [case for case in CASES if case.count("/") == 1])
def test_head_documents_pass_through_untouched(case: str) -> None:
    head = upgrade(read(GOLDENS / f"{case}.in.yaml")).data
    if head is not None:
        again = upgrade(head)
        assert again.data is head
        assert (again.declared, again.steps, again.faults, again.foreign) == (2, (), [], False)
