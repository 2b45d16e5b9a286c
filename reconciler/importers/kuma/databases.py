"""Monitors of Uptime Kuma that ask databases: postgres, mysql and redis, by their connection strings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from reconciler.importers.assertions import holds
from reconciler.importers.probe import Measure

if TYPE_CHECKING:
    from reconciler.importers.kuma.monitor import Monitor

_MODES = ("disable", "require", "verify-ca", "verify-full")
_KEY = "databaseConnectionString"


def _parts(monitor: Monitor, schemes: tuple[str, ...]) -> SplitResult | None:
    try:
        parts = urlsplit(monitor.text(_KEY))
        number = parts.port  # raises for what is no port
        if parts.scheme in schemes and parts.hostname and number != 0:
            return parts
    except ValueError:
        pass
    # What it holds must not be repeated: it mostly has a password in it.
    monitor.left(
        _KEY, f"{monitor.title} was left out: its connection string can't be read", f"as in {schemes[0]}://user@host/db"
    )
    return None


def _place(monitor: Monitor, parts: SplitResult, port: int) -> dict[Any, Any]:
    config: dict[Any, Any] = {"host": parts.hostname}
    if parts.port is not None and parts.port != port:
        config["port"] = parts.port
    return config


def _password(monitor: Monitor, parts: SplitResult) -> dict[Any, Any]:
    key, value = _KEY, unquote(parts.password or "")
    if not value and monitor.text("radiusPassword"):
        key, value = "radiusPassword", monitor.text("radiusPassword")
    if not value:
        return {}
    return {"password": monitor.secret(key, value, f"the password of the database of {monitor.title}")}


def _sql(strategy: str, port: int, user: str) -> Callable[[Monitor], Measure | None]:
    schemes = ("postgres", "postgresql") if strategy == "postgres" else ("mysql", "mariadb")

    def measure(monitor: Monitor) -> Measure | None:
        parts = _parts(monitor, schemes)
        if parts is None:
            return None
        config = _place(monitor, parts, port)
        name = unquote(parts.username or "") or user
        config["database"] = unquote(parts.path.strip("/")) or (name if strategy == "postgres" else strategy)
        config["user"] = name
        config |= _password(monitor, parts)
        mode = parse_qs(parts.query).get("sslmode", [""])[0]
        if strategy == "postgres" and mode in _MODES:
            config["sslMode"] = mode
        query = monitor.text("databaseQuery") or "SELECT 1"
        return Measure(strategy, config, "query", {"query": query}, [holds("success", "isTrue")])

    return measure


def _redis(monitor: Monitor) -> Measure | None:
    parts = _parts(monitor, ("redis", "rediss"))
    if parts is None:
        return None
    config = _place(monitor, parts, 6379)
    number = parts.path.strip("/")
    if number.isdigit() and number != "0":
        config["database"] = int(number)
    if parts.username:
        config["username"] = unquote(parts.username)
    config |= _password(monitor, parts)
    if parts.scheme == "rediss":
        config["tls"] = True
    return Measure("redis", config, "command", {}, [holds("response", "equals", "PONG")])


MEASURES: dict[str, Callable[[Monitor], Measure | None]] = {
    "postgres": _sql("postgres", 5432, "postgres"),
    "mysql": _sql("mysql", 3306, "root"),
    "redis": _redis,
}
