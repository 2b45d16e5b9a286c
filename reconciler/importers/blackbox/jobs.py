"""The jobs of Prometheus that probe: their targets, after relabeling, with the module each is probed with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.importers.blackbox.relabel import Unknown, relabeled
from reconciler.importers.places import shown
from reconciler.importers.port import File, Notes, Unreadable
from reconciler.importers.probe import At

Loaded = Sequence[tuple[File, Any]]
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
_DURATION = re.compile(r"(?:[0-9]+(?:ms|[smhdwy]))+\Z")
_PART = re.compile(r"([0-9]+)(ms|[smhdwy])")
_MOST = 31 * 86_400_000
_OWN_LABELS = frozenset({"job", "instance", "module"})


@dataclass(slots=True)
class Target:
    """One target of one job. ``labels`` are those that are left for people."""

    at: At
    address: str
    module: str
    job: str
    interval: int
    timeout: int | None
    title: str | None
    labels: dict[str, str]
    comments: list[str]


def duration(value: Any) -> int | None:
    """Milliseconds of a duration of Prometheus; None when it is none."""
    text = str(value).strip()
    if not _DURATION.match(text):
        return None
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def targets_of(file: File, config: dict[str, Any], given: Loaded, notes: Notes) -> Iterator[Target]:
    """Every target of the jobs of one file. ``given``: target files that the user named."""
    whole = config.get("global") if isinstance(config.get("global"), dict) else {}
    others: list[str] = []
    used: set[str] = set()
    for index, job in enumerate(config["scrape_configs"]):
        path: Path = ("scrape_configs", index)
        if not isinstance(job, dict):
            notes.left(file.at(path), "a scrape config has to be a map", None)
        elif not _probes(job):
            others.append(str(job.get("job_name", index)))
        else:
            yield from _Job(file, path, job, whole or {}, given, used, notes).targets()
    if others:
        shown = ", ".join(others[:8]) + (f" and {len(others) - 8} more" if len(others) > 8 else "")
        notes.left(
            file.at(("scrape_configs",)),
            f"jobs that don't probe were passed over: {shown}",
            "they stay with Prometheus",
        )
    for other, _ in given:
        if other.name not in used:
            notes.left(
                other.at(), "no job that probes names this file of targets", "add it to file_sd_configs of a job"
            )


def _probes(job: dict[str, Any]) -> bool:
    params = job.get("params")
    rules = job.get("relabel_configs")
    return (isinstance(params, dict) and "module" in params) or any(
        isinstance(rule, dict) and rule.get("target_label") == "__param_target"
        for rule in (rules if isinstance(rules, list) else [])
    )


class _Job:
    def __init__(
        self,
        file: File,
        path: Path,
        job: dict[str, Any],
        whole: dict[str, Any],
        given: Loaded,
        used: set[str],
        notes: Notes,
    ) -> None:
        self._file, self._path, self._job, self._given, self._used, self._notes = file, path, job, given, used, notes
        self._name = str(job.get("job_name") or f"job {path[-1]}")
        self._interval = self._duration("scrape_interval", whole) or 60_000
        self._timeout = self._duration("scrape_timeout", whole)

    def targets(self) -> Iterator[Target]:
        """All of them, in the order of the file."""
        for key in self._job:
            if key.endswith("_sd_configs") and key != "file_sd_configs":
                at = self._file.at((*self._path, key))
                hint = "list the targets in static_configs, or write a System for each"
                self._notes.left(at, f"the targets of {self._name} are discovered by {key}, which no file tells", hint)
        static = self._job.get("static_configs")
        yield from self._blocks(self._file, static, (*self._path, "static_configs"))
        for file, value in self._files():
            yield from self._blocks(file, value, ())

    def _files(self) -> Iterator[tuple[File, Any]]:
        found = self._job.get("file_sd_configs")
        for index, config in enumerate(found if isinstance(found, list) else []):
            patterns = config.get("files") if isinstance(config, dict) else None
            for number, pattern in enumerate(patterns if isinstance(patterns, list) else []):
                at = self._file.at((*self._path, "file_sd_configs", index, "files", number))
                yield from self._matching(str(pattern), at)

    def _matching(self, pattern: str, at: At) -> Iterator[tuple[File, Any]]:
        named = [(file, value) for file, value in self._given if _fits(file.name, pattern)]
        self._used.update(file.name for file, _ in named)
        if named:
            yield from named
            return
        found = self._file.matching(pattern)
        if not found:
            self._notes.left(at, f"no file fits {pattern}", "name the files of targets on the command line as well")
        for file in found:
            try:
                yield file, (file.json() if file.name.endswith(".json") else file.yaml())
            except Unreadable as error:
                self._notes.unread(file, error)

    def _blocks(self, file: File, blocks: Any, path: Path) -> Iterator[Target]:
        for index, block in enumerate(blocks if isinstance(blocks, list) else []):
            targets = block.get("targets") if isinstance(block, dict) else None
            labels = block.get("labels") if isinstance(block, dict) else None
            for number, target in enumerate(targets if isinstance(targets, list) else []):
                place = (*path, index, "targets", number)
                comments = list(file.above((*path, index))) if number == 0 else []
                comments += [*file.above(place), *filter(None, [file.beside(place)])]
                found = self._target(str(target), labels if isinstance(labels, dict) else {}, file.at(place))
                if found is not None:
                    found.comments = list(dict.fromkeys(comments))
                    yield found

    def _target(self, written: str, extra: dict[str, Any], at: At) -> Target | None:
        params = self._job.get("params")
        labels = {"__address__": written, "job": self._name, "__scheme__": "http"}
        for name, values in params.items() if isinstance(params, dict) else ():
            labels[f"__param_{name}"] = str(values[0] if isinstance(values, list) and values else values)
        labels |= {str(name): str(value) for name, value in extra.items()}
        rules = self._job.get("relabel_configs")
        try:
            after = relabeled(labels, rules if isinstance(rules, list) else [])
        except Unknown as error:
            place = self._file.at((*self._path, "relabel_configs"))
            self._notes.left(place, f"{self._name}: {error}", "write the targets as they are after relabeling")
            after = relabeled(labels, [{"source_labels": ["__address__"], "target_label": "__param_target"}])
        if after is None:
            self._notes.left(at, f"the relabeling of {self._name} drops {shown(written)}", "nothing to do")
            return None
        address, module = after.get("__param_target"), after.get("__param_module")
        if not address or not module:
            missing = "target" if not address else "module"
            self._notes.left(
                at, f"nothing says the {missing} of {shown(written)} in {self._name}", "set params or relabel_configs"
            )
            return None
        instance = after.get("instance")
        title = instance if instance and instance not in (address, written) else None
        kept = {k: v for k, v in after.items() if not k.startswith("__") and k not in _OWN_LABELS}
        return Target(at, address, module, self._name, self._interval, self._timeout, title, kept, [])

    def _duration(self, key: str, whole: dict[str, Any]) -> int | None:
        value = self._job.get(key, whole.get(key))
        if value is None:
            return None
        ms = duration(value)
        if ms is None or not 1000 <= ms <= _MOST:
            self._notes.changed(
                self._file.at((*self._path, key)), f"{key} {value} can't be used as it stands; the default is"
            )
            return None
        return ms


def _fits(name: str, pattern: str) -> bool:
    """Whether a file that the user named is meant: as much of both paths as there is has to agree."""
    parts, wanted = name.split("/"), [part for part in pattern.split("/") if part not in ("", ".")]
    depth = min(len(parts), len(wanted))
    return depth > 0 and all(map(fnmatchcase, parts[-depth:], wanted[-depth:]))
