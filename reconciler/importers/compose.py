"""From monitors to documents: systems with their checks, the groups and environments they are in, who is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reconciler.base.canonical import dumps
from reconciler.base.durations import format_duration
from reconciler.importers.automations import automations
from reconciler.importers.families import Merged, merged
from reconciler.importers.fields import Fields
from reconciler.importers.names import shortened, slug, told_apart
from reconciler.importers.places import address, rank
from reconciler.importers.port import Imported, Notes
from reconciler.importers.probe import At, Measure, Probe, Remark, plain
from reconciler.importers.text import written
from reconciler.kinds.table import API_VERSION, COLLECTORS, STRATEGIES

Document = dict[Any, Any]

_PARTS = {"ping": "ping", "http": "http", "tls": "certificate"}


@dataclass(slots=True)
class _Draft:
    """A system in the making."""

    title: str
    group: str | None
    probes: list[Merged] = field(default_factory=list)
    name: str = ""
    checks: list[tuple[str, Merged, int]] = field(default_factory=list)
    """Name of the check, and the measure it is made of."""
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Shared:
    """A check that several systems take up."""

    wish: str
    group: str | None
    measure: Measure
    users: list[tuple[_Draft, Merged, int]] = field(default_factory=list)


class Composed(NamedTuple):
    """``files`` are texts by path; ``owners`` the monitors that each document was made of, by kind and name."""

    files: dict[str, str]
    owners: dict[tuple[str, str], list[Probe]]


def composed(imported: Imported, notes: Notes) -> Composed:
    """The files to write: the same monitors always give the same bytes."""
    found = merged(_without_twins(imported.probes, notes))
    drafts = _drafts(found)
    _name_systems(drafts)
    shared = _share(drafts)
    own = [
        (d, m, i)
        for d in drafts
        for m in d.probes
        for i in range(len(m.first.measures))
        if not _is_shared(shared, m, i)
    ]
    names = told_apart(
        [
            *([s.wish, f"{s.wish}-{slug(s.group or '')}".strip("-")] for s in shared),
            *([_wish(d, m, i)] for d, m, i in own),
        ]
    )
    for each, name in zip(shared, names, strict=False):
        for draft, probe, index in each.users:
            draft.checks.append((name, probe, index))
    for (draft, probe, index), name in zip(own, names[len(shared) :], strict=True):
        draft.checks.append((name, probe, index))
    environments = Fields(found)
    for _, probe, index in own:
        if len(probe.variants) > 1:
            environments.fill(probe, index)
    files = _Files(drafts)
    files.environments(found, environments.environments())
    for each, name in zip(shared, names, strict=False):
        files.checks.append(_check(name, each.measure, None))
    for draft in drafts:
        files.system(draft, set(names[: len(shared)]))
    files.automations = automations(imported.channels, [(d.name, [p.first for p in d.probes]) for d in drafts])
    return Composed(files.texts(), _owners(drafts))


def _owners(drafts: Sequence[_Draft]) -> dict[tuple[str, str], list[Probe]]:
    owners: dict[tuple[str, str], list[Probe]] = {}
    for draft in drafts:
        owners["System", draft.name] = [v.probe for probe in draft.probes for v in probe.variants]
        for name, probe, _ in draft.checks:
            owners.setdefault(("Check", name), []).extend(v.probe for v in probe.variants)
    return owners


def _without_twins(probes: Sequence[Probe], notes: Notes) -> list[Probe]:
    """A monitor that is there twice, word for word, is one."""
    seen: dict[bytes, Probe] = {}
    for probe in probes:
        key = dumps([probe.title, probe.group, probe.environment, probe.system, [_body(m) for m in probe.measures]])
        if key in seen:
            notes.left(
                probe.at, f"{probe.title} is there twice, the first time at {_line(seen[key].at)}; it was kept once"
            )
        else:
            seen[key] = probe
    return list(seen.values())


def _line(at: At) -> str:
    return f"{at.file}:{at.line}" if at.line is not None else at.file


def _body(measure: Measure) -> Any:
    return plain(_check("", measure, None))


def _drafts(found: Sequence[Merged]) -> list[_Draft]:
    drafts: list[_Draft] = []
    joined: dict[tuple[str, str | None], _Draft] = {}
    for probe in found:
        key = probe.first.system
        if key is None:
            drafts.append(_Draft(probe.title, probe.group, [probe], fields=dict(probe.first.fields)))
            continue
        draft = joined.get((key, probe.group))
        if draft is None:
            draft = joined[key, probe.group] = _Draft(key, probe.group)
            drafts.append(draft)
        draft.probes.append(probe)
        draft.fields |= probe.first.fields
    return drafts


def _name_systems(drafts: Sequence[_Draft]) -> None:
    wishes = []
    for draft in drafts:
        name = slug(draft.title, "system")
        wishes.append([name, slug(f"{draft.group} {draft.title}", name)] if draft.group else [name])
    for draft, name in zip(drafts, told_apart(wishes), strict=True):
        draft.name = name


def _share(drafts: Sequence[_Draft]) -> list[_Shared]:
    """The checks that at least two systems can take up, with the systems' fields in place of addresses."""
    found: dict[bytes, _Shared] = {}
    for draft in drafts:
        for probe in draft.probes:
            wish = probe.first.shared
            if wish is None or len(probe.variants) > 1:
                continue
            for index, measure in enumerate(probe.first.measures):
                abstract = _abstract(measure)
                if abstract is None:
                    continue
                template, fields = abstract
                if any(draft.fields.get(key, value) != value for key, value in fields.items()):
                    continue
                key = dumps([wish, _body(template)])
                shared = found.setdefault(key, _Shared(slug(wish, "check"), draft.group, template))
                shared.users.append((draft, probe, index))
    kept = [shared for shared in found.values() if len({id(draft) for draft, _, _ in shared.users}) > 1]
    for shared in kept:
        shared.users = _take_fields(shared)
    return [shared for shared in kept if shared.users]


