"""Documents that somebody broke: faults with places, never an exception; and upgrading is done once."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.flows.load import read_file
from reconciler.source.yaml import load
from reconciler.versioning.upgrade import upgrade

ROOT = Path(__file__).resolve().parents[2]
SEEDS = [
    parsed.value
    for folder in ("tests/golden/migrations", "examples")
    for path in sorted((ROOT / folder).rglob("*.yaml"))
    if "negative" not in path.parts
    for parsed in load(path.read_bytes())[0]
    if isinstance(parsed.value, dict) and "apiVersion" in parsed.value
]
QUICK = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 2**70, "", " ", "a-", "{{", "{{ }}", "{{ environment.x }}", "${{ secrets.X }}"),
    *("http@3", "http@9", "http@", "@", "5m", "-1s", "ü", "a" * 70, "\u0000", "{% if x %}", "${{ secrets.", [], {}),
    *([None], [[]], {"": {}}, {"name": None}, {"check": "a", "environments": "b"}, {"minutes": "x"}),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


@st.composite
def broken(draw: st.DrawFn) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        path = draw(st.sampled_from([p for p in places(document) if p]))
        at: Any = document
        for step in path[:-1]:
            at = at[step]
        what = draw(st.sampled_from(["replace", "drop", "add", "repeat"]))
        if what == "replace":
            at[path[-1]] = copy.deepcopy(draw(st.sampled_from(ODD)))
        elif what == "drop":
            del at[path[-1]]
        elif isinstance(at, list):
            at.insert(draw(st.integers(0, len(at))), copy.deepcopy(draw(st.sampled_from([*ODD, at[path[-1]]]))))
        else:
            key = draw(st.sampled_from(["extra", "", "name", "config", "version", "spec", "type"]))
            at[key] = copy.deepcopy(at[path[-1]] if what == "repeat" else draw(st.sampled_from(ODD)))
    return document


@QUICK
@given(broken())
def test_upgrading_is_done_once(document: dict[str, Any]) -> None:
    before = copy.deepcopy(document)
    first = upgrade(document)
    assert document == before, "the document that was read isn't touched"
    assert first.foreign or first.data is not None or first.faults
    if first.data is None or first.foreign:
        return
    again = upgrade(copy.deepcopy(first.data))
    assert again.steps == ()
    assert again.data == first.data
    assert again.kind == first.kind


@QUICK
@given(st.lists(broken(), min_size=1, max_size=3))
def test_reading_gives_resources_and_placed_faults(documents: list[dict[str, Any]]) -> None:
    text = "---\n".join(json.dumps(d, indent=1) + "\n" for d in documents)
    lines = text.splitlines()
    result = read_file("a.yaml", "sha", text.encode(), source="s", explicit=True)
    for d in result.diagnostics:
        assert d.place is not None
        assert d.message
        assert "Traceback" not in d.message
        assert 1 <= d.place.line <= len(lines)
        assert 1 <= d.place.column <= len(lines[d.place.line - 1]) + 1
        assert d.excerpt == lines[d.place.line - 1]
    errors = sum(d.severity == "error" for d in result.diagnostics)
    assert len(result.resources) <= len(documents)
    assert errors or len(result.resources) + left_out(documents) == len(documents)
    again = read_file("a.yaml", "sha", text.encode(), source="s", explicit=True)
    assert again == result


def left_out(documents: list[dict[str, Any]]) -> int:
    """Version 1 kinds that are no more, which are left out with a warning."""
    return sum(upgrade(d).kind is None for d in documents)


def test_the_seeds_are_fine() -> None:
    assert len(SEEDS) > 20
    assert sum(upgrade(copy.deepcopy(s)).data is not None for s in SEEDS) > len(SEEDS) / 2
