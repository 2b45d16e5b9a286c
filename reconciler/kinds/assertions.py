"""Whether an assertion can ever hold: its field, its operator and its value against the collector's result."""

import re
from functools import lru_cache
from typing import Any

from reconciler.base.diagnostics import Fault, Path, Severity
from reconciler.kinds.checks import quoted
from reconciler.kinds.faults import suggest
from reconciler.kinds.marks import named
from reconciler.kinds.results import OPERATORS, WITHOUT_VALUE, ResultField, ResultType

_NUMERIC = frozenset({"lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"})
_LENGTHS = frozenset({"lengthEquals", "lengthGreaterThan", "lengthLessThan"})
_EVERY = tuple(dict.fromkeys(operator for operators in OPERATORS.values() for operator in operators))


def check_assertions(assertions: list[Any], result: tuple[ResultField, ...], path: Path) -> list[Fault]:
    """The faults of a collector's assertions as written at ``path``; those of the wrong shape are skipped."""
    by_name = {field.name: field for field in result}
    faults: list[Fault] = []
    for index, assertion in enumerate(assertions):
        if _shaped(assertion):
            faults += _assertion(assertion, by_name, (*path, index))
    return faults


def _shaped(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("field"), str)
        and isinstance(value.get("operator"), str)
        and isinstance(value.get("jsonPath"), (str, type(None)))
    )


def _assertion(assertion: dict[str, Any], fields: dict[str, ResultField], path: Path) -> list[Fault]:
    name, json_path = assertion["field"], assertion.get("jsonPath")
    dynamic = json_path is not None or name.endswith(".$")
    field = fields.get(name.removesuffix(".$"))
    if field is None:
        hint = suggest(name, fields)
        return [Fault("unknown-field", f"the result has no field {quoted(name)}", (*path, "field"), hint)]
    faults = _json_path(name, json_path, field, path) if dynamic else []
    kind: ResultType = "dynamic" if dynamic else field.type
    operator = assertion["operator"]
    if operator not in OPERATORS[kind]:
        return [*faults, _bad_operator(operator, name, kind, path)]
    sentence = _value(operator, assertion, kind, field)
    return [*faults, sentence(path)] if sentence is not None else faults


class _Complaint:
    """A fault about the value, not yet placed."""

    def __init__(self, code: str, message: str, hint: str | None = None, *, warning: bool = False) -> None:
        self.code, self.message, self.hint, self.warning = code, message, hint, warning

    def __call__(self, path: Path) -> Fault:
        severity: Severity = "warning" if self.warning else "error"
        return Fault(self.code, self.message, (*path, "value"), self.hint, severity)


def _value(operator: str, assertion: dict[str, Any], kind: ResultType, field: ResultField) -> _Complaint | None:
    value = assertion.get("value")
    if operator in WITHOUT_VALUE:
        if value is None:
            return None
        return _Complaint("unused-value", f"{operator} compares with nothing; the value is ignored", warning=True)
    if value is None:
        if kind == "dynamic" and "value" in assertion and operator in ("equals", "notEquals"):
            return None
        return _Complaint("missing-value", f"{operator} needs a value to compare with")
    if isinstance(value, (dict, list)):
        return _Complaint("bad-value", f"{operator} compares with text, a number or true/false, not {named(value)}")
    if operator in _LENGTHS or operator in _NUMERIC or kind in ("number", "time"):
        return _numeric(operator, value, kind)
    if operator == "matches":
        return _regex(value)
    if kind == "enum" and field.values and value not in field.values:
        return _Complaint("bad-value", f"{field.name} is never {named(value)}", suggest(str(value), field.values))
    return None


def _numeric(operator: str, value: Any, kind: ResultType) -> _Complaint | None:
    try:
        number = float(value) if not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or number != number:
        hint = "write milliseconds, without a unit" if kind == "time" else None
        return _Complaint("bad-value", f"{operator} needs a number here, not {named(value)}", hint)
    if kind == "time" and number < 0:
        return _Complaint("bad-value", "a time is never negative")
    if operator in _LENGTHS and (number < 0 or number != int(number)):
        return _Complaint("bad-value", f"{operator} needs a whole number from 0, not {named(value)}")
    return None


def _regex(value: Any) -> _Complaint | None:
    if not isinstance(value, str):
        return _Complaint("bad-value", f"matches needs a regular expression, not {named(value)}")
    message = _regex_fault(value)
    return None if message is None else _Complaint("bad-regex", message)


@lru_cache(4096)
def _regex_fault(value: str) -> str | None:
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        return f"{quoted(value)} is no regular expression: {error}"
    return None


def _bad_operator(operator: str, name: str, kind: ResultType, path: Path) -> Fault:
    allowed = suggest(operator, OPERATORS[kind])
    at = (*path, "operator")
    if operator not in _EVERY:
        return Fault("unknown-operator", f"there is no operator {quoted(operator)}", at, allowed)
    what = "what a JSONPath finds" if kind == "dynamic" else f"{name}, which is {_ARTICLES[kind]}"
    return Fault("bad-operator", f"{operator} doesn't fit {what}", at, allowed)


_ARTICLES: dict[ResultType, str] = {
    "number": "a number",
    "time": "a time",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "enum": "one of a few words",
    "dynamic": "JSON",
}


def _json_path(name: str, json_path: str | None, field: ResultField, path: Path) -> list[Fault]:
    if field.type not in ("string", "array", "dynamic"):
        message = f"{field.name} is {_ARTICLES[field.type]}, so a JSONPath has nothing to look into"
        return [Fault("bad-json-path", message, (*path, "jsonPath" if json_path is not None else "field"))]
    if json_path is None:
        return [Fault("missing-key", f"{name} needs a jsonPath", (*path, "jsonPath"), "as in jsonPath: $.ready")]
    wrong = json_path_fault(json_path)
    return [Fault("bad-json-path", wrong, (*path, "jsonPath"))] if wrong is not None else []


@lru_cache(4096)
def json_path_fault(text: str) -> str | None:
    """Why ``text`` is no JSONPath that we evaluate (RFC 9535 without filters), in a sentence; None when it is one."""
    from jsonpath_rfc9535 import JSONPathError, compile
    from jsonpath_rfc9535.selectors import FilterSelector

    try:
        query = compile(text)
    except (JSONPathError, RecursionError) as error:
        reason = str(error).partition(", line")[0]
        return f"{quoted(text)} is no JSONPath: {reason}"
    if any(isinstance(selector, FilterSelector) for segment in query.segments for selector in segment.selectors):
        return f"{quoted(text)} holds a filter; only names, indexes, slices and wildcards are evaluated"
    return None