def _take_fields(shared: _Shared) -> list[tuple[_Draft, Merged, int]]:
    users: list[tuple[_Draft, Merged, int]] = []
    for draft, probe, index in shared.users:
        abstract = _abstract(probe.first.measures[index])
        fields = abstract[1] if abstract else {}
        twice = any(user is draft for user, _, _ in users)
        if twice or any(draft.fields.get(key, value) != value for key, value in fields.items()):
            continue
        draft.fields |= fields
        users.append((draft, probe, index))
    return users


def _is_shared(shared: Sequence[_Shared], probe: Merged, index: int) -> bool:
    return any(user is probe and at == index for each in shared for _, user, at in each.users)


def _abstract(measure: Measure) -> tuple[Measure, dict[str, Any]] | None:
    """The check with its address taken out, and the fields that hold it."""
    spot = measure.spot()
    if spot is None:
        return None
    config, settings = dict(measure.config), dict(measure.settings)
    fields: dict[str, Any] = {}
    if measure.strategy == "dns":
        spots = [(config, "nameserver")] if "nameserver" in config else [(settings, "hostname")]
    else:
        spots = [(config if spot[0] is measure.config else settings, spot[1])]
        if measure.strategy in ("tcp", "grpc", "tls") and "port" in config:
            spots.append((config, "port"))
    for holder, key in spots:
        name = "baseUrl" if key == "url" else key
        if key == "url":
            parts = address(holder[key])
            if parts is None:
                return None
            fields[name], rest = parts.base, parts.rest
            holder[key] = f"{{{{ system.fields.{name} }}}}{rest}"
        else:
            fields[name] = holder[key]
            holder[key] = f"{{{{ system.fields.{name} }}}}"
    template = Measure(
        measure.strategy, config, measure.collector, settings, measure.assertions, measure.interval, measure.part
    )
    template.comments, template.beside_interval = measure.comments, measure.beside_interval
    return template, fields


def _wish(draft: _Draft, probe: Merged, index: int) -> str:
    """The name that a check of one system alone would like: of the system, and of what it does."""
    measure = probe.first.measures[index]
    part = measure.part or _PARTS.get(measure.strategy, measure.strategy)
    return draft.name if f"-{draft.name}".endswith(f"-{part}") else f"{shortened(draft.name, 62 - len(part))}-{part}"


def _comments(probe: Merged) -> list[str]:
    """Those of all its variants; where they differ, each says of which environment it speaks."""
    told = [(v.environment, line) for v in probe.variants for line in v.probe.comments]
    everywhere = {line for _, line in told if all(line in v.probe.comments for v in probe.variants)}
    main = probe.first.comments
    return [line if line in everywhere or line in main else f"{place}: {line}" for place, line in told]


