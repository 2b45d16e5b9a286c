"""Judging what a collector found, as the table of ``kinds.results.OPERATORS`` has it.

All assertions of a collector are judged, none ends the others. Whatever can't be judged fails and says why: a monitor
that is silent about a missing value would be green for the wrong reason. So a missing value passes nothing but
``notExists``, ``notEquals``, and ``isEmpty`` of a text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import orjson

from reconciler.execute import jsonpath, patterns
from reconciler.execute.convert import MISSING, json_text, number, text
from reconciler.kinds.results import OPERATORS, ResultField, ResultType
from reconciler.model.run import Verdict

SECONDS = 1.0
"""What judging all assertions of a collector may take; those that are left then fail. Documents have any number."""
_LARGE = 65_536
SHOWN = 1024
"""Characters of a found value that a verdict keeps, before it is masked and cut to what is stored."""

Judgement = tuple[bool, str | None]
"""Whether it holds, and why it can't be judged."""

_HOLDS: Judgement = (True, None)
_FAILS: Judgement = (False, None)
_NO_VALUE: Judgement = (False, "the field has no value")


class Assertion(NamedTuple):
    """Compiled once for a slice, so that a run only compares. ``fault`` is why it can never hold."""

    field: str
    path: str | None
    operator: str
    expected: Any
    name: str
    find: jsonpath.Path | None
    test: Callable[[Any], Judgement]
    fault: str | None
    pattern: patterns.Pattern | None = None


def compiled(assertions: Iterable[Mapping[str, Any]], fields: Iterable[ResultField] | None) -> tuple[Assertion, ...]:
    """The assertions of one collector. ``fields`` describe its result; None: nothing is known of it, so that the
    found value's own type counts. Never raises: what is wrong with an assertion becomes its verdict."""
    types = {field.name: field.type for field in fields} if fields is not None else None
    return tuple(_compiled(assertion, types) for assertion in assertions)


