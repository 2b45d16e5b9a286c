"""``CHECKSTACK_*``: what a script of a check is told about its check, its system and its environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.base.canonical import dumps

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose run it is. Names are titles where there are titles; ``environment_id`` is None for a run without one."""

    check_id: str
    check_name: str
    interval_seconds: float
    system_id: str
    system_name: str
    environment_id: str | None = None
    environment_name: str | None = None


@dataclass(frozen=True, slots=True)
class Variables:
    """``warnings``: sentences about fields that got no variable of their own."""

    values: dict[str, str]
    warnings: tuple[str, ...] = ()


def variables(
    subject: Subject,
    fields: Mapping[str, Any] | None = None,
    *,
    env: Mapping[str, str] | None = None,
    secret_env: Mapping[str, str] | None = None,
) -> Variables:
    """Everything a script gets, each later group over the one before: the run, ``env``, ``secret_env`` (resolved)."""
    values = {
        "CHECKSTACK_CHECK_ID": subject.check_id,
        "CHECKSTACK_CHECK_NAME": subject.check_name,
        "CHECKSTACK_CHECK_INTERVAL_SECONDS": as_text(subject.interval_seconds),
        "CHECKSTACK_SYSTEM_ID": subject.system_id,
        "CHECKSTACK_SYSTEM_NAME": subject.system_name,
    }
    warnings: list[str] = []
    if subject.environment_id is not None:
        values["CHECKSTACK_ENV_ID"] = subject.environment_id
        values["CHECKSTACK_ENV_NAME"] = subject.environment_name or subject.environment_id
        warnings = _add_fields(values, fields or {})
    return Variables({**values, **(env or {}), **(secret_env or {})}, tuple(warnings))


def _add_fields(values: dict[str, str], fields: Mapping[str, Any]) -> list[str]:
    warnings = []
    holders = {"CHECKSTACK_ENV_ID": "id", "CHECKSTACK_ENV_NAME": "name"}
    for field, value in fields.items():
        name = upper_snake(field)
        if not name:
            continue
        variable = f"CHECKSTACK_ENV_{name}"
        if (holder := holders.get(variable)) is not None:
            if field != holder:
                warnings.append(f"the field {field!r} has no variable: {variable} is that of {holder!r}")
            continue
        holders[variable] = field
        values[variable] = as_text(value)
    return warnings


def upper_snake(name: str) -> str:
    """``BASE_URL`` for ``baseUrl``, ``base-url`` and ``base.url``; empty where no letter and no digit is in it."""
    return _OTHER.sub("_", _HUMP.sub("_", name)).strip("_").upper()


def as_text(value: Any) -> str:
    """As a script of version 1 saw it: nothing is empty, 2.0 is ``2``, lists and objects are JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else dumps(value).decode()
    return text.replace("\0", "")  # no variable can hold it
