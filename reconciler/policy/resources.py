"""Built-in rules that look at one resource."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.base.durations import format_duration, parse_duration
from reconciler.model.resource import Resource
from reconciler.policy.rules import Finding, Rule


def assertions(rule: Rule, resource: Resource, body: Any) -> Iterator[Finding]:
    """Of all collectors of a check together: one may well be there for its numbers alone."""
    collectors = body["spec"].get("collectors") or ()
    if not any(c.get("assertions") for c in collectors):
        message = f"the check {resource.key.name} has no assertion: it is healthy whatever comes back"
        path = ("spec", "collectors", 0) if collectors else ("spec", "collectors")
        yield Finding(rule, resource, path, message, "add assertions to a collector")


def labels(rule: Rule, resource: Resource, body: Any) -> Iterator[Finding]:
    """Labels that have to be there, and say something."""
    given = body["metadata"].get("labels") or {}
    for label in rule.options["labels"]:
        if not str(given.get(label, "")).strip():
            message = f"the system {resource.key.name} has no label {label}"
            path = ("metadata", "labels", label) if label in given else ("metadata", "name")
            yield Finding(rule, resource, path, message, f"add metadata.labels.{label}")


def interval(rule: Rule, resource: Resource, body: Any) -> Iterator[Finding]:
    """How often a check runs."""
    least, found = parse_duration(rule.options["least"]), body["spec"]["interval"]
    if found < least:
        message = f"the check runs every {format_duration(found)}, and {format_duration(least)} is the shortest"
        yield Finding(rule, resource, ("spec", "interval"), message)


def description(rule: Rule, resource: Resource, body: Any) -> Iterator[Finding]:
    """In the metadata, or where version 1 had it."""
    texts = (body["metadata"].get("description"), body["spec"].get("description"))
    if not any(t and t.strip() for t in texts):
        message = f"the automation {resource.key.name} has no description"
        yield Finding(rule, resource, ("metadata", "name"), message, "add metadata.description")
