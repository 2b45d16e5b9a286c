"""Documents, and which of them stand in which file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.base.durations import format_duration
from reconciler.importers.drafts import Draft
from reconciler.importers.families import Merged
from reconciler.importers.names import slug, told_apart
from reconciler.importers.places import rank
from reconciler.importers.probe import Measure, Remark, plain
from reconciler.importers.text import written
from reconciler.kinds.table import API_VERSION, COLLECTORS, STRATEGIES

Document = dict[Any, Any]


def body(measure: Measure) -> Any:
    """What a check means, whatever it is called and whatever is said beside it."""
    return plain(check("", measure))


def _comments(probe: Merged) -> list[str]:
    """Those of all its variants; where they differ, each says of which environment it speaks."""
    ordered = sorted(probe.variants, key=lambda v: v.probe is not probe.first)
    told = [(v.environment, line) for v in ordered for line in v.probe.comments]
    everywhere = {line for _, line in told if all(line in v.probe.comments for v in probe.variants)}
    main = probe.first.comments
    return [line if line in everywhere or line in main else f"{place}: {line}" for place, line in told]


def check(name: str, measure: Measure) -> Document:
    """The document of one check."""
    strategy: Document = {"type": f"{measure.strategy}@{STRATEGIES[measure.strategy].head}"}
    if measure.config:
        strategy["config"] = _ordered(measure.config)
    spec: Document = {"interval": format_duration(measure.interval), "strategy": strategy}
    if measure.beside_interval:
        spec[Remark("interval")] = measure.beside_interval
    if measure.collector is not None:
        head = COLLECTORS[f"{measure.strategy}.{measure.collector}"].head
        collector: Document = {"type": f"{measure.collector}@{head}"}
        if measure.settings:
            collector["config"] = _ordered(measure.settings)
        if measure.assertions:
            collector["assertions"] = measure.assertions
        spec["collectors"] = [collector]
    metadata: Document = {"name": name}
    if measure.title and slug(measure.title) != measure.title and measure.title != name:
        metadata["title"] = measure.title
    return document("Check", metadata, spec, "\n".join(measure.comments))


_FIRST = ("host", "nameserver", "port", "database", "user", "username", "password", "url", "method", "headers", "body")
_LAST = ("timeout", "followRedirects")


def _ordered(config: Document) -> Document:
    """Where it connects and as whom comes first, limits come last; comments stay with what they speak of."""

    def place(key: Any) -> int:
        name = key.key if isinstance(key, Remark) else key
        return _FIRST.index(name) if name in _FIRST else 100 + (name in _LAST)

    return {key: config[key] for key in sorted(config, key=place)}


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


class Files:
    """Which document stands in which file."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self._environments: list[Document] = []
        self._systems: dict[str, list[Document]] = {}
        self.checks: list[Document] = []
        self.automations: list[Document] = []
        titles = list(dict.fromkeys(draft.group for draft in drafts if draft.group))
        names = told_apart([[slug(title, "group")] for title in titles])
        self.groups = dict(zip(titles, names, strict=True))

    def environments(self, found: Sequence[Merged], fields: dict[str, dict[str, Any]]) -> None:
        """One document for each that is named."""
        titles: dict[str, str] = {}
        for variant in (variant for each in found for variant in each.variants):
            if variant.environment is not None:
                titles.setdefault(variant.environment, variant.probe.environment or variant.environment)
        for name in sorted(titles, key=rank):
            spec = {"fields": fields[name]} if name in fields else None
            title = name if titles[name].lower() == name else titles[name]
            self._environments.append(document("Environment", titled(name, title), spec))

    def system(self, draft: Draft, shared: set[str]) -> None:
        """The system, and behind it the checks that are its own."""
        path, documents = self._file(draft)
        documents.append(self._system(draft))
        for name, probe, index in draft.checks:
            if name not in shared:
                documents.append(check(name, probe.first.measures[index]))
        self._systems[path] = documents

    def _file(self, draft: Draft) -> tuple[str, list[Document]]:
        group = self.groups.get(draft.group or "")
        path = f"systems/{group}.yaml" if group else "systems.yaml"
        documents = self._systems.get(path)
        if documents is None:
            documents = [document("Group", titled(group, draft.group or ""), None)] if group else []
        return path, documents

    def _system(self, draft: Draft) -> Document:
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
            spec["groups"] = [self.groups[draft.group]]
        if environments:
            spec["environments"] = sorted(environments, key=rank)
        spec["checks"] = [self._assignment(name, probe, environments) for name, probe, _ in draft.checks]
        comments = dict.fromkeys(line for probe in draft.probes for line in _comments(probe))
        return document("System", metadata, spec, "\n".join(comments))

    def _assignment(self, name: str, probe: Merged, environments: list[str]) -> Document:
        assignment: Document = {"check": name}
        if set(probe.environments) != set(environments):
            assignment["environments"] = probe.environments
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