def _check(name: str, measure: Measure, comment: str | None) -> Document:
    strategy: Document = {"type": f"{measure.strategy}@{STRATEGIES[measure.strategy].head}"}
    if measure.config:
        strategy["config"] = measure.config
    spec: Document = {"interval": format_duration(measure.interval), "strategy": strategy}
    if measure.beside_interval:
        spec[Remark("interval")] = measure.beside_interval
    if measure.collector is not None:
        head = COLLECTORS[f"{measure.strategy}.{measure.collector}"].head
        collector: Document = {"type": f"{measure.collector}@{head}"}
        if measure.settings:
            collector["config"] = measure.settings
        if measure.assertions:
            collector["assertions"] = measure.assertions
        spec["collectors"] = [collector]
    metadata: Document = {"name": name}
    if measure.title and slug(measure.title) != measure.title and measure.title != name:
        metadata["title"] = measure.title
    return document("Check", metadata, spec, "\n".join(filter(None, [comment, *measure.comments])))


def document(kind: str, metadata: Document, spec: Document | None, comment: str | None = None) -> Document:
    """One document, with what stands above it."""
    whole: Document = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata}
    if comment:
        whole[Remark()] = comment
    if spec:
        whole["spec"] = spec
    return whole


def titled(name: str, title: str) -> Document:
    """Metadata, with the title where the name doesn't say the same."""
    return {"name": name} if title == name else {"name": name, "title": title}


class _Files:
    """Which document stands in which file."""

    def __init__(self, drafts: Sequence[_Draft]) -> None:
        self._environments: list[Document] = []
        self._systems: dict[str, list[Document]] = {}
        self.checks: list[Document] = []
        self.automations: list[Document] = []
        titles = list(dict.fromkeys(draft.group for draft in drafts if draft.group))
        names = told_apart([[slug(title, "group")] for title in titles])
        self._groups = dict(zip(titles, names, strict=True))

    def environments(self, found: Sequence[Merged], fields: dict[str, dict[str, Any]]) -> None:
        """One document for each that is named."""
        titles = dict.fromkeys(environment for each in found for environment in each.environments)
        ordered = sorted(titles, key=rank)
        self._names = dict(zip(ordered, told_apart([[slug(t, "environment")] for t in ordered]), strict=True))
        for title, name in self._names.items():
            spec = {"fields": fields[title]} if title in fields else None
            self._environments.append(document("Environment", titled(name, title), spec))

    def system(self, draft: _Draft, shared: set[str]) -> None:
        """The system, and behind it the checks that are its own."""
        path, documents = self._file(draft)
        documents.append(self._system(draft))
        for name, probe, index in draft.checks:
            if name not in shared:
                documents.append(_check(name, probe.first.measures[index], None))
        self._systems[path] = documents

    def _file(self, draft: _Draft) -> tuple[str, list[Document]]:
        group = self._groups.get(draft.group or "")
        path = f"systems/{group}.yaml" if group else "systems.yaml"
        documents = self._systems.get(path)
        if documents is None:
            documents = [document("Group", titled(group, draft.group or ""), None)] if group else []
        return path, documents

    def _system(self, draft: _Draft) -> Document:
        first = draft.probes[0].first
        metadata = titled(draft.name, draft.title)
        for key in ("description", "labels", "tags"):
            if value := getattr(first, key):
                metadata[key] = value
        environments = list(dict.fromkeys(e for probe in draft.probes for e in probe.environments))
        spec: Document = {}
        if draft.fields:
            spec["fields"] = draft.fields
        if draft.group:
            spec["groups"] = [self._groups[draft.group]]
        if environments:
            spec["environments"] = [self._names[e] for e in sorted(environments, key=rank)]
        spec["checks"] = [self._assignment(name, probe, environments) for name, probe, _ in draft.checks]
        comments = dict.fromkeys(line for probe in draft.probes for line in _comments(probe))
        return document("System", metadata, spec, "\n".join(comments))

    def _assignment(self, name: str, probe: Merged, environments: list[str]) -> Document:
        assignment: Document = {"check": name}
        if set(probe.environments) != set(environments):
            assignment["environments"] = [self._names[e] for e in probe.environments]
        if probe.first.thresholds:
            assignment["thresholds"] = probe.first.thresholds
        return assignment

    def texts(self) -> dict[str, str]:
        """Path to text, in the order in which a reader would open them."""
        files = {
            "environments.yaml": self._environments,
            "checks.yaml": self.checks,
            **dict(sorted(self._systems.items())),
            "automations.yaml": self.automations,
        }
        return {path: written(documents) for path, documents in files.items() if documents}
