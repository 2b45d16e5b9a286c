"""The lock file: every package with its exact version and its hash. Its digest names the folder that is built of it."""

from __future__ import annotations

import json
import sys
import sysconfig
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reconciler.base.canonical import digest, dumps, loads
from reconciler.sandbox.packages.allowed import Allowed
from reconciler.sandbox.packages.faults import PackagesError

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Wheel:
    """One distribution for Python; ``sha256`` of its wheel, in hexadecimal."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Lock:
    """``allowed`` is what it was made from. ``python`` and ``platform`` say for which interpreter the wheels are.

    ``node``: npm's own lock (version 3), with an integrity for every package; None where no npm package is allowed.
    """

    allowed: Allowed
    python: str
    platform: str
    wheels: tuple[Wheel, ...] = ()
    node: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As the file holds it."""
        return {
            "format": FORMAT,
            "allowed": {"python": list(self.allowed.python), "node": [list(pair) for pair in self.allowed.node]},
            "python": self.python,
            "platform": self.platform,
            "wheels": [asdict(wheel) for wheel in self.wheels],
            "node": self.node,
        }

    @cached_property
    def digest(self) -> str:
        """Of everything in it."""
        return digest(dumps(self.to_json()))

    @property
    def node_packages(self) -> int:
        """How many npm packages there are."""
        return sum(1 for path in (self.node or {}).get("packages", {}) if path)


def this_python() -> str:
    """``cpython-3.11``: wheels with compiled parts fit one of these only."""
    return f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}"


def this_platform() -> str:
    """``linux-x86_64``."""
    return sysconfig.get_platform()


def write(lock: Lock, path: Path) -> None:
    """Replace the file at once, so that nobody reads half of it."""
    text = json.dumps(lock.to_json(), indent=2, sort_keys=True) + "\n"
    draft = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise PackagesError(f"the lock file {path} can't be written: {error.strerror}") from error


def read(path: Path) -> Lock:
    """Read a lock file back. Raises :class:`PackagesError`."""
    try:
        found = loads(path.read_bytes())
    except FileNotFoundError:
        raise PackagesError(f"there is no lock file {path}", hint="run gitops packages lock") from None
    except (OSError, ValueError) as error:
        raise PackagesError(f"the lock file {path} can't be read: {error}") from error
    version = found.get("format") if isinstance(found, dict) else None
    if version != FORMAT:
        raise PackagesError(
            f"the lock file {path} has format {version}, this release reads {FORMAT}", hint="run gitops packages lock"
        )
    try:
        allowed = Allowed(tuple(found["allowed"]["python"]), tuple((n, r) for n, r in found["allowed"]["node"]))
        wheels = tuple(Wheel(w["name"], w["version"], w["sha256"]) for w in found["wheels"])
        return Lock(allowed, found["python"], found["platform"], wheels, found["node"])
    except (KeyError, TypeError, ValueError) as error:
        raise PackagesError(f"the lock file {path} is damaged: {error!r}", hint="run gitops packages lock") from error
