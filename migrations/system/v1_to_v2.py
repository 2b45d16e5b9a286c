"""The document moves to gitops/v2: references become names, healthchecks become checks with thresholds.

``satelliteIds`` become ``regions``, a reserved field, and ``includeLocal: false`` stays: such a check never runs on
the host itself. Without any satellite it comes with an empty list of regions and so runs nowhere, as in version 1.
Anomaly settings move from their own list to the check they are for.
"""

from __future__ import annotations

from typing import Any

FROM, TO = 1, 2

RENAMED = (
    (("spec", "checks", "*", "check"), ("spec", "healthchecks", "*", "ref", "name")),
    (("spec", "checks", "*", "thresholds", "degraded"), ("spec", "healthchecks", "*", "degradedThreshold")),
    (("spec", "checks", "*", "thresholds", "unhealthy"), ("spec", "healthchecks", "*", "unhealthyThreshold")),
    (("spec", "checks", "*", "regions"), ("spec", "healthchecks", "*", "satelliteIds")),
    (("spec", "checks", "*", "anomaly"), ("spec", "anomaly")),
    (("spec", "checks", "*"), ("spec", "healthchecks", "*")),
    (("spec", "checks"), ("spec", "healthchecks")),
    (("spec", "dependencies", "*", "system"), ("spec", "dependencies", "*", "targetRef", "name")),
    (("spec", "dependencies", "*", "impact"), ("spec", "dependencies", "*", "impactType")),
    (("spec", "groups", "*"), ("spec", "groups", "*", "name")),
    (("spec", "environments", "*"), ("spec", "environments", "*", "name")),
)


def migrate(data: dict[str, Any]) -> dict[str, Any]:
    """The system as version 2 writes it."""
    from ..shared.v1_documents import envelope, is_old, names

    if not is_old(data):
        return data
    old = data.get("spec") or {}
    spec: dict[str, Any] = {}
    if old.get("fields"):
        spec["fields"] = dict(old["fields"])
    for key in ("groups", "environments"):
        if old.get(key):
            spec[key] = names(old[key])
    if old.get("dependencies"):
        spec["dependencies"] = [_dependency(d) for d in old["dependencies"]]
    anomalies = {item["healthcheckRef"]["name"]: item for item in old.get("anomaly") or ()}
    checks = {item["ref"]["name"]: _check(item, anomalies) for _, _, item in reversed(_assignments(old))}
    if checks:
        spec["checks"] = list(reversed(checks.values()))
    return envelope(data, "System", spec)


def notes(data: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    """What is left out, because version 2 has nothing of the kind."""
    from ..shared.v1_documents import is_old

    if not is_old(data):
        return []
    spec = data.get("spec") or {}
    told: list[tuple[tuple[str | int, ...], str]] = []
    if spec.get("notificationPolicy"):
        told.append((("spec", "notificationPolicy"), "notificationPolicy is left out: an automation takes its place"))
    seen: set[str] = set()
    for key, index, item in _assignments(spec):
        name = item["ref"]["name"]
        if name in seen:
            told.append((("spec", key, index), f"{name} is assigned twice; only the first assignment counts"))
        seen.add(name)
    for index, item in enumerate(spec.get("anomaly") or ()):
        name = item["healthcheckRef"]["name"]
        if name not in seen:
            text = f"the anomaly settings of {name} are left out: the system has no such healthcheck"
            told.append((("spec", "anomaly", index), text))
    return told


def _assignments(spec: dict[str, Any]) -> list[tuple[str, int, dict[str, Any]]]:
    """All assignments with their key and index: the documented key was ``healthcheck``, the registered one not."""
    return [(key, i, item) for key in ("healthchecks", "healthcheck") for i, item in enumerate(spec.get(key) or ())]


def _check(old: dict[str, Any], anomalies: dict[str, Any]) -> dict[str, Any]:
    check: dict[str, Any] = {"check": old["ref"]["name"]}
    thresholds = {
        word: old[f"{word}Threshold"] for word in ("degraded", "unhealthy") if old.get(f"{word}Threshold") is not None
    }
    if thresholds:
        check["thresholds"] = thresholds
    if old.get("satelliteIds") or not old.get("includeLocal", True):
        check["regions"] = list(dict.fromkeys(old.get("satelliteIds") or ()))
    if not old.get("includeLocal", True):
        check["includeLocal"] = False
    anomaly = anomalies.get(check["check"])
    if anomaly is not None:
        check["anomaly"] = {key: value for key, value in anomaly.items() if key != "healthcheckRef"}
    if old.get("notificationPolicy"):
        check["notificationPolicy"] = old["notificationPolicy"]
    return check


def _dependency(old: dict[str, Any]) -> dict[str, Any]:
    new: dict[str, Any] = {"system": old["targetRef"]["name"], "impact": old["impactType"]}
    return new | {key: old[key] for key in ("transitive", "label") if old.get(key) is not None}
