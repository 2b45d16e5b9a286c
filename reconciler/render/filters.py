"""The filters of templates, all of them: each takes (frame, value, arguments) of JSON data and gives JSON data.

They do what Jinja2's of the same name do, except that mappings are walked in the order of their keys (how a document
was written or stored must not show in what it renders to), and that a list isn't silently taken as a text.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from reconciler.render import filters_items, filters_text, filters_time, filters_v1
from reconciler.render.bounds import Frame, number
from reconciler.render.faults import Refused
from reconciler.render.subjects import numeric, whole


class Filter(NamedTuple):
    """``missing``: a missing value is a fault (strict), null (lenient), handed in (soft). ``clock``: reads it."""

    call: Callable[..., Any]
    missing: Literal["strict", "lenient", "soft"] = "strict"
    clock: bool = False


def _default(frame: Frame, value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    # Lends its parameters only: `calls.default` works on closures, since it alone sees what is missing.
    raise NotImplementedError


def _int(frame: Frame, value: Any, default: Any = 0) -> Any:
    try:
        if isinstance(value, str) and len(value) <= 100:
            try:
                return number(int(value))
            except ValueError:
                value = float(value)
        return number(int(value)) if isinstance(value, (int, float)) else default
    except (ValueError, OverflowError):
        return default


def _float(frame: Frame, value: Any, default: Any = 0.0) -> Any:
    if isinstance(value, (int, float)) or (isinstance(value, str) and len(value) <= 100):
        try:
            return number(float(value))
        except (ValueError, OverflowError, Refused):
            return default
    return default


def _abs(frame: Frame, value: Any) -> float:
    return number(abs(numeric(value)))


def _round(frame: Frame, value: Any, precision: int = 0, method: str = "common") -> float:
    subject, places = numeric(value), whole(precision, "precision", -18, 18)
    if method == "common":
        return number(round(subject, places))
    if method not in ("ceil", "floor"):
        raise Refused("template-value", "the argument `method` is one of: common, ceil, floor")
    return number(getattr(math, method)(subject * 10**places) / 10**places)


FILTERS: dict[str, Filter] = {
    "default": Filter(_default, "soft"),
    "d": Filter(_default, "soft"),
    "int": Filter(_int),
    "float": Filter(_float),
    "abs": Filter(_abs),
    "round": Filter(_round),
    **{name: Filter(call) for name, call in (filters_text.FILTERS | filters_items.FILTERS).items()},
    **{name: Filter(call, "lenient") for name, call in (filters_v1.FILTERS | filters_time.FILTERS).items()},
    **{name: Filter(call, "lenient", clock=True) for name, call in filters_time.CLOCKED.items()},
}
