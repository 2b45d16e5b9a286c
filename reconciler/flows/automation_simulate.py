"""Automations tried before they are merged: walked through scenarios, as the documents on disk say, without a store."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.base.canonical import loads
from reconciler.base.diagnostics import Diagnostic, Fault, Place
from reconciler.base.errors import GitopsError, InvalidDocuments, UsageError
from reconciler.flows.locate import Located
from reconciler.flows.offline import offline_plan

if TYPE_CHECKING:
    from reconciler.automate.scenario import Expected, Scenario
    from reconciler.automate.simulate import Simulated
    from reconciler.flows.opened import Source
    from reconciler.store.database import Database

FOLDER = "scenarios"
"""Folders of this name hold scenarios, wherever they are."""


class Tried(NamedTuple):
    """One scenario of a file: ``differences`` are sentences, none where it came out as expected."""

    file: str
    title: str
    simulated: Simulated
    differences: tuple[str, ...]


def automations(source: Source) -> dict[str, Mapping[str, Any]]:
    """The specs of all automations on disk. Raises ``InvalidDocuments``."""
    plan = offline_plan(source.tree(), source.settings)
    found = (change.new for change in plan.resources if change.new is not None)
    return {each.key.name: loads(each.body)["spec"] for each in found if each.key.kind == "Automation"}


def simulated(source: Source, name: str, scenario: Path) -> Simulated:
    """An automation, walked through the one scenario of a file. Raises ``GitopsError``."""
    specs = automations(source)
    _, read = _scenarios(scenario)
    if len(read) != 1:
        raise UsageError(f"{scenario} holds {len(read)} scenarios", hint="gitops automation test takes several")
    chosen = read[0]
    if chosen.moment is None:
        chosen = chosen.model_copy(update={"at": _now()})
    return _simulate(specs, name, chosen)


def again(source: Source, name: str, db: Database, run: int) -> Simulated:
    """An automation as it is on disk, walked through what a recorded run was started by, and what its actions gave.

    Health isn't recorded, but for what the event tells, and neither are the events it waited for. Raises
    ``GitopsError``.
    """
    return _simulate(automations(source), name, _recorded(db, run))


def _recorded(db: Database, run: int) -> Scenario:
    from reconciler.automate.context import iso
    from reconciler.automate.scenario import Scenario
    from reconciler.automate.triggers import from_data
    from reconciler.store.sql_automating import SqlAutomating

    store = SqlAutomating(db)
    row = store.run(run)
    if row is None:
        raise GitopsError(f"there is no run {run} in the store", hint="gitops automation runs lists them")
    event = from_data(row.event)
    results = {
        step.path: {"result": step.result, **({"error": step.error or "it failed"} if step.status == "failed" else {})}
        for step in store.steps(run)
        if step.block == "action" and step.status in ("success", "failed")
    }
    said = {"event": event.name, "payload": dict(event.payload), "at": iso(event.at), "results": results}
    known = {"context": event.context_key, "actor": event.actor, "trigger": row.trigger_id}
    return Scenario.model_validate({**said, **{key: value for key, value in known.items() if value}})


def tried(source: Source, files: Iterable[Path]) -> Iterator[Tried]:
    """Each scenario of the files, or of all folders ``scenarios`` of the source, compared with what it expects.

    Raises ``InvalidDocuments`` for what can't be read, ``GitopsError`` for a name that no automation has.
    """
    paths = list(files) or sorted(_below(source))
    if not paths:
        raise GitopsError(
            "there is no scenario",
            hint=f"put YAML files into a folder called {FOLDER}, or name them on the command line",
        )
    specs = automations(source)
    for path in paths:
        located, scenarios = _scenarios(path)
        for index, scenario in enumerate(scenarios):
            if scenario.automation is None or scenario.expect is None:
                key = "automation" if scenario.automation is None else "expect"
                fault = Fault("missing-key", f"a scenario that is tested needs {key}", (key,))
                raise InvalidDocuments([located.diagnostic(index, fault)])
            came = _simulate(specs, scenario.automation, scenario)
            title = scenario.title or scenario.automation
            yield Tried(located.path, title, came, tuple(differences(scenario.expect, came)))


def differences(expected: Expected, came: Simulated) -> Iterator[str]:
    """What came otherwise than expected, in sentences."""
    stopped = None if came.started else next((g.name for g in reversed(came.gates) if not g.opens), None)
    if expected.stopped != stopped:
        held = f"the gate {stopped} stopped it" if stopped else "no gate stopped it"
        hoped = f"to be stopped by {expected.stopped}" if expected.stopped else "to run"
        yield f"it was expected {hoped}, and {held}"
    for what in ("trigger", "status", "reason"):
        wanted = getattr(expected, what)
        if wanted is not None and wanted != getattr(came, what):
            yield f"{what} is {getattr(came, what)!r}, not {wanted!r}"
    if expected.path is not None:
        yield from _paths(expected.path, [each.path for each in came.sent])
    if expected.sent is not None:
        if len(expected.sent) != len(came.sent):
            done = ", ".join(f"{each.action} at {each.path}" for each in came.sent) or "none"
            yield f"{len(expected.sent)} actions were expected, and {len(came.sent)} would be done: {done}"
        for index, (want, got) in enumerate(zip(expected.sent, came.sent, strict=False)):
            for what in ("path", "id", "action"):
                wanted = getattr(want, what)
                given = getattr(got, what)
                if wanted not in (None, given, _bare(given) if what == "action" else given):
                    yield f"sent[{index}].{what} is {given!r}, not {wanted!r}"
            yield from _values(want.config, got.config, f"sent[{index}].config")


def _paths(expected: list[str], came: list[str]) -> Iterator[str]:
    for index, (want, got) in enumerate(zip(expected, came, strict=False)):
        if want != got:
            yield f"path[{index}] is {got}, not {want}"
            return
    if len(came) > len(expected):
        yield f"{came[len(expected)]} would be done as well, which wasn't expected"
    elif len(came) < len(expected):
        yield f"{expected[len(came)]} was expected, and wouldn't be done"


def _values(expected: Any, came: Any, where: str) -> Iterator[str]:
    """Of maps, the keys that are named; anything else is compared whole."""
    if isinstance(expected, dict) and isinstance(came, Mapping):
        for key, value in expected.items():
            if key not in came:
                yield f"{where}.{key} isn't there"
            else:
                yield from _values(value, came[key], f"{where}.{key}")
    elif expected != came:
        yield f"{where} is {came!r}, not {expected!r}"


def _bare(action: str) -> str:
    return action.partition("@")[0]


def _simulate(specs: Mapping[str, Mapping[str, Any]], name: str, scenario: Scenario) -> Simulated:
    from reconciler.automate.simulate import simulate

    if name not in specs:
        from reconciler.kinds.faults import suggest

        raise GitopsError(f"there is no automation {name!r} in the documents", hint=suggest(name, sorted(specs)))
    return asyncio.run(simulate(name, specs[name], scenario))


def _scenarios(path: Path) -> tuple[Located, list[Scenario]]:
    """All of a file, YAML or JSON. Raises ``UsageError`` and ``InvalidDocuments``."""
    from reconciler.automate.scenario import read
    from reconciler.source.yaml import load

    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    named = os.path.relpath(path) if str(path) != "-" else "<stdin>"
    located = Located(named if not named.startswith("..") else str(path), data)
    documents, faults = load(data)
    wrong = [
        located.with_excerpt(Diagnostic(f.code, f.message, Place(located.path, f.line, f.column), f.hint))
        for f in faults
    ]
    found = []
    for document in documents:
        scenario, problems = read(document.value)
        wrong += [located.diagnostic(document.index, fault) for fault in problems]
        if scenario is not None:
            found.append(scenario)
    if wrong:
        raise InvalidDocuments(wrong)
    return located, found


def _below(source: Source) -> Iterator[Path]:
    folder = Path(source.folder)
    for path in folder.rglob(f"{FOLDER}/*"):
        if path.suffix in (".yaml", ".yml", ".json") and path.is_file() and ".git" not in path.parts:
            yield path


def _now() -> str:
    from reconciler.automate.context import iso

    return iso(time.time())
