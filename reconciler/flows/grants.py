"""What an operator lets a source name: secrets, and permissions of its accounts. Everything, until the first grant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from reconciler.base.canonical import loads
from reconciler.base.diagnostics import Diagnostic, Fault, Path
from reconciler.flows.acting.permissions import covers
from reconciler.model.resource import Resource

_HINT = "an operator grants it with gitops source grant"


def grant_faults(
    source: str,
    resources: Sequence[Resource],
    grants: Sequence[tuple[str, str]],
    locate: Callable[[Resource, Fault], Diagnostic],
) -> Iterator[Diagnostic]:
    """A fault for each secret and permission that these resources name and no grant covers."""
    if not grants:
        return
    secrets = [pattern for what, pattern in grants if what == "secret"]
    permissions = [pattern for what, pattern in grants if what == "permission"]
    for r in resources:
        for name in r.secrets:
            if not any(fnmatchcase(name, p) for p in secrets):
                message = f"source {source} may not name the secret {name!r}"
                yield locate(r, Fault("secret-not-granted", message, _where(loads(r.body), name), _HINT))
        if r.key.kind == "ServiceAccount":
            for i, permission in enumerate(loads(r.body)["spec"]["permissions"]):
                if not any(covers(p, permission) for p in permissions):
                    message = f"source {source} may not give the permission {permission!r}"
                    path = ("spec", "permissions", i)
                    yield locate(r, Fault("permission-not-granted", message, path, _HINT))


def _where(data: Any, name: str, path: Path = ()) -> Path:
    """The first place whose text names the secret."""
    if isinstance(data, str):
        return path if name in data else ()
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        found = _where(value, name, (*path, key))
        if found:
            return found
    return ()
