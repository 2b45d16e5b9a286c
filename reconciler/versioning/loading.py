"""Steps from ``migrations/`` and from plugins, checked at every start.

Step files are loaded by path, with Python's own bytecode cache, into a package that exists only in ``sys.modules``:
so a wheel and a checkout behave alike, and nothing on ``sys.path`` (a user's repository least of all) can stand in for
a step. Steps import what several of them share from ``shared/`` by relative import, inside ``migrate``, which keeps
the check at start-up cheap.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

from reconciler.base.bundled import bundled
from reconciler.base.errors import ChainError
from reconciler.kinds import table
from reconciler.versioning.chain import Chain, Migration, check, no_notes, relevant

if TYPE_CHECKING:
    from reconciler.kinds.table import Entry

PACKAGE = "reconciler._migrations"
GROUP = "gitops.migrations"


def load_chains() -> Mapping[str, Chain]:
    """The sound chain of every subject, by subject. Raises :class:`ChainError` with the faults of all chains."""
    return _load()


def check_chains() -> None:
    """Hold every chain of this installation to its promise before anything is read; raises :class:`ChainError`."""
    _load()


@cache
def _load() -> Mapping[str, Chain]:
    root = bundled("migrations")
    _register(root)
    found, faults = read_folder(root)
    for subject, steps in _plugin_steps(faults).items():
        found.setdefault(subject, []).extend(steps)
    chains, more = assemble(table.entries(), found)
    faults += more
    if faults:
        raise ChainError(faults)
    return chains


def assemble(
    entries: Iterable[Entry], found: Mapping[str, Sequence[Migration]]
) -> tuple[Mapping[str, Chain], list[str]]:
    """Chains of all subjects out of the steps that were found, and every fault in them."""
    chains: dict[str, Chain] = {}
    faults: list[str] = []
    for entry in entries:
        steps = found.get(entry.subject, ())
        faults += check(entry.subject, steps, first=entry.first, head=entry.head)
        walked = relevant(steps, entry.first, entry.head)
        chains[entry.subject] = Chain(entry.subject, entry.first, entry.head, walked)
    for subject in sorted(found.keys() - chains.keys()):
        faults.append(f"migrations/{subject}/: steps for {subject!r}, which no kind, strategy, collector or action is")
    return MappingProxyType(chains), faults


def read_folder(root: Path) -> tuple[dict[str, list[Migration]], list[str]]:
    """The steps below ``root`` by subject (the folder's path), and the faults of single files."""
    found: dict[str, list[Migration]] = {}
    faults: list[str] = []
    for subject, names in _folders(root):
        steps = found.setdefault(subject, [])
        for name in names:
            step = _read(f"{root}/{subject}/{name}", f"migrations/{subject}/{name}", faults)
            if step is not None:
                steps.append(step)
    return found, faults


def _folders(root: Path) -> list[tuple[str, list[str]]]:
    """Folders that hold Python files, below ``root`` but for ``shared``, each with its sorted file names."""
    folders: list[tuple[str, list[str]]] = []
    waiting = [""]
    while waiting:
        subject = waiting.pop()
        names = []
        with os.scandir(f"{root}/{subject}") as listing:
            for item in listing:
                name = item.name
                if name.endswith(".py") and subject and name != "__init__.py":
                    names.append(name)
                elif name != "__pycache__" and (subject or name != "shared") and item.is_dir():
                    waiting.append(f"{subject}/{name}" if subject else name)
        if names:
            folders.append((subject, sorted(names)))
    return sorted(folders)


def _read(path: str, file: str, faults: list[str]) -> Migration | None:
    """One step; a file that can't be a step is a fault that names it."""
    name = f"{PACKAGE}.{file.removeprefix('migrations/').removesuffix('.py').replace('.', '_').replace('/', '.')}"
    try:
        module = _load_file(name, path)
    except Exception as error:
        faults.append(f"{file}: can't be loaded: {type(error).__name__}: {error}")
        return None
    return step_of(module, file, faults)


def _load_file(name: str, path: str) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = path
    module.__package__ = name.rpartition(".")[0]
    code = SourceFileLoader(name, path).get_code(name)
    exec(code, module.__dict__)  # type: ignore[arg-type]  # get_code of a source file is never None
    return module


def step_of(module: ModuleType, file: str, faults: list[str]) -> Migration | None:
    """The step a module holds: ``FROM``, ``TO``, ``migrate`` and a docstring, which agree with the file's name."""
    frm, to, migrate = (getattr(module, key, None) for key in ("FROM", "TO", "migrate"))
    described = (module.__doc__ or "").strip()
    if type(frm) is not int or type(to) is not int or not callable(migrate) or not described:
        faults.append(f"{file}: a step needs a docstring, FROM and TO as whole numbers, and migrate(data)")
        return None
    stem = file.rpartition("/")[2].removesuffix(".py")
    if stem != f"v{frm}_to_v{to}":
        faults.append(f"{file}: its name disagrees with its constants, FROM = {frm} and TO = {to}")
    description = described.splitlines()[0].rstrip(".")
    notes, renamed = getattr(module, "notes", no_notes), getattr(module, "RENAMED", ())
    return Migration(frm, to, description, migrate, file, notes, renamed)


def _register(root: Path) -> None:
    """Make ``PACKAGE`` and its folders importable for the relative imports inside steps, by path alone."""
    if PACKAGE not in sys.modules:
        package = ModuleType(PACKAGE)
        package.__path__ = [str(root)]
        sys.modules[PACKAGE] = package


def _plugin_steps(faults: list[str]) -> dict[str, list[Migration]]:
    """Steps of other distributions. An entry point of ``GROUP`` is called as the subject is, and names a package.

    The package's modules ``v1_to_v2``, ``v2_to_v3``, ... are steps like ours. Only a distribution that adds an entry
    to the tables can have any, so the entry points are looked at only then.
    """
    if all(entry.model.startswith("reconciler.") for entry in table.entries()):
        return {}
    from importlib.metadata import entry_points

    found: dict[str, list[Migration]] = {}
    for point in entry_points(group=GROUP):
        steps = found.setdefault(point.name, [])
        try:
            steps += _package_steps(point.value, faults)
        except Exception as error:
            faults.append(f"{point.value}: can't be loaded: {type(error).__name__}: {error}")
    return found


def _package_steps(package: str, faults: list[str]) -> list[Migration]:
    from importlib import import_module
    from pkgutil import iter_modules

    names = sorted(m.name for m in iter_modules(import_module(package).__path__) if m.name.startswith("v"))
    modules = [import_module(f"{package}.{name}") for name in names]
    steps = [step_of(m, f"{m.__name__.replace('.', '/')}.py", faults) for m in modules]
    return [step for step in steps if step is not None]
