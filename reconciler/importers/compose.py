"""From monitors to documents: systems with their checks, the groups and environments they are in, who is told."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import NamedTuple

from reconciler.base.canonical import dumps
from reconciler.importers.automations import automations
from reconciler.importers.comments import cleaned, cleaned_channel
from reconciler.importers.drafts import Draft
from reconciler.importers.families import Merged, host_of, merged
from reconciler.importers.fields import Fields
from reconciler.importers.layout import Files, body, check
from reconciler.importers.names import shortened, slug, told_apart
from reconciler.importers.port import Imported, Notes
from reconciler.importers.probe import At, Channel, Probe
from reconciler.importers.sharing import Shared, share

_PARTS = {"ping": "ping", "http": "http", "tls": "certificate"}


class Composed(NamedTuple):
    """``files`` are texts by path; ``owners`` is what each document was made of, by kind and name."""

    files: dict[str, str]
    owners: dict[tuple[str, str], list[Probe | Channel]]


def composed(imported: Imported, notes: Notes) -> Composed:
    """The files to write: the same monitors always give the same bytes. ``imported`` stays as it is."""
    # Addresses are replaced by templates below, so that all is done on copies.
    probes = _without_twins(imported.probes, notes)
    copies = [replace(probe, measures=deepcopy(probe.measures)) for probe in probes]
    for copy in copies:
        cleaned(copy, notes)
    for channel in imported.channels:
        cleaned_channel(channel, notes)
    originals = {id(copy): probe for copy, probe in zip(copies, probes, strict=True)}
    found = merged(copies)
    drafts = _drafts(found)
    _name_systems(drafts)
    shared = share(drafts)
    own = _own(drafts, shared)
    names = _name_checks(drafts, shared, own)
    environments = Fields(found)
    for _, probe, index in own:
        if len(probe.variants) > 1:
            environments.fill(probe, index)
    files = Files(drafts)
    files.environments(found, environments.environments())
    files.checks = [check(name, each.measure) for each, name in zip(shared, names, strict=True)]
    for draft in drafts:
        files.system(draft, set(names))
    users = [(draft.name, [probe.first for probe in draft.probes]) for draft in drafts]
    files.automations, channels = automations(imported.channels, users)
    return Composed(files.texts(), _owners(drafts, files.groups, originals, channels))


_Own = tuple[Draft, Merged, int]


def _own(drafts: Sequence[Draft], shared: Sequence[Shared]) -> list[_Own]:
    """The checks that only one system takes up."""
    taken = {(id(probe), index) for each in shared for _, probe, index in each.users}
    return [
        (draft, probe, index)
        for draft in drafts
        for probe in draft.probes
        for index in range(len(probe.first.measures))
        if (id(probe), index) not in taken
    ]


def _name_checks(drafts: Sequence[Draft], shared: Sequence[Shared], own: Sequence[_Own]) -> list[str]:
    """Give every system its checks by name; returns the names of the shared ones."""
    wishes = [[each.wish, f"{each.wish}-{slug(each.group or '')}".strip("-")] for each in shared]
    names = told_apart([*wishes, *([_wish(*each)] for each in own)])
    users = [(name, user) for each, name in zip(shared, names, strict=False) for user in each.users]
    users += list(zip(names[len(shared) :], own, strict=True))
    order = {id(probe): number for draft in drafts for number, probe in enumerate(draft.probes)}
    for name, (draft, probe, index) in sorted(users, key=lambda user: (order[id(user[1][1])], user[1][2])):
        draft.checks.append((name, probe, index))
    return names[: len(shared)]


def _owners(
    drafts: Sequence[Draft], groups: dict[str, str], originals: dict[int, Probe], channels: dict[str, Channel]
) -> dict[tuple[str, str], list[Probe | Channel]]:
    owners: dict[tuple[str, str], list[Probe | Channel]] = {("Automation", n): [c] for n, c in channels.items()}
    for draft in drafts:
        variants = [variant for probe in draft.probes for variant in probe.variants]
        owners["System", draft.name] = [originals[id(v.probe)] for v in variants]
        for variant in variants:
            for key in (("Group", groups.get(draft.group or "", "")), ("Environment", variant.environment or "")):
                owners.setdefault(key, []).append(originals[id(variant.probe)])
        for name, probe, _ in draft.checks:
            owners.setdefault(("Check", name), []).extend(originals[id(v.probe)] for v in probe.variants)
    return owners


def _without_twins(probes: Sequence[Probe], notes: Notes) -> list[Probe]:
    """A monitor that is there twice, word for word, is one."""
    seen: dict[bytes, Probe] = {}
    for probe in probes:
        key = dumps([probe.title, probe.group, probe.environment, probe.system, [body(m) for m in probe.measures]])
        if key in seen:
            notes.left(
                probe.at, f"{probe.title} is there twice, the first time at {_line(seen[key].at)}; it was kept once"
            )
        else:
            seen[key] = probe
    return list(seen.values())


def _line(at: At) -> str:
    return f"{at.file}:{at.line}" if at.line is not None else at.file


def _drafts(found: Sequence[Merged]) -> list[Draft]:
    drafts: list[Draft] = []
    joined: dict[tuple[str, str | None], Draft] = {}
    for probe in found:
        key = probe.system
        if key is None:
            drafts.append(Draft(probe.title, probe.group, [probe], fields=dict(probe.first.fields)))
            continue
        draft = joined.get((key, probe.group))
        if draft is None:
            draft = joined[key, probe.group] = Draft(key, probe.group)
            drafts.append(draft)
        draft.probes.append(probe)
        draft.fields |= probe.first.fields
    return drafts


def _name_systems(drafts: Sequence[Draft]) -> None:
    wishes = []
    for draft in drafts:
        name = slug(draft.title, "system")
        wish = [name, slug(f"{draft.group} {draft.title}", name)] if draft.group else [name]
        host = host_of(draft.probes[0].first.measures[0]) if draft.probes else None
        wishes.append([*wish, slug(f"{draft.title} {host}", name)] if host and "{{" not in host else wish)
    for draft, name in zip(drafts, told_apart(wishes), strict=True):
        draft.name = name


def _wish(draft: Draft, probe: Merged, index: int) -> str:
    """The name that a check of one system alone would like: of the system, and of what it does."""
    measure = probe.first.measures[index]
    part = measure.part or slug(probe.first.shared or "") or _PARTS.get(measure.strategy, measure.strategy)
    return draft.name if f"-{draft.name}".endswith(f"-{part}") else f"{shortened(draft.name, 62 - len(part))}-{part}"
