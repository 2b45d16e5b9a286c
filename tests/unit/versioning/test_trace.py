"""Places of a migrated document back in the one that was written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

import pytest
from ruamel.yaml import YAML

from reconciler.base.diagnostics import Path
from reconciler.versioning.trace import trace
from reconciler.versioning.upgrade import upgrade

GOLDENS = File(__file__).parents[2] / "golden" / "migrations"


def read(case: str) -> Any:
    return YAML(typ="safe", pure=True).load(GOLDENS / f"{case}.in.yaml")


def dotted(text: str) -> Path:
    return tuple(int(part) if part.isdigit() else part for part in text.split("."))


CASES = [
    ("check/http", "spec.interval", "spec.intervalSeconds"),
    ("check/http", "spec.strategy.type", "spec.strategy"),
    ("check/http", "spec.strategy.config", "spec.config"),
    ("check/http", "spec.strategy.config.timeout", "spec.config.timeout"),
    ("check/http", "spec.strategy.config.authType", "spec.config"),
    ("check/http", "spec.collectors.0.type", "spec.collectors.0.collectorId"),
    ("check/http", "spec.collectors.0.config.url", "spec.collectors.0.config.url"),
    ("check/http", "spec.collectors.0.config.headers.0.value", "spec.collectors.0.config.headers.0.value"),
    ("check/http", "spec.collectors.0.config.timeout", "spec.collectors.0.config"),
    ("check/http", "spec.collectors.0.assertions.1.operator", "spec.collectors.0.assertions.1.operator"),
    ("check/http", "metadata.name", "metadata.name"),
    ("check/http-lifted", "spec.collectors.0.config.url", "spec.config.url"),
    ("check/http-lifted", "spec.collectors.0.config.body", "spec.config.body"),
    ("check/http-lifted", "spec.collectors.0.config.headers.0.value", "spec.config.headers.Accept"),
    ("check/http-lifted-bare", "spec.collectors.0.config.url", "spec.config.url"),
    ("check/script", "spec.collectors.0.config.script", "spec.collectors.0.config.command"),
    (
        "check/secret-header",
        "spec.collectors.0.config.headers.0.valueFrom.secret",
        "spec.collectors.0.config.headers.0",
    ),
    ("system/whole", "spec.groups.0", "spec.groups.0.name"),
    ("system/whole", "spec.environments.1", "spec.environments.1.name"),
    ("system/whole", "spec.checks.0.check", "spec.healthchecks.0.ref.name"),
    ("system/whole", "spec.checks.0.thresholds.unhealthy", "spec.healthchecks.0.unhealthyThreshold"),
    ("system/whole", "spec.dependencies.0.impact", "spec.dependencies.0.impactType"),
    ("system/whole", "spec.dependencies.0.system", "spec.dependencies.0.targetRef.name"),
    ("system/whole", "spec.dependencies.0.transitive", "spec.dependencies.0.transitive"),
    ("system/documented-key", "spec.checks.1.check", "spec.healthcheck.0.ref.name"),
    ("system/documented-key", "spec.checks.1.thresholds.degraded", "spec.healthcheck.0.degradedThreshold"),
    ("automation/whole", "spec.runAs", "metadata.labels.run-as"),
    ("automation/whole", "spec.triggers.0.for", "spec.triggers.0.for"),
    ("automation/whole", "spec.actions.0.action", "spec.actions.0.action"),
    ("automation/whole", "spec.actions.0.config.title", "spec.actions.0.config.title"),
    ("automation/whole", "spec.concurrencyScope", "spec.concurrency_scope"),
    ("automation/blocks", "spec.triggers.0.window.within", "spec.triggers.0.window.minutes"),
    ("automation/blocks", "spec.conditions.1.or.0.numericState.value", "spec.conditions.1.or.0.numeric_state.value"),
    ("automation/blocks", "spec.actions.0.choose.0.when", "spec.actions.0.choose.0.when"),
    ("automation/blocks", "spec.actions.1.parallel.0.continueOnError", "spec.actions.1.parallel.0.continue_on_error"),
    ("automation/blocks", "spec.actions.2.repeat.forEach", "spec.actions.2.repeat.for_each"),
    ("automation/blocks", "spec.actions.5.waitForTrigger.timeout", "spec.actions.5.wait_for_trigger.timeout_seconds"),
    (
        "automation/blocks",
        "spec.actions.6.waitUntil.continueOnTimeout",
        "spec.actions.6.wait_until.continue_on_timeout",
    ),
    ("automation/blocks", "spec.stateWindow", "spec.state_window_minutes"),
    ("automation/actions", "spec.actions.2.config.system", "spec.actions.2.config.systemId"),
    ("automation/actions", "spec.actions.2.config.check", "spec.actions.2.config.configurationId"),
    ("automation/run-as-blank", "metadata.description", "spec.description"),
]


@pytest.mark.parametrize(("case", "head", "original"), CASES)
def test_traced(case: str, head: str, original: str) -> None:
    assert trace(read(case))(dotted(head)) == dotted(original)


def places(node: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    for key, item in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from places(item, (*path, key))


@pytest.mark.parametrize(
    "case", sorted(str(p.relative_to(GOLDENS)).removesuffix(".in.yaml") for p in GOLDENS.glob("*/*.in.yaml"))
)
def test_every_place_leads_somewhere(case: str) -> None:
    original = read(case)
    data = upgrade(original).data
    if data is None:
        return
    locate = trace(original)
    known = set(places(original))
    assert all(locate((*path, "nothing")) in known and locate(path) in known for path in places(data))


def test_configs_of_version_2_documents() -> None:
    spec = {
        "interval": "1m",
        "strategy": {"type": "script@1"},
        "collectors": [{"type": "execute@1", "config": {"command": "x"}}],
    }
    document = {"apiVersion": "gitops/v2", "kind": "Check", "metadata": {"name": "a"}, "spec": spec}
    locate = trace(document)
    assert locate(dotted("spec.collectors.0.config.script")) == dotted("spec.collectors.0.config.command")
    assert locate(dotted("spec.interval")) == dotted("spec.interval")
