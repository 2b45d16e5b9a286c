"""The document moves to gitops/v2: references become names, healthchecks become checks with thresholds.

``satelliteIds`` and ``includeLocal`` become ``regions``, a reserved field. Without it a check runs on the host itself,
as ever. With it, it runs in the named regions and nowhere else; ``local`` is the name of the host itself. So
satellites beside the host are ``[local, fra]``, satellites alone ``[fra]``, and ``includeLocal: false`` without any
satellite ``[]``: nowhere. A check that must not run on the host thereby never does.
"""

from __future__ import annotations

from typing import Any

FROM, TO = 1, 2

RENAMED = (
    (("spec", "checks", "*", "check"), ("spec", "healthchecks", "*", "ref", "name")),
    (("spec", "checks", "*", "thresholds", "degraded"), ("spec", "healthchecks", "*", "degradedThreshold")),
    (("spec", "checks", "*", "thresholds", "unhealthy"), ("spec", "healthchecks", "*", "unhealthyThreshold")),
    (("spec", "checks", "*", "regions"), ("spec", "healthchecks", "*", "satelliteIds")),
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
    checks: dict[str, Any] = {}
    for _, _, item in _assignments(old):
        checks.setdefault(item["ref"]["name"], _check(item))
    if checks:
        spec["checks"] = list(checks.values())
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
    if spec.get("anomaly"):
        told.append((("spec", "anomaly"), "anomaly is left out: there is no anomaly detection in version 2"))
    seen: set[str] = set()
    for key, index, item in _assignments(spec):
        at = ("spec", key, index)
        name = item["ref"]["name"]
        if name in seen:
            told.append((at, f"healthcheck {name} is assigned twice; only the first assignment counts"))
        seen.add(name)
        if item.get("notificationPolicy"):
            told.append(((*at, "notificationPolicy"), "notificationPolicy is left out: an automation takes its place"))
    for index, item in enumerate(spec.get("dependencies") or ()):
        if item.get("label"):
            told.append((("spec", "dependencies", index, "label"), "label is left out: dependencies have none"))
    return told


def _assignments(spec: dict[str, Any]) -> list[tuple[str, int, dict[str, Any]]]:
    """All assignments with their key and index: the documented key was ``healthcheck``, the registered one not."""
    return [(key, i, item) for key in ("healthchecks", "healthcheck") for i, item in enumerate(spec.get(key) or ())]


def _check(old: dict[str, Any]) -> dict[str, Any]:
    check: dict[str, Any] = {"check": old["ref"]["name"]}
    thresholds = {
        word: old[f"{word}Threshold"] for word in ("degraded", "unhealthy") if old.get(f"{word}Threshold") is not None
    }
    if thresholds:
        check["thresholds"] = thresholds
    satellites = list(dict.fromkeys(old.get("satelliteIds") or ()))
    local = old.get("includeLocal", True)
    if satellites or not local:
        check["regions"] = [*(["local"] if local else []), *satellites]
    return check


def _dependency(old: dict[str, Any]) -> dict[str, Any]:
    new: dict[str, Any] = {"system": old["targetRef"]["name"], "impact": old["impactType"]}
    if "transitive" in old:
        new["transitive"] = old["transitive"]
    return new
