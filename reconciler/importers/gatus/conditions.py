"""Conditions of Gatus: ``[BODY].name == pat(j*)`` taken apart, and said as assertions."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from reconciler.base.durations import parse_duration
from reconciler.importers.assertions import OPERATORS, holds, scalar, statuses
from reconciler.kinds.assertions import json_path_fault

_PARTS = re.compile(r"\s*(.+?)\s+(==|!=|<=|>=|<|>)\s+(.*?)\s*\Z", re.DOTALL)
_LOOSE = re.compile(r"\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.*?)\s*\Z", re.DOTALL)
_CALL = re.compile(r"(len|has)\((.*)\)\Z")
_PLACEHOLDER = re.compile(r"\[([A-Z_]+)\](.*)\Z", re.DOTALL)
_FUNCTION = re.compile(r"(pat|any)\((.*)\)\Z", re.DOTALL)
_STEP = re.compile(r"\.?([^.\[\]]+)|\[([0-9]+)\]|\.?\[([^\]]*)\]")
_SWAPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+\Z")
HOUR = 3_600_000


class Untold(Exception):
    """The condition can't be said; ``hint`` tells what comes near."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class Condition(NamedTuple):
    """``subject`` as in ``STATUS``; ``path`` behind it; ``call`` is len, has or empty; ``form`` that of the value."""

    subject: str
    path: str
    call: str
    operator: str
    form: str
    value: str

    @property
    def values(self) -> list[str]:
        """The choices of ``any``, the one value else."""
        if self.form != "any":
            return [self.value]
        return [_unquoted(part) for part in self.value.split(",") if part.strip()]


class Fields(NamedTuple):
    """What the placeholders are in the result of a collector; None where it has no such thing."""

    status: str | None = None
    body: str | None = None
    time: str | None = None
    array: bool = False


def parsed(text: str) -> Condition:
    """Raises :class:`Untold` for what is no condition."""
    match = _PARTS.match(text) or _LOOSE.match(text)
    if match is None:
        raise Untold("this is no condition: it compares nothing")
    left, operator, right = match.groups()
    if not _is_placeholder(left) and _is_placeholder(right):
        left, operator, right = right, _SWAPPED.get(operator, operator), left
    call = _CALL.match(left)
    inner = _PLACEHOLDER.match(call[2] if call else left)
    if inner is None:
        raise Untold(f"{left} is no placeholder of Gatus")
    if _is_placeholder(right):
        raise Untold("it compares two parts of the answer with each other", "a script can compare them")
    function = _FUNCTION.match(right)
    form, value = (function[1], function[2]) if function else ("literal", _unquoted(right))
    return Condition(inner[1], inner[2], call[1] if call else "", operator, form, value)


def _is_placeholder(text: str) -> bool:
    call = _CALL.match(text)
    return _PLACEHOLDER.match(call[2] if call else text) is not None


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def assertions(condition: Condition, fields: Fields) -> tuple[list[dict[Any, Any]], str | None]:
    """What says the same, and in what it differs. Raises :class:`Untold`."""
    if re.search(r"\$\{?[A-Za-z_]", condition.value.replace("$$", "")):
        raise Untold(
            "the value comes from a variable, which this file doesn't tell", "write the assertion with the value"
        )
    condition = condition._replace(value=condition.value.replace("$$", "$"))
    match condition.subject:
        case "STATUS" if fields.status == "statusCode":
            return _status(condition)
        case "STATUS" if fields.status is not None:
            return _number(condition, fields.status), None
        case "RESPONSE_TIME" if fields.time is not None:
            return [_time(condition, fields.time)], None
        case "BODY" if fields.body is not None:
            return _body(condition, fields.body, array=fields.array)
        case "DNS_RCODE":
            return [_code(condition)], None
    raise Untold(
        *_HOPELESS.get(condition.subject, (f"[{condition.subject}] has no equal for this kind of endpoint", None))
    )


_HOPELESS: dict[str, tuple[str, str | None]] = {
    "IP": (
        "the address that a name resolves to isn't part of this result",
        "a Check with dns@1 can look at the records",
    ),
    "DOMAIN_EXPIRATION": ("nothing here asks when a domain expires", "a script can ask whois"),
    "CONTEXT": ("values of a suite have no equal", "a script can make several requests"),
}


def certificate(condition: Condition) -> dict[Any, Any]:
    """``[CERTIFICATE_EXPIRATION] > 48h`` in days."""
    days = _milliseconds(condition.value) / (24 * HOUR)
    if condition.form != "literal" or condition.operator not in OPERATORS:
        raise Untold("only a comparison with a duration can be said")
    number = int(days) if days == int(days) else round(days, 3)
    return holds("daysRemaining", OPERATORS[condition.operator], number)


def connected(condition: Condition) -> bool:
    """Whether ``[CONNECTED] == true`` is what it says. Raises :class:`Untold` for what nobody wants to be told."""
    if condition.form == "literal" and (condition.operator, condition.value) in (("==", "true"), ("!=", "false")):
        return True
    raise Untold("it is healthy when nothing answers, which no check is", "a script can turn it round")


def serving(condition: Condition) -> str:
    """``[BODY].status == SERVING`` of the health service. Raises :class:`Untold`."""
    if condition.form != "literal" or condition.operator != "==":
        raise Untold("what a service says can only be equal to one word")
    return condition.value


