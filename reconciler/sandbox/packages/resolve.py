"""From an allow list to a lock: pip and npm choose the versions, and each package is taken down with its hash."""

from __future__ import annotations

import json
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from reconciler.sandbox.packages.allowed import Allowed
from reconciler.sandbox.packages.faults import PackagesError
from reconciler.sandbox.packages.lockfile import Lock, Wheel, this_platform, this_python
from reconciler.sandbox.packages.tools import npm, pip


def resolve(allowed: Allowed) -> Lock:
    """The lock for this interpreter and platform. Raises :class:`PackagesError`. Needs the package indexes."""
    with tempfile.TemporaryDirectory(prefix="gitops-packages-") as name:
        folder = Path(name)
        wheels = _wheels(allowed.python, folder / "python") if allowed.python else ()
        node = _node(allowed.node, folder / "node") if allowed.node else None
    return Lock(allowed, this_python(), this_platform(), wheels, node)


def _wheels(requirements: tuple[str, ...], folder: Path) -> tuple[Wheel, ...]:
    """Downloaded whole: the hash is then of what was seen, not of what an index says about it."""
    found = folder / "wheels"
    found.mkdir(parents=True)
    (folder / "allowed.txt").write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    pip("download", "--only-binary", ":all:", "--dest", str(found), "-r", "allowed.txt", cwd=folder)
    wheels = []
    for path in found.iterdir():
        name, version = path.name.split("-")[:2]
        wheels.append(Wheel(name.lower().replace("_", "-"), version, sha256(path.read_bytes()).hexdigest()))
    return tuple(sorted(wheels, key=lambda w: w.name))


def _node(packages: tuple[tuple[str, str], ...], folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps(manifest(packages)), encoding="utf-8")
    npm("install", "--package-lock-only", cwd=folder, cache=folder / "cache")
    lock = json.loads((folder / "package-lock.json").read_bytes())
    refuse_loose(lock)
    return dict(lock)


def manifest(packages: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """The package.json that asks for these."""
    return {"name": "gitops-script-packages", "private": True, "version": "0.0.0", "dependencies": dict(packages)}


def refuse_loose(lock: dict[str, Any]) -> None:
    """Raise :class:`PackagesError` for packages whose content no hash holds: git addresses, folders, links."""
    loose = [
        path.removeprefix("node_modules/")
        for path, entry in lock.get("packages", {}).items()
        if path and not entry.get("inBundle") and (entry.get("link") or not entry.get("integrity"))
    ]
    if loose:
        raise PackagesError(f"there is no hash for the npm package {loose[0]}, which is no release of a registry")
