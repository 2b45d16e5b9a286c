"""Which backends hold the secrets, by ``GITOPS_SECRETS``, and which secrets the checks of a store name.

The variable is the operator's: ``gitops.yaml`` can't say it, since a pull request may change that file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.base.canonical import loads
from reconciler.base.errors import GitopsError, UsageError
from reconciler.kinds.secretpaths import SecretHole, holes, names
from reconciler.secrets.environment import FromEnvironment
from reconciler.secrets.folder import FromFolder
from reconciler.secrets.port import Backend
from reconciler.secrets.resolver import Resolver

if TYPE_CHECKING:
    from reconciler.secrets.encrypted import Encrypted, Rows
    from reconciler.store.port import Reader

VARIABLE = "GITOPS_SECRETS"
DEFAULT = "env"
_KINDS = "env, dir:/path or store"


def make_resolver(environ: Mapping[str, str], rows: Callable[[], Rows]) -> Resolver:
    """The resolver of what the variable names. ``rows`` opens the store's, where it is asked for.

    Raises :class:`UsageError` for a variable that makes no sense, and ``SecretsError`` for a key that can't be
    used.
    """
    return Resolver(*backends(environ, rows))


def backends(environ: Mapping[str, str], rows: Callable[[], Rows], *, keyless: bool = False) -> list[Backend]:
    """The backends in the order in which they are asked. ``keyless``: see :func:`encrypted`."""
    found: list[Backend] = []
    for text in chosen(environ):
        if text == "env":
            found.append(FromEnvironment(environ))
        elif text == "store":
            found.append(encrypted(environ, rows, keyless=keyless))
        else:
            found.append(FromFolder(text.removeprefix("dir:")))
    return found


def chosen(environ: Mapping[str, str]) -> list[str]:
    """What the variable says, checked."""
    parts = [part.strip() for part in (environ.get(VARIABLE) or DEFAULT).split(",")]
    for part in parts:
        if part in ("env", "store") or (part.startswith("dir:/") and "\0" not in part):
            continue
        why = "its path doesn't begin at the root" if part.startswith("dir:") else f"{part!r} is none of {_KINDS}"
        raise UsageError(f"{VARIABLE} can't be used: {why}", hint=f"write {_KINDS}, or several with commas")
    if len(set(parts)) < len(parts):
        raise UsageError(f"{VARIABLE} names the same place twice")
    return parts


def encrypted(environ: Mapping[str, str], rows: Callable[[], Rows], *, keyless: bool = False) -> Encrypted:
    """The encrypted store, whether or not the variable names it. Raises ``SecretsError`` for a key that can't be used,
    and for a missing one unless ``keyless``: names can be listed without."""
    from reconciler.secrets.encrypted import Encrypted
    from reconciler.secrets.keys import VARIABLE as KEY
    from reconciler.secrets.keys import master_keys

    keys = () if keyless and not environ.get(KEY) else master_keys(environ)
    return Encrypted(rows(), keys)


class Use(NamedTuple):
    """A secret as checks name it in one environment, and how many slices do; and how many automations, which are in
    none. ``problem``: why it can't be had."""

    name: str
    environment: str | None
    slices: int
    where: str | None
    problem: str | None
    automations: int = 0


def check(reader: Reader, resolver: Resolver) -> list[Use]:
    """Every secret that a slice or an automation of the store names, by name and environment, and where it is found."""
    slices, automations = Counter(_named(reader)), Counter(_of_automations(reader))
    found = []
    for name, environment in sorted({*slices, *automations}, key=lambda each: (each[0], each[1] or "")):
        where, problem = None, None
        try:
            backend, under, _ = resolver.find(name, environment)
            where = backend.place(under)
        except GitopsError as error:
            problem = error.message
        key = name, environment
        found.append(Use(name, environment, slices[key], where, problem, automations[key]))
    return found


def _named(reader: Reader) -> Iterator[tuple[str, str | None]]:
    """(secret, environment) for each slice that names it."""
    for row in reader.slice_rows():
        if b"secret" not in row.body:
            continue
        try:
            found = names(_places(loads(row.body)["check"]))
        except GitopsError:  # of a plugin that isn't installed here: nobody knows where it has secrets
            continue
        for name in found:
            yield name, row.environment


def _of_automations(reader: Reader) -> Iterator[tuple[str, str | None]]:
    """(secret, no environment) for each automation that names it, those of the people that it notifies among them."""
    from reconciler.flows.acting.notify import secret_of
    from reconciler.flows.acting.port import Undone
    from reconciler.kinds.flow import blocks

    keys = {key for key in reader.names().values() if key.kind == "Automation"}
    for found in reader.resources(keys=keys) if keys else ():
        named = set(found.resource.secrets)
        for block in blocks(loads(found.resource.body)["spec"]["actions"], None, ()):
            config = block.data.get("config") or {}
            if str(block.data.get("action")).startswith("notify@") and "{{" not in str(config.get("userId")):
                with suppress(Undone):  # a name that nobody can have is told when it is used
                    named.add(secret_of(config) or "")
        yield from ((name, None) for name in sorted(named - {""}))


def _places(check: Mapping[str, Any]) -> list[SecretHole]:
    strategy = check["strategy"]
    kind = strategy["type"].partition("@")[0]
    places = [*holes(strategy.get("config") or {}, f"strategies/{kind}")]
    for collector in check.get("collectors") or ():
        bare = collector["type"].partition("@")[0]
        places += holes(collector.get("config") or {}, f"collectors/{kind}.{bare}")
    return places