def judge(assertions: Iterable[Assertion], result: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """Every assertion against what was found, in their order. ``result`` is as measured, ephemeral fields included."""
    documents: dict[str, Any] = {}
    until = time.perf_counter() + SECONDS
    return tuple([_judged(assertion, result, documents, until) for assertion in assertions])


def heavy(assertions: Iterable[Assertion], result: Mapping[str, Any]) -> bool:
    """Whether judging may take longer than an event loop should stand still, so that a thread should do it."""
    for assertion in assertions:
        if assertion.find is None and assertion.pattern is None:
            continue
        found = result.get(assertion.name)
        if isinstance(found, str) and (
            len(found) > _LARGE or (assertion.pattern is not None and assertion.pattern.costly(len(found)))
        ):
            return True
    return False


def _compiled(assertion: Mapping[str, Any], types: Mapping[str, ResultType] | None) -> Assertion:
    field, path = str(assertion.get("field", "")), assertion.get("jsonPath")
    operator, expected = str(assertion.get("operator", "")), assertion.get("value")
    name = field.removesuffix(".$")
    dynamic = path is not None or name != field
    kind: ResultType | None = "dynamic" if dynamic else None if types is None else types.get(name)
    find, fault = None, None
    if dynamic:
        find, fault = _path(path)
    elif types is not None and kind is None:
        fault = f"the result has no field {name}"
    test, pattern = _test(operator, kind, expected), None
    if test is None:
        fault = fault or _misfit(operator, kind)
    elif operator == "matches" and fault is None:
        try:
            pattern = patterns.compiled(text(expected))
            test = partial(_matches, pattern)
        except patterns.BadPattern as error:
            fault = str(error)
    return Assertion(field, path, operator, expected, name, find, test or _never, fault, pattern)


def _path(path: Any) -> tuple[jsonpath.Path | None, str | None]:
    if not isinstance(path, str) or not path.strip():
        return None, "the JSONPath expression is missing"
    try:
        return jsonpath.compiled(path), None
    except ValueError as error:
        return None, str(error)


def _misfit(operator: str, kind: ResultType | None) -> str:
    if any(operator in operators for operators in OPERATORS.values()):
        return f"{operator} doesn't fit a field of the type {kind}"
    return f"there is no operator {operator}"


def _judged(assertion: Assertion, result: Mapping[str, Any], documents: dict[str, Any], until: float) -> Verdict:
    field, path, operator, expected, name, find, test, fault, _ = assertion
    found: Any = result.get(name, MISSING)
    wrong = fault
    if time.perf_counter() > until:
        wrong = f"judging the assertions before it took longer than {SECONDS:.0f} s"
    if wrong is None and find is not None:
        found, wrong = _dug(find, name, found, documents)
    elif found is MISSING:
        found = None
    held, reason = (False, wrong) if wrong is not None else test(found)
    actual = None if found is MISSING else shown(found)
    return Verdict(field, path, operator, expected, actual, held, reason)


def _dug(find: jsonpath.Path, name: str, source: Any, documents: dict[str, Any]) -> tuple[Any, str | None]:
    """What the path leads to inside the field, or why it leads nowhere that can be judged."""
    if source is MISSING or source is None:
        return MISSING, "the field has no value"
    if name not in documents:
        documents[name] = _parsed(source) if isinstance(source, str) else source
    if documents[name] is MISSING:
        return MISSING, "the field is not valid JSON"
    try:
        return find.find(documents[name]), None
    except jsonpath.TooMuch:
        return MISSING, f"the JSONPath looks at more than {jsonpath.LOOKS} values"


def _parsed(source: str) -> Any:
    try:
        return orjson.loads(source)
    except (ValueError, RecursionError):
        return MISSING


def shown(found: Any) -> str:
    """A found value as a verdict tells it: text as it is, lists and maps as JSON."""
    if isinstance(found, str):
        return found[:SHOWN]
    return (json_text(found) if isinstance(found, list | dict) else text(found))[:SHOWN]


# Operators. Each takes what is expected and what was found.


def _equals(expected: str, found: Any) -> Judgement:
    return _HOLDS if text(found) == expected else _FAILS


def _not_equals(expected: str, found: Any) -> Judgement:
    return _FAILS if text(found) == expected else _HOLDS


def _compares(test: Callable[[Any, Any], bool], expected: Any, found: Any) -> Judgement:
    if found is None or found is MISSING:
        return _NO_VALUE
    value = number(found)
    if value != value:
        return False, "the found value is no number"
    if expected != expected:
        return False, "the expected value is no number"
    return _HOLDS if test(value, expected) else _FAILS


def _texts(test: Callable[[str, str], bool], expected: str, found: Any) -> Judgement:
    if found is None or found is MISSING:
        return _NO_VALUE
    return _HOLDS if test(text(found), expected) else _FAILS


def _matches(pattern: patterns.Pattern, found: Any) -> Judgement:
    if found is None or found is MISSING:
        return _NO_VALUE
    try:
        return _HOLDS if pattern.found_in(text(found)) else _FAILS
    except patterns.OutOfTime as error:
        return False, str(error)


def _blank(found: Any) -> Judgement:
    return _HOLDS if not found or (isinstance(found, str) and not found.strip()) else _FAILS


def _empty(wanted: bool, dynamic: bool, found: Any) -> Judgement:
    if dynamic and isinstance(found, str):
        return (not found.strip()) is wanted, None
    if isinstance(found, list | tuple) or (dynamic and isinstance(found, dict)):
        return (not found) is wanted, None
    return _NO_VALUE if found is None or found is MISSING else (False, "the found value is no list")


def _is(wanted: bool, found: Any) -> Judgement:
    return _HOLDS if found is wanted else _FAILS


def _exists(wanted: bool, found: Any) -> Judgement:
    return _HOLDS if (found is not None and found is not MISSING) is wanted else _FAILS


def _includes(wanted: bool, expected: str, found: Any) -> Judgement:
    if not isinstance(found, list | tuple):
        return _NO_VALUE if found is None or found is MISSING else (False, "the found value is no list")
    return _HOLDS if any(text(item) == expected for item in found) is wanted else _FAILS


def _length(test: Callable[[Any, Any], bool], expected: Any, found: Any) -> Judgement:
    if not isinstance(found, list | tuple):
        return _NO_VALUE if found is None or found is MISSING else (False, "the found value is no list")
    return _compares(test, expected, len(found))


def _never(found: Any) -> Judgement:
    return _FAILS


def _same(a: Any, b: Any) -> bool:
    return bool(a == b)


def _other(a: Any, b: Any) -> bool:
    return bool(a != b)


def _less(a: Any, b: Any) -> bool:
    return bool(a < b)


def _at_most(a: Any, b: Any) -> bool:
    return bool(a <= b)


def _more(a: Any, b: Any) -> bool:
    return bool(a > b)


def _at_least(a: Any, b: Any) -> bool:
    return bool(a >= b)


_NUMERIC = {"lessThan": _less, "lessThanOrEqual": _at_most, "greaterThan": _more, "greaterThanOrEqual": _at_least}
_LENGTHS = {"lengthEquals": _same, "lengthGreaterThan": _more, "lengthLessThan": _less}
_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda found, expected: expected in found,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}
_PLAIN: dict[str, Callable[[Any], Judgement]] = {
    "isTrue": partial(_is, True),
    "isFalse": partial(_is, False),
    "exists": partial(_exists, True),
    "notExists": partial(_exists, False),
}


def _test(operator: str, kind: ResultType | None, expected: Any) -> Callable[[Any], Judgement] | None:
    """The operator for a field of this type; None where there is none. An unknown type takes every operator."""
    if not (any(operator in all_ for all_ in OPERATORS.values()) if kind is None else operator in OPERATORS[kind]):
        return None
    if operator in ("equals", "notEquals"):
        if kind == "number":
            return partial(_compares, _same if operator == "equals" else _other, number(expected))
        return partial(_equals if operator == "equals" else _not_equals, text(expected))
    if operator in _NUMERIC:
        return partial(_compares, _NUMERIC[operator], number(expected))
    if operator in _LENGTHS:
        return partial(_length, _LENGTHS[operator], number(expected))
    if operator in _TEXTS:
        return partial(_texts, _TEXTS[operator], text(expected))
    if operator in ("includes", "notIncludes"):
        return partial(_includes, operator == "includes", text(expected))
    if operator == "matches":
        return _never  # until its pattern is compiled
    if operator in ("isEmpty", "isNotEmpty"):
        return _blank if kind == "string" else partial(_empty, operator == "isEmpty", kind != "array")
    return _PLAIN[operator]
