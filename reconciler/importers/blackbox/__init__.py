"""Prometheus' blackbox_exporter: its modules, and the scrape configs and target files that use them.

A module becomes a check that all its targets share; a target becomes a system. Which file is which, its content tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.importers.blackbox.jobs import Target, targets_of
from reconciler.importers.blackbox.modules import Modules
from reconciler.importers.names import slug
from reconciler.importers.places import address, family, shown
from reconciler.importers.port import File, Imported, Notes, Unreadable
from reconciler.importers.probe import Probe
from reconciler.importers.secrets import Keeper

_NO_GROUP = frozenset(
    {"blackbox", "exporter", "prometheus", "probe", "probes", "http", "https", "tcp", "icmp", "dns", "ping", "2xx"}
)
"""Words of a job that say how it works rather than what it watches."""


def read(files: Sequence[File], notes: Notes) -> Imported:
    """Every target of every job that probes with a module of these files."""
    loaded = [(file, value) for file in files if (value := _loaded(file, notes)) is not None]
    modules = Modules(_maps(loaded, "modules"), Keeper(notes), notes)
    targets = [(file, value) for file, value in loaded if isinstance(value, list)]
    found = Imported()
    jobs = 0
    for file, value in loaded:
        if isinstance(value, dict) and isinstance(value.get("scrape_configs"), list):
            jobs += 1
            for target in targets_of(file, value, targets, notes):
                probe = _probe(target, modules, notes)
                if probe is not None:
                    found.probes.append(probe)
    if not jobs:
        hint = "name prometheus.yml as well: it says what is probed with which module"
        for file, _ in loaded:
            notes.left(file.at(), "there is no scrape config among the files, so nothing says what is probed", hint)
    else:
        modules.unused()
    return found


def _loaded(file: File, notes: Notes) -> Any:
    try:
        value = file.json() if file.name.endswith(".json") else file.yaml()
        known = isinstance(value, dict) and ("modules" in value or "scrape_configs" in value)
        if not known and not (isinstance(value, list) and all(isinstance(i, dict) and "targets" in i for i in value)):
            hint = "name a file with modules:, one with scrape_configs:, or one with a list of targets:"
            raise Unreadable("this is neither a configuration of blackbox_exporter nor one of Prometheus", 1, hint)
    except Unreadable as error:
        notes.unread(file, error)
        return None
    return value


def _maps(loaded: Sequence[tuple[File, Any]], key: str) -> list[tuple[File, dict[str, Any]]]:
    return [(f, v[key]) for f, v in loaded if isinstance(v, dict) and isinstance(v.get(key), dict)]


def _probe(target: Target, modules: Modules, notes: Notes) -> Probe | None:
    measure = modules.measure(target)
    if measure is None:
        return None
    measure.interval = target.interval
    parts = address(target.address) if "://" in target.address else address(f"//{target.address}")
    host = family(parts.host)[0] if parts else shown(target.address)
    path = (parts.rest.partition("?")[0] if parts else "").strip("/")
    end = f"/{path}" if path else ""
    title = target.title or f"{host}{end}"
    alone = target.title or (f"{parts.host}{end}" if parts else shown(target.address))
    environment = target.labels.pop("environment", None) or target.labels.pop("env", None)
    probe = Probe(title, target.at, [measure], _group(target.job), title, alone, target.module, environment)
    probe.labels, probe.comments = target.labels, target.comments
    return probe


def _group(job: str) -> str | None:
    """The job, when its name tells more than how it probes."""
    return job if any(word not in _NO_GROUP for word in slug(job).split("-")) else None
