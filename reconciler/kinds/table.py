"""Names, versions and model locations of everything a document can name; loads without pydantic.

Written out by hand, so that it can be read and type-checked. Other distributions add to it by entry points
(``reconciler.kinds.plugins``); :func:`entries` takes them in, and after its first call the tables hold them too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

API_VERSION = "gitops/v2"
"""The ``apiVersion`` of head documents."""


class Entry(NamedTuple):
    """A thing with a version chain. ``model`` is ``package.module:Class``; ``subject`` names its schemas and steps."""

    subject: str
    first: int
    head: int
    model: str


def _kind(subject: str, model: str, *, first: int = 1) -> Entry:
    return Entry(subject, first, 2, f"reconciler.kinds.{subject}:{model}")


def _strategy(name: str, model: str, *, head: int = 1) -> Entry:
    return Entry(f"strategies/{name}", 1, head, f"reconciler.kinds.strategies.{name}:{model}")


def _collector(name: str, model: str, *, head: int = 1) -> Entry:
    return Entry(f"collectors/{name}", 1, head, f"reconciler.kinds.strategies.{name.partition('.')[0]}:{model}")


def _trigger(name: str, model: str) -> Entry:
    return Entry(f"triggers/{name}", 1, 1, f"reconciler.kinds.triggers:{model}")


def _action(name: str, model: str) -> Entry:
    return Entry(f"actions/{name}", 1, 1, f"reconciler.kinds.actions:{model}")


KINDS: dict[str, Entry] = {
    "System": _kind("system", "System"),
    "Environment": _kind("environment", "Environment"),
    "Check": _kind("check", "Check"),
    "Automation": _kind("automation", "Automation"),
    "Group": _kind("group", "Group"),
    "ServiceAccount": _kind("serviceaccount", "ServiceAccount", first=2),
}

STRATEGIES: dict[str, Entry] = {
    "http": _strategy("http", "HttpConfig", head=3),
    "tcp": _strategy("tcp", "TcpConfig"),
    "dns": _strategy("dns", "DnsConfig"),
    "tls": _strategy("tls", "TlsConfig"),
    "ping": _strategy("ping", "PingConfig"),
    "script": _strategy("script", "ScriptConfig"),
    "postgres": _strategy("postgres", "PostgresConfig"),
    "mysql": _strategy("mysql", "MysqlConfig"),
    "redis": _strategy("redis", "RedisConfig"),
    "grpc": _strategy("grpc", "GrpcConfig"),
    "ssh": _strategy("ssh", "SshConfig"),
}

COLLECTORS: dict[str, Entry] = {
    "http.request": _collector("http.request", "HttpRequest"),
    "tcp.banner": _collector("tcp.banner", "TcpBanner"),
    "dns.lookup": _collector("dns.lookup", "DnsLookup"),
    "tls.certificate": _collector("tls.certificate", "TlsCertificate"),
    "ping.ping": _collector("ping.ping", "PingPing"),
    "script.execute": _collector("script.execute", "ScriptExecute", head=2),
    "script.inline-script": _collector("script.inline-script", "InlineScript"),
    "postgres.query": _collector("postgres.query", "PostgresQuery"),
    "mysql.query": _collector("mysql.query", "MysqlQuery"),
    "redis.command": _collector("redis.command", "RedisCommand"),
    "grpc.health": _collector("grpc.health", "GrpcHealth"),
    "ssh.command": _collector("ssh.command", "SshCommand"),
}

TRIGGERS: dict[str, Entry] = {
    "automation.cron": _trigger("automation.cron", "CronConfig"),
    "automation.interval": _trigger("automation.interval", "IntervalConfig"),
    "automation.numeric_state": _trigger("automation.numeric_state", "NumericStateConfig"),
    "webhook": _trigger("webhook", "WebhookTriggerConfig"),
}

EVENTS: dict[str, str] = {
    "healthcheck.system_degraded": "the health of a system, or of one environment of it, became worse",
    "healthcheck.system_healthy": "a system, or one environment of it, became healthy again",
    "healthcheck.system_health_changed": "the health of a system, or of one environment of it, changed",
    "healthcheck.check_failed": "one run of a check wasn't healthy",
    "incident.created": "an incident was opened",
    "incident.updated": "an incident was updated",
    "incident.resolved": "an incident was resolved",
    "maintenance.started": "a maintenance began",
    "maintenance.completed": "a maintenance ended",
}
"""Events without a config, which take no pin, and what they tell."""

ACTIONS: dict[str, Entry] = {
    "log": _action("log", "Log"),
    "webhook": _action("webhook", "Webhook"),
    "notify": _action("notify", "Notify"),
    "run_shell": _action("run_shell", "RunShell"),
    "run_script": _action("run_script", "RunScript"),
    "incident.create": _action("incident.create", "IncidentCreate"),
    "incident.update": _action("incident.update", "IncidentUpdate"),
    "incident.resolve": _action("incident.resolve", "IncidentResolve"),
    "maintenance.start": _action("maintenance.start", "MaintenanceStart"),
    "maintenance.end": _action("maintenance.end", "MaintenanceEnd"),
    "check.run_now": _action("check.run_now", "CheckRunNow"),
    "check.pause": _action("check.pause", "CheckPause"),
    "check.resume": _action("check.resume", "CheckResume"),
    "github.issue": _action("github.issue", "GithubIssue"),
    "gitlab.issue": _action("gitlab.issue", "GitlabIssue"),
}

TABLES: dict[str, dict[str, Entry]] = {
    "kinds": KINDS,
    "strategies": STRATEGIES,
    "collectors": COLLECTORS,
    "triggers": TRIGGERS,
    "actions": ACTIONS,
}

V1_KINDS: dict[str, str] = {
    "System": "System",
    "Group": "Group",
    "Environment": "Environment",
    "Healthcheck": "Check",
    "Automation": "Automation",
}
"""Version 1 kind to version 2 kind."""

V1_UNSUPPORTED = ("SLO", "Satellite", "View")
"""Version 1 kinds that have no version 2 form; their documents are left out with a warning."""

_extended = False


def extend() -> None:
    """Take in what other distributions add, once. Raises ``GitopsError`` for a taken name or a broken plugin."""
    global _extended
    if _extended:
        return
    from reconciler.kinds.plugins import discover

    for group, name, entry in discover({group: frozenset(table) | _events(group) for group, table in TABLES.items()}):
        TABLES[group][name] = entry
    _extended = True


def entries() -> Iterator[Entry]:
    """Everything with a version chain: the built-in entries, then those of other distributions."""
    extend()
    for table in TABLES.values():
        yield from table.values()


def _events(group: str) -> frozenset[str]:
    return frozenset(EVENTS) if group == "triggers" else frozenset()
