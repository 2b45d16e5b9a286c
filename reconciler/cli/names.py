"""Names on the command line: ``KIND/NAME``, kinds as people type them, and what a shell completes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from reconciler.base.errors import UsageError
from reconciler.kinds.table import KINDS
from reconciler.model.resource import Key

if TYPE_CHECKING:
    from reconciler.store.sql_writer import SqlStore


def kind_of(word: str) -> str:
    """``System`` for ``system`` and ``systems``. Raises ``UsageError`` with what is near."""
    folded = {form: kind for kind in _kinds() for form in (kind.lower(), f"{kind.lower()}s")}
    found = folded.get(word.lower())
    if found is not None:
        return found
    near = difflib.get_close_matches(word.lower(), folded, 1)
    hint = f"did you mean {folded[near[0]]}?" if near else f"there are {', '.join(KINDS)}"
    raise UsageError(f"there is no kind {word!r}", hint=hint)


def keys_of(names: Iterable[str]) -> set[Key]:
    """Keys of ``KIND/NAME`` words."""
    keys = set()
    for word in names:
        kind, slash, name = word.partition("/")
        if not slash or not name:
            raise UsageError(f"{word!r} names no resource", hint="write KIND/NAME, as in System/orders-api")
        keys.add(Key(kind_of(kind), name))
    return keys


def kinds_and_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Kinds and ``slices``; behind a slash the names in the store. Silent where there is none."""
    if "/" not in incomplete:
        return [CompletionItem(w) for w in (*_kinds(), "slices") if w.lower().startswith(incomplete.lower())]
    store = _store(ctx)
    if store is None:
        return []
    return _matching((s.resource.key for s in store.resources()), incomplete)


def orphan_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Orphans in the store."""
    store = _store(ctx)
    return _matching((s.resource.key for s in store.orphans()), incomplete) if store is not None else []


def check_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Checks in the store."""
    store = _store(ctx)
    names = sorted(s.resource.key.name for s in store.resources() if s.resource.key.kind == "Check") if store else []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def automation_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Automations in the store."""
    store = _store(ctx)
    keys = (s.resource.key for s in store.resources()) if store else ()
    names = sorted(key.name for key in keys if key.kind == "Automation")
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def slice_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """``system/check/environment`` of slices in the store."""
    from reconciler.flows.named import named

    store = _store(ctx)
    names = sorted(str(s.name) for s in named(store)) if store is not None else []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def place_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Systems in the store; behind ``::`` environments."""
    system, colons, _ = incomplete.partition("::")
    store = _store(ctx)
    kind = "Environment" if colons else "System"
    names = sorted(s.resource.key.name for s in store.resources() if s.resource.key.kind == kind) if store else []
    words = [f"{system}::{name}" if colons else name for name in names]
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def incident_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Open incidents, with their titles."""
    from reconciler.store.sql_incidents import SqlIncidents

    store = _store(ctx)
    found = SqlIncidents(store.db).incidents() if store is not None else []
    return [CompletionItem(i.id, help=i.title) for i in found if i.id.startswith(incomplete)]


def maintenance_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Maintenances that go on or are planned, with their titles."""
    from reconciler.store.sql_maintenances import SqlMaintenances

    store = _store(ctx)
    found = SqlMaintenances(store.db).maintenances() if store is not None else []
    return [CompletionItem(m.id, help=m.title) for m in found if m.id.startswith(incomplete)]


def _matching(keys: Iterable[Key], incomplete: str) -> list[CompletionItem]:
    words = (f"{k.kind}/{k.name}" for k in keys)
    return [CompletionItem(w) for w in words if w.lower().startswith(incomplete.lower())]


def _kinds() -> list[str]:
    from reconciler.kinds.table import extend

    extend()
    return list(KINDS)


def _store(ctx: click.Context) -> SqlStore | None:
    """A completion must never complain: whatever is wrong, the command itself will say it."""
    from pathlib import Path

    from reconciler.cli.options import Where
    from reconciler.store.open import open_to_read

    address = ctx.params.get("store")
    overrides = {"store": address} if address else {}
    try:
        where = Where(Path(ctx.params.get("directory") or "."), None, False, overrides)
        store = open_to_read(where.settled().store, patient=False)
        ctx.call_on_close(store.close)
        return store
    except Exception:
        return None
