"""Field differences: nothing between equals, and enough to get from one value to the other."""

from __future__ import annotations

import copy
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.base.canonical import digest, dumps, loads
from reconciler.plan.fields import ABSENT, FieldChange, field_changes

QUICK = settings(deadline=None, max_examples=120)
KEYS = st.one_of(
    st.sampled_from(["a", "b", "x-y", "a.b", "c[0]", "", "é", "7", '"', "\\", ']"', "a]["]), st.text(max_size=4)
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS, lambda v: st.one_of(st.lists(v, max_size=4), st.dictionaries(KEYS, v, max_size=4)), max_leaves=12
)
PAIRS = st.one_of(st.tuples(VALUES, VALUES), VALUES.flatmap(lambda v: st.tuples(st.just(v), touched(v))))


def touched(value: Any) -> st.SearchStrategy[Any]:
    """The value with some of its parts replaced, so that the pair has much in common."""
    if isinstance(value, dict) and value:
        return st.fixed_dictionaries({k: st.one_of(st.just(v), touched(v)) for k, v in value.items()})
    if isinstance(value, list) and value:
        return st.tuples(*(st.one_of(st.just(v), touched(v)) for v in value)).map(list)
    return VALUES


def steps(path: str) -> list[str | int]:
    """The reverse of how a path is written."""
    found: list[str | int] = []
    while path:
        if index := re.match(r"\[(\d+)\]", path):
            found.append(int(index[1]))
            path = path[index.end() :]
        elif quoted := re.match(r'\[("(?:[^"\\]|\\.)*")\]', path):
            found.append(loads(quoted[1]))
            path = path[quoted.end() :]
        else:
            plain = re.match(r"\.?([^.\[\]]+)", path)
            assert plain, path
            found.append(plain[1])
            path = path[plain.end() :]
    return found


def applied(value: Any, changes: list[FieldChange]) -> Any:
    """``value`` with the changes carried out; what goes from a list goes from its end."""
    root = [copy.deepcopy(value)]
    for change in sorted(changes, key=lambda c: c.new is ABSENT):
        at: Any = root
        *way, last = [0, *steps(change.path)]
        for step in way:
            at = at[step]
        if change.new is ABSENT:
            continue
        if isinstance(at, list) and last == len(at):
            at.append(change.new)
        else:
            at[last] = change.new
    for change in reversed(changes):
        if change.new is ABSENT:
            at = root
            *way, last = [0, *steps(change.path)]
            for step in way:
                at = at[step]
            del at[last]
    return root[0]


@QUICK
@given(VALUES)
def test_between_equals_there_is_none(value: Any) -> None:
    assert field_changes(value, copy.deepcopy(value)) == []


@QUICK
@given(PAIRS)
def test_the_differences_lead_from_one_to_the_other(pair: tuple[Any, Any]) -> None:
    old, new = pair
    changes = field_changes(old, new)
    assert dumps(applied(old, changes)) == dumps(new)
    assert all(c.old is not c.new for c in changes)
    paths = [c.path for c in changes]
    assert len(set(paths)) == len(paths), "each field is told once"


@QUICK
@given(PAIRS)
def test_there_is_a_difference_exactly_when_the_bytes_differ(pair: tuple[Any, Any]) -> None:
    old, new = (loads(dumps(value)) for value in pair)
    assert bool(field_changes(old, new)) == (digest(dumps(old)) != digest(dumps(new)))


@QUICK
@given(PAIRS)
def test_backwards_it_is_the_same_with_the_sides_changed(pair: tuple[Any, Any]) -> None:
    old, new = pair
    there = {c.path: (c.old, c.new) for c in field_changes(old, new)}
    back = {c.path: (c.new, c.old) for c in field_changes(new, old)}
    assert there.keys() == back.keys()
