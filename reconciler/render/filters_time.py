"""Times in templates: ISO texts, or milliseconds since 1970. What is no time gives nothing, as in version 1."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.render.bounds import Frame

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(value: Any) -> datetime | None:
    """The time a value stands for, in UTC; none when it is no time. A time without a zone is taken as UTC."""
    try:
        if isinstance(value, str) and len(value) <= 64:
            parsed = datetime.fromisoformat(value.strip())
            return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _EPOCH + timedelta(milliseconds=value)
    except (ValueError, OverflowError):
        return None
    return None


def _iso(frame: Frame, value: Any) -> str:
    when = moment(value)
    return "" if when is None else when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _unix(when: datetime) -> int:
    return (when - _EPOCH) // timedelta(seconds=1)


def _date(frame: Frame, value: Any, fmt: Any = "ISO") -> Any:
    when = moment(value)
    if when is None:
        return ""
    if fmt == "date":
        return when.date().isoformat()
    if fmt == "time":
        return when.time().isoformat(timespec="seconds")
    if fmt == "unix":
        return _unix(when)
    if fmt == "rfc2822":
        from email.utils import format_datetime  # drags in all of `email`, for one format

        return format_datetime(when, usegmt=True)
    return _iso(frame, value)


def _age(frame: Frame, value: Any) -> int | None:
    when = moment(value)
    return None if when is None else int(frame.clock()) - (when - _EPOCH) // timedelta(milliseconds=1)


def _duration_since(frame: Frame, value: Any) -> int:
    return _age(frame, value) or 0


def _older_than(frame: Frame, value: Any, ms: Any = None) -> bool:
    age = _age(frame, value)
    if age is None or isinstance(ms, bool) or not isinstance(ms, (int, float)):
        return False
    return age > ms


FILTERS: dict[str, Callable[..., Any]] = {"iso": _iso, "date": _date}
CLOCKED: dict[str, Callable[..., Any]] = {"duration_since": _duration_since, "older_than": _older_than}
