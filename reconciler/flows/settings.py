"""``gitops.yaml``: how a repository wants to be treated. A flag wins over a variable, a variable over the file.

Read without pydantic, since a plan that finds nothing to do must not pay for it: eight keys, checked by hand.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from reconciler.base.canonical import digest, dumps
from reconciler.base.diagnostics import Diagnostic, Path, Place
from reconciler.base.errors import InvalidDocuments, UsageError
from reconciler.plan.match import Deletion
from reconciler.plan.safety import Limits
from reconciler.policy.names import PRESETS, Preset

FILE = "gitops.yaml"
"""At the root of the user's repository (or of the folder that is the source); never a document itself."""

DEFAULT_STORE = ".gitops/store.db"


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in force. None means: not said."""

    source: str | None = None
    """Name of the source; None: the repository's own name."""
    include: tuple[str, ...] = ()
    """Globs that name documents of ours; empty: every .yaml and .yml file, passing over those of other tools."""
    exclude: tuple[str, ...] = ()
    store: str = DEFAULT_STORE
    """File, relative to the folder; or ``sqlite:///path``."""
    deletion: Deletion = "orphan"
    limits: Limits = field(default_factory=Limits)
    external: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Kind to names that another source brings; taken as given where there is no store to ask."""
    policies: Preset = "off"
    """Which built-in rules hold; an operator's word holds as well, and more of both is what is asked for."""

    def fingerprint(self) -> str:
        """Digest of what decides which resources a commit means."""
        policies = [self.policies] if self.policies != "off" else []
        external = {k: list(v) for k, v in self.external.items()}
        return digest(dumps([list(self.include), list(self.exclude), external, *policies]))


@dataclass(frozen=True, slots=True)
class Overrides:
    """What flags and variables say; None leaves the file's word."""

    source: str | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    store: str | None = None
    deletion: Deletion | None = None
    max_delete_percent: float | None = None
    min_resources: int | None = None


def resolve(file: bytes | None, overrides: Overrides) -> Settings:
    """The settings in force. Raises ``InvalidDocuments`` with the places in ``gitops.yaml``."""
    settings = _read(file) if file else Settings()
    numbers = {n: getattr(overrides, n) for n in ("max_delete_percent", "min_resources")}
    limits = replace(settings.limits, **{n: v for n, v in numbers.items() if v is not None})
    said = {n: getattr(overrides, n) for n in ("source", "include", "exclude", "store", "deletion")}
    settings = replace(settings, limits=limits, **{n: v for n, v in said.items() if v is not None})
    if settings.source is not None and not settings.source.strip():
        raise UsageError("the name of the source is empty", hint="leave it out to use the repository's name")
    return settings


class _Wrong(Exception):
    def __init__(self, path: Path, message: str, hint: str | None = None, *, key: bool = False) -> None:
        super().__init__(message)
        self.path, self.message, self.hint, self.key = path, message, hint, key


def _read(data: bytes) -> Settings:
    from reconciler.source.yaml import load

    documents, faults = load(data)
    if faults:
        raise _invalid(data, [Diagnostic(f.code, f.message, Place(FILE, f.line, f.column), f.hint) for f in faults])
    if not documents:
        return Settings()
    if len(documents) > 1 or not isinstance(documents[0].value, dict):
        place = Place(FILE, documents[-1].line, 1)
        raise _invalid(data, [Diagnostic("settings", "the settings are one map", place)])
    try:
        return _build(documents[0].value)
    except _Wrong as wrong:
        from reconciler.source.positions import positions

        where = positions(data, documents[0].index)
        line, column = where.key(wrong.path) if wrong.key else where.value(wrong.path)
        place = Place(FILE, line, column)
        raise _invalid(data, [Diagnostic("settings", wrong.message, place, wrong.hint)]) from None


def _invalid(data: bytes, diagnostics: Sequence[Diagnostic]) -> InvalidDocuments:
    from reconciler.flows.locate import Located

    located = Located(FILE, data)
    return InvalidDocuments([located.with_excerpt(d) for d in diagnostics])


def _build(data: dict[str, Any]) -> Settings:
    readers: dict[str, Callable[[Path, Any], Any]] = {
        "source": _text,
        "include": _globs,
        "exclude": _globs,
        "store": _text,
        "deletion": _deletion,
        "limits": _limits,
        "external": _external,
        "policies": _policies,
    }
    found = {}
    for key, value in data.items():
        if key not in readers:
            near = difflib.get_close_matches(key, readers, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(readers))}"
            raise _Wrong((key,), f"unknown setting {key!r}", hint, key=True)
        found[key] = readers[key]((key,), value)
    return Settings(**found)


def _text(path: Path, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(path, f"{path[-1]} must be a text that isn't empty")
    return value


def _globs(path: Path, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        raise _Wrong(path, f"{path[-1]} must be a list of globs such as monitoring/**/*.yaml")
    return tuple(_text((*path, i), v) for i, v in enumerate(value))


def _deletion(path: Path, value: Any) -> Deletion:
    if value not in ("orphan", "delete"):
        raise _Wrong(path, f"deletion must be orphan or delete, not {value!r}")
    return cast(Deletion, value)


def _limits(path: Path, value: Any) -> Limits:
    names = {"deletePercent": "max_delete_percent", "minResources": "min_resources"}
    if not isinstance(value, dict):
        raise _Wrong(path, "limits must be a map of deletePercent and minResources")
    found: dict[str, Any] = {}
    for key, number in value.items():
        if key not in names:
            raise _Wrong((*path, key), f"unknown limit {key!r}", f"there are {', '.join(names)}", key=True)
        if isinstance(number, bool) or not isinstance(number, int | float) or number < 0:
            raise _Wrong((*path, key), f"{key} must be a number from 0 on")
        found[names[key]] = number
    return Limits(**found)


def _policies(path: Path, value: Any) -> Preset:
    if not isinstance(value, dict) or not value.keys() <= {"preset"}:
        raise _Wrong(path, "policies must be a map with preset")
    preset = value.get("preset", "off")
    if preset is False:  # how YAML 1.1 reads the word off
        preset = "off"
    if preset not in PRESETS:
        raise _Wrong((*path, "preset"), f"preset must be one of {', '.join(PRESETS)}")
    return cast(Preset, preset)


def _external(path: Path, value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise _Wrong(path, "external must be a map from a kind to a list of names")
    return {kind: _globs((*path, kind), names) for kind, names in value.items()}
