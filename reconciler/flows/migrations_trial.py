"""Every step held to its promises: its goldens, the shape of what comes out, and that twice is once.

A step is pure (it leaves its input as it was and says the same again), and leaves an already new shape alone, since a
config without a pin is read as version 1 whatever it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.base.bundled import bundled
from reconciler.base.diagnostics import Fault
from reconciler.base.errors import UsageError
from reconciler.source.yaml import load
from reconciler.versioning.chain import Chain, Migration, MigrationError, run
from reconciler.versioning.loading import load_chains
from reconciler.versioning.shape import check_shape
from reconciler.versioning.upgrade import upgrade

GOLDENS = "tests/golden/migrations"
"""In a checkout of this project; other distributions keep theirs in ``golden/`` beside their steps."""
IN, OUT = ".in.yaml", ".out.yaml"


@dataclass(slots=True)
class Tested:
    """``failures`` name the file and say what is wrong; ``steps`` and ``goldens`` count what was tried."""

    steps: int = 0
    goldens: int = 0
    failures: list[str] = field(default_factory=list)


def try_steps(folder: Path, subjects: Iterable[str] = ()) -> Tested:
    """Try the steps of these subjects, of all by default: outside of a checkout of this project, of all plugins.

    Raises ``ChainError`` for chains that are broken, ``UsageError`` where there is nothing to try.
    """
    tested = Tested()
    wanted, here = set(subjects), (folder / GOLDENS).is_dir()
    for subject, chain in sorted(load_chains().items()):
        if chain.steps and (subject in wanted if wanted else here or not _is_shipped(chain)):
            _test_chain(chain, list(_goldens(folder, chain)), tested)
    if not tested.steps and not wanted:
        raise UsageError(
            f"{folder} has no folder {GOLDENS}, and no plugin brings a step", hint="run it in a checkout, or name one"
        )
    return tested


def _is_shipped(chain: Chain) -> bool:
    """Whether it is this project's own, whose goldens an installation doesn't have."""
    files = [inspect.getsourcefile(step.migrate) for step in chain.steps]
    return all(file is not None and Path(file).is_relative_to(bundled("migrations")) for file in files)


def _goldens(folder: Path, chain: Chain) -> Iterator[Path]:
    """The inputs of a chain: below the checkout's goldens, or beside its steps."""
    places = {folder / GOLDENS / chain.subject}
    for step in chain.steps:
        file = inspect.getsourcefile(step.migrate)
        places |= {Path(file).parent / "golden"} if file else set()
    for place in sorted(places):
        if place.is_dir():
            yield from sorted(place.glob(f"*{IN}"))


def _test_chain(chain: Chain, goldens: list[Path], tested: Tested) -> None:
    walked: set[str] = set()
    for golden in goldens:
        tested.goldens += 1
        for data in _documents(golden, tested):
            _test_golden(chain, golden, data, tested)
            walked |= _walk(chain, golden, data, tested)
    for step in chain.steps:
        tested.steps += 1
        if step.file not in walked:
            tested.failures.append(f"{step.file}: no golden goes through this step; write one, <name>{IN}")


def _documents(golden: Path, tested: Tested) -> list[Any]:
    documents, faults = load(golden.read_bytes())
    tested.failures += [f"{golden}:{fault.line}: {fault.message}" for fault in faults]
    return [parsed.value for parsed in documents]


def _test_golden(chain: Chain, golden: Path, data: Any, tested: Tested) -> None:
    expected = golden.with_name(golden.name.removesuffix(IN) + OUT)
    if not expected.is_file():
        tested.failures.append(f"{golden}: {expected.name} is missing: what is to come out")
        return
    wanted = _documents(expected, tested)
    found = outcome(chain, data)
    if [found] != wanted:
        tested.failures.append(f"{golden}: what comes out isn't what {expected.name} says")
    elif "data" in found and not any(fault.startswith("error") for fault in found.get("faults", ())):
        tested.failures += [
            f"{golden}: what comes out isn't of version {chain.head}: {fault.message}"
            for fault in _misshapen(chain, data, found["data"])
            if fault.severity == "error"
        ]


def _misshapen(chain: Chain, data: Any, head: Any) -> list[Fault]:
    """What keeps the result from being of the head version, with what its own version tolerates left aside."""
    if "/" in chain.subject:
        return check_shape(chain.subject, chain.head, head)
    from reconciler.kinds.validate import validate

    upgraded = upgrade(data)
    return validate(upgraded.kind or "", head, declared=upgraded.declared).faults


def outcome(chain: Chain, data: Any) -> dict[str, Any]:
    """What becomes of the data: of a document with all that is said about it, of a config the config alone."""
    if "/" in chain.subject:
        return {"data": chain.migrate(deepcopy(data), chain.first)}
    upgraded = upgrade(deepcopy(data))
    shown: dict[str, Any] = {"data": upgraded.data} if upgraded.data is not None else {}
    if upgraded.faults:
        shown["faults"] = [f"{f.severity}[{f.code}] {'.'.join(map(str, f.path))}: {f.message}" for f in upgraded.faults]
    return shown


def _walk(chain: Chain, golden: Path, data: Any, tested: Tested) -> set[str]:
    """Every step of the chain over the data, one after the other; the files of those that took it."""
    walked: set[str] = set()
    for step in chain.steps:
        before = deepcopy(data)
        try:
            after = run(step, data)
        except MigrationError as error:
            if not error.problems and _refused(chain, golden, before):
                return {each.file for each in chain.steps}
            if not error.problems:
                tested.failures.append(f"{step.file}: raises for {golden.name}: {error}")
            return walked | {step.file}
        walked.add(step.file)
        tested.failures += _promises(step, golden, before, data, after)
        data = after
    return walked


def _refused(chain: Chain, golden: Path, data: Any) -> bool:
    """Whether a document is one that its frozen schema refuses, so that no step ever sees it."""
    return "/" not in chain.subject and upgrade(data).data is None


def _promises(step: Migration, golden: Path, before: Any, data: Any, after: Any) -> Iterator[str]:
    if data != before:
        yield f"{step.file}: changes its input, shown by {golden.name}; return new data"
    if run(step, deepcopy(before)) != after:
        yield f"{step.file}: says something else the second time, shown by {golden.name}"
    if run(step, deepcopy(after)) != after:
        yield f"{step.file}: doesn't leave its own result alone, shown by {golden.name}"
