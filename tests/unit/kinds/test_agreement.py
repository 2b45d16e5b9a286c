"""Documents broken at random: nothing crashes, and the JSON Schema never refuses what the models accept."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.base.canonical import loads
from reconciler.kinds.jsonschema import any_document
from reconciler.kinds.validate import validate

SCHEMA = jsonschema_rs.validator_for(any_document())
TEXTS = ["", "a", "A-", "5m", "5", "{{ x }}", "${{ secrets.A }}", "http@3", "$.a"]
SCALARS = st.sampled_from([None, True, False, 0, 1, -1, 1.5, 2**40, *TEXTS])
KEYS = st.sampled_from(TEXTS)
VALUES = st.recursive(SCALARS, lambda below: st.lists(below, max_size=2) | st.dictionaries(KEYS, below))


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


@pytest.mark.parametrize("kind", ["Check", "System", "Environment", "Automation"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_broken_documents(documents: dict[str, Any], kind: str, data: st.DataObject) -> None:
    document = copy.deepcopy(documents[kind])
    path = data.draw(st.sampled_from(places(document)[1:]))
    holder: Any = document
    for step in path[:-1]:
        holder = holder[step]
    if data.draw(st.booleans()):
        holder[path[-1]] = data.draw(VALUES)
    elif isinstance(holder, dict):
        del holder[path[-1]]
        holder[data.draw(st.sampled_from(["id", "x", "description"]))] = data.draw(VALUES)
    result = validate(kind, document)
    assert bool(result.body) == all(fault.severity == "warning" for fault in result.faults)
    for fault in result.faults:
        assert fault.code
        assert fault.message
    if result.body:
        assert SCHEMA.is_valid(document), document
        assert set(loads(result.body)) == {"metadata", "spec"}
