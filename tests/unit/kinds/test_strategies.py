"""Every strategy and collector: a config that is good, and what makes it bad."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.base.canonical import loads
from reconciler.kinds.table import ACTIONS, COLLECTORS, TRIGGERS
from reconciler.kinds.validate import Validated, validate

SECRET = "${{ secrets.S }}"
HOST = "{{ environment.host }}"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
DATABASE = {"host": HOST, "database": "orders", "user": "probe", "password": SECRET}

# collector: config of its strategy, its own config, how many holes both have
GOOD: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "http.request": (
        {"authType": "basic", "authUsername": "u", "authPassword": SECRET},
        {"url": "https://a.example"},
        0,
    ),
    "tcp.banner": ({"host": HOST, "port": "{{ environment.port }}"}, {"send": "{{ system.name }}"}, 3),
    "dns.lookup": (
        {"nameserver": "192.0.2.53", "protocol": "tls"},
        {"hostname": "{{ environment.domain }}", "recordType": "MX"},
        1,
    ),
    "tls.certificate": ({"host": "a.example", "servername": HOST, "minVersion": "TLSv1.2", "caCert": PEM}, {}, 1),
    "ping.ping": ({"timeout": 5000}, {"host": "192.0.2.1", "count": 5, "interval": "200ms"}, 0),
    "script.execute": ({}, {"script": "true", "env": {"A": "{{ x }}"}, "secretEnv": {"B": SECRET}, "timeout": 100}, 0),
    "script.inline-script": ({}, {"script": "return 1", "language": "node"}, 0),
    "postgres.query": ({**DATABASE, "port": 5433, "sslMode": "verify-full"}, {"query": "select 1"}, 1),
    "mysql.query": ({**DATABASE, "sslMode": "required"}, {"query": "select '{{ x }}'"}, 1),
    "redis.command": (
        {"host": "a", "password": SECRET, "tls": True},
        {"command": "LLEN", "args": ["{{ system.id }}"]},
        1,
    ),
    "grpc.health": ({"host": "a", "port": 50051}, {"service": "orders.{{ environment.name }}"}, 1),
    "ssh.command": ({"host": "a", "username": "u", "privateKey": SECRET}, {"command": "uptime"}, 0),
}
# collector: what to change in the strategy's and its own config, the code and the key of the fault
BAD: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("tcp.banner", {"port": "25"}, {}, "wrong-type", "port"),
    ("tcp.banner", {"port": 0}, {}, "bad-value", "port"),
    ("tcp.banner", {"host": "https://a"}, {}, "bad-value", "host"),
    ("tcp.banner", {}, {"maxBytes": 0}, "out-of-range", "maxBytes"),
    ("dns.lookup", {}, {"hostname": "a b"}, "bad-value", "hostname"),
    ("dns.lookup", {}, {"recordType": "a"}, "unknown-value", "recordType"),
    ("tls.certificate", {"rejectUnauthorized": "no"}, {}, "wrong-type", "rejectUnauthorized"),
    ("tls.certificate", {"minVersion": "SSLv3"}, {}, "unknown-value", "minVersion"),
    ("tls.certificate", {"caCert": "/etc/ssl/ca.pem"}, {}, "bad-value", "caCert"),
    ("dns.lookup", {"protocol": "https"}, {}, "unknown-value", "protocol"),
    ("ping.ping", {}, {"count": 1.5}, "wrong-type", "count"),
    ("ping.ping", {}, {"count": 1000}, "out-of-range", "count"),
    ("script.execute", {}, {"script": ""}, "out-of-range", "script"),
    ("script.execute", {}, {"timeout": 99}, "out-of-range", "timeout"),
    ("script.execute", {}, {"timeout": 300_001}, "out-of-range", "timeout"),
    ("script.execute", {}, {"env": {"A": 1}}, "wrong-type", "A"),
    ("script.execute", {}, {"env": {"1A": "x"}}, "bad-key", "1A"),
    ("script.execute", {}, {"env": {"A": SECRET}}, "secret-in-plain-field", "A"),
    ("script.execute", {}, {"script": f"echo {SECRET}"}, "secret-in-plain-field", "script"),
    ("script.inline-script", {}, {"language": "typescript"}, "unknown-value", "language"),
    ("postgres.query", {"user": " "}, {}, "bad-value", "user"),
    ("postgres.query", {"database": SECRET}, {}, "secret-in-plain-field", "database"),
    ("mysql.query", {}, {"maxRows": 0}, "out-of-range", "maxRows"),
    ("redis.command", {"database": -1}, {}, "out-of-range", "database"),
    ("redis.command", {}, {"command": "GET a"}, "bad-format", "command"),
    ("ssh.command", {"privateKey": None}, {}, "missing-key", "config"),
    ("ssh.command", {"privateKey": None, "password": SECRET, "passphrase": SECRET}, {}, "missing-key", "privateKey"),
]
ACTION_CONFIGS: dict[str, dict[str, Any]] = {
    "log": {"message": "hi"},
    "webhook": {"url": "https://a.example", "headers": [{"name": "A", "valueFrom": {"secret": "S"}}]},
    "notify": {"title": "x", "url": SECRET},
    "run_shell": {"script": "true", "secretEnv": {"A": SECRET}},
    "run_script": {"script": "return 1"},
    "incident.create": {"title": "x", "severity": "critical", "systems": ["a"]},
    "incident.update": {"message": "x"},
    "incident.resolve": {},
    "maintenance.start": {"title": "x", "duration": "30m"},
    "maintenance.end": {},
    "check.run_now": {"system": "a", "check": "b", "environment": "c"},
    "check.pause": {"system": "a", "check": "b", "duration": "1h"},
    "check.resume": {"system": "a", "check": "b"},
    "github.issue": {"repository": "a/b", "title": "x", "token": SECRET},
    "gitlab.issue": {"project": "a/b", "title": "x", "token": SECRET},
}
TRIGGER_CONFIGS: dict[str, dict[str, Any]] = {
    "automation.cron": {"cronPattern": "0 6 * * *", "timezone": "Europe/Berlin"},
    "automation.interval": {"intervalSeconds": 60},
    "automation.numeric_state": {"field": "health.system.p95_latency_ms", "above": 800},
    "webhook": {"hook": "deploy", "token": SECRET},
}


def check(collector: str, strategy: dict[str, Any], config: dict[str, Any]) -> Validated:
    """Validate a check with that collector."""
    from reconciler.kinds.table import STRATEGIES

    name, _, bare = collector.partition(".")
    spec = {
        "interval": "1m",
        "strategy": {"type": f"{name}@{STRATEGIES[name].head}", "config": strategy},
        "collectors": [{"type": f"{bare}@{COLLECTORS[collector].head}", "config": config}],
    }
    return validate("Check", {"apiVersion": "gitops/v2", "kind": "Check", "metadata": {"name": "a"}, "spec": spec})


def automation(trigger: dict[str, Any], action: dict[str, Any]) -> Validated:
    """Validate an automation with that trigger and that action."""
    spec = {"runAs": "oncall", "triggers": [trigger], "actions": [{"id": "it", **action}]}
    document = {"apiVersion": "gitops/v2", "kind": "Automation", "metadata": {"name": "a"}, "spec": spec}
    return validate("Automation", document)


def test_every_config_has_a_good_example() -> None:
    assert set(GOOD) == set(COLLECTORS)
    assert set(ACTION_CONFIGS) == set(ACTIONS)
    assert set(TRIGGER_CONFIGS) == set(TRIGGERS)


@pytest.mark.parametrize("collector", GOOD)
def test_good_configs(collector: str) -> None:
    strategy, config, holes = GOOD[collector]
    result = check(collector, strategy, config)
    assert result.faults == []
    assert len(result.holes) == holes
    assert loads(result.body)["spec"]["strategy"]["config"]["timeout"] == strategy.get("timeout", 30_000)
    assert result.secrets == (("S",) if SECRET in str((strategy, config)) else ())


@pytest.mark.parametrize(("collector", "strategy", "config", "code", "key"), BAD)
def test_bad_configs(collector: str, strategy: dict[str, Any], config: dict[str, Any], code: str, key: str) -> None:
    good = GOOD[collector]
    result = check(collector, {**good[0], **strategy}, {**good[1], **config})
    assert [(fault.code, fault.path[-1]) for fault in result.faults] == [(code, key)]


@pytest.mark.parametrize("action", ACTION_CONFIGS)
def test_good_actions(action: str) -> None:
    result = automation({"event": "incident.created"}, {"action": f"{action}@1", "config": ACTION_CONFIGS[action]})
    assert result.faults == []


@pytest.mark.parametrize("event", TRIGGER_CONFIGS)
def test_good_triggers(event: str) -> None:
    result = automation({"event": f"{event}@1", "config": TRIGGER_CONFIGS[event]}, {"stop": {}})
    assert result.faults == []