def _status(c: Condition) -> tuple[list[dict[Any, Any]], str | None]:
    if c.form == "pat" and c.operator == "==" and (match := re.fullmatch(r"([1-5])(?:\*|\?\?|xx)", c.value.strip())):
        start = int(match[1]) * 100
        return statuses(range(start, start + 100))[0], None
    if c.form == "any" and c.operator == "==":
        found, exact = statuses(_codes(c))
        return found, None if exact else f"{c.value} became the range of them, since a list of numbers can't be said"
    return _number(c, "statusCode"), None


def _codes(c: Condition) -> list[int]:
    if not c.values or not all(value.isdigit() for value in c.values):
        raise Untold(f"any({c.value}) isn't a list of numbers")
    return [int(value) for value in c.values]


def _number(c: Condition, field: str) -> list[dict[Any, Any]]:
    if c.form == "pat" or c.call or c.path:
        raise Untold(f"{field} is a number, which only numbers can be compared with")
    if c.form == "any" and c.operator != "!=":
        if len(c.values) == 1:
            return [holds(field, "equals", _codes(c)[0])]
        raise Untold("one of several numbers can't be said", "choose a range")
    return [holds(field, OPERATORS[c.operator], code) for code in _codes(c)]


def _time(c: Condition, field: str) -> dict[Any, Any]:
    if c.form != "literal" or c.operator not in ("<", "<="):
        raise Untold("a time can only be limited from above")
    return holds(field, OPERATORS[c.operator], _milliseconds(c.value))


def _milliseconds(text: str) -> int:
    text = text.strip()
    if text.isdigit() and len(text) < 13:
        return int(text)
    try:
        return parse_duration(text)
    except ValueError as error:
        raise Untold(str(error)) from None


def _code(c: Condition) -> dict[Any, Any]:
    if c.form != "literal" or c.operator != "==":
        raise Untold("a response code can only be equal to one")
    return holds("responseCode", "equals", c.value)


def _body(c: Condition, field: str, *, array: bool) -> tuple[list[dict[Any, Any]], str | None]:
    path = json_path(c.path) if c.path else None
    if c.call == "has":
        wanted = (c.value == "true") == (c.operator == "==")
        return [holds(field, "exists" if wanted else "notExists", path=path or "$")], None
    if c.call == "len":
        return _length(c, field, path, array=array)
    if array and path is None:
        return _record(c, field)
    return _text(c, field, path), None


def _length(c: Condition, field: str, path: str | None, *, array: bool) -> tuple[list[dict[Any, Any]], str | None]:
    if c.form != "literal" or not c.value.isdigit():
        raise Untold("a length can only be compared with a number")
    operator, value = OPERATORS[c.operator], int(c.value)
    if path is None and field == "body" and not array:
        note = "it counts the bytes of the body; where the body is a list, write jsonPath: $.length with field: body"
        return [holds("bodyLength", operator, value)], note
    return [holds(field, operator, value, path=f"{path or '$'}.length")], None


def _record(c: Condition, field: str) -> tuple[list[dict[Any, Any]], str | None]:
    """Of DNS records, which are a list here, and one text there."""
    if c.form == "literal" and c.operator in ("==", "!="):
        return [holds(field, "includes" if c.operator == "==" else "notIncludes", c.value)], None
    note = "it looks at the first record"
    return _text(c, field, "$[0]"), note


def _text(c: Condition, field: str, path: str | None) -> list[dict[Any, Any]]:
    if c.operator not in ("==", "!="):
        if path is None:
            raise Untold("a whole body can't be compared with a number", "write a jsonPath, where the body is JSON")
        value = c.value
        number = _milliseconds(value) if _DURATION.match(value) else scalar(value)
        if isinstance(number, str | bool):
            raise Untold(f"{value} is no number")
        return [holds(field, OPERATORS[c.operator], number, path=path)]
    equal = c.operator == "=="
    if c.form == "pat":
        return [_pattern(c.value.strip(), field, path, equal=equal)]
    if c.form == "any":
        either = "|".join(map(re.escape, c.values))
        return [_matching(rf"(?:{either})", field, path, equal=equal)]
    if c.value == "" and path is None and equal:
        return [holds(field, "isEmpty")]
    value = scalar(c.value) if path is not None else c.value
    return [holds(field, "equals" if equal else "notEquals", value, path=path)]


def _pattern(pattern: str, field: str, path: str | None, *, equal: bool) -> dict[Any, Any]:
    middle = pattern.strip("*")
    if equal and middle and not any(sign in middle for sign in "*?[\\"):
        operator = {(True, True): "contains", (False, True): "startsWith", (True, False): "endsWith"}.get(
            (pattern.startswith("*"), pattern.endswith("*"))
        )
        if operator is not None:
            return holds(field, operator, middle, path=path)
        return holds(field, "equals", middle, path=path)
    inner = "".join({"*": r"[\s\S]*", "?": r"[\s\S]"}.get(char, re.escape(char)) for char in pattern)
    return _matching(inner, field, path, equal=equal)


def _matching(inner: str, field: str, path: str | None, *, equal: bool) -> dict[Any, Any]:
    return holds(field, "matches", f"^{inner}$" if equal else f"^(?!{inner}$)", path=path)


def json_path(path: str) -> str:
    """``.data[0].id`` as RFC 9535 writes it. Raises :class:`Untold`."""
    steps, position = "$", 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None or match.end() == position:
            raise Untold(f"{path} is no path into JSON")
        name, index, other = match.groups()
        if name is not None:
            steps += f".{name}" if _WORD.match(name) else f"['{_escaped(name)}']"
        elif index is not None:
            steps += f"[{index}]"
        else:
            steps += f"['{_escaped(_unquoted(other))}']"
        position = match.end()
    wrong = json_path_fault(steps)
    if wrong is not None:
        raise Untold(wrong)
    return steps


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace("'", "\\'")
