"""Assertions as documents write them, and the comparisons that several tools know."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

OPERATORS = {
    "==": "equals",
    "!=": "notEquals",
    "<": "lessThan",
    "<=": "lessThanOrEqual",
    ">": "greaterThan",
    ">=": "greaterThanOrEqual",
}


def holds(field: str, operator: str, value: Any = None, *, path: str | None = None) -> dict[Any, Any]:
    """One assertion."""
    assertion: dict[Any, Any] = {"field": field}
    if path is not None:
        assertion["jsonPath"] = path
    assertion["operator"] = operator
    if value is not None:
        assertion["value"] = value
    return assertion


def statuses(codes: Iterable[int]) -> tuple[list[dict[Any, Any]], bool]:
    """What says that the status is one of ``codes``, and whether it says exactly that: gaps can't be said."""
    wanted = sorted(set(codes))
    low, high = wanted[0], wanted[-1]
    exact = len(wanted) == high - low + 1
    if low == high:
        return [holds("statusCode", "equals", low)], True
    if (low, high) == (200, 399):
        return [holds("success", "isTrue")], exact
    upper = (
        holds("statusCode", "lessThan", high + 1) if high % 100 == 99 else holds("statusCode", "lessThanOrEqual", high)
    )
    if low <= 100:
        return [upper], exact
    return [holds("statusCode", "greaterThanOrEqual", low), upper], exact


def scalar(text: str) -> Any:
    """A literal as JSON has it, where it is a number or true/false in its usual spelling."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"-?(?:0|[1-9][0-9]{0,14})", text):
        return int(text)
    if re.fullmatch(r"-?(?:0|[1-9][0-9]{0,8})\.[0-9]{0,5}[1-9]", text):
        return float(text)
    return text


def negated(pattern: str) -> str:
    """A regular expression that is found where ``pattern`` isn't."""
    return rf"\A(?![\s\S]*(?:{pattern}))"
