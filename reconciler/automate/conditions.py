"""Conditions: and, or, not, expressions, numbers, times, states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from reconciler.automate.context import Scope


class Judged(NamedTuple):
    """``why`` says why it doesn't hold, where it could not be evaluated; and which one, where there are several."""

    holds: bool
    why: str | None = None


def judge(condition: Any, scope: Scope) -> Judged:
    """Whether a condition of a stored body (an expression, or a map) holds. One that can't be evaluated doesn't."""
    raise NotImplementedError


def judge_all(conditions: Sequence[Any], scope: Scope) -> Judged:
    """Whether all of them hold; none is no obstacle."""
    raise NotImplementedError


def expression_holds(source: str, scope: Scope) -> Judged:
    """Whether a bare expression is true, such as the filter of a trigger."""
    raise NotImplementedError
