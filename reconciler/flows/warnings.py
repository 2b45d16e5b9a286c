"""Warnings of files that aren't read again are kept in the store, so that every plan tells them."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.base.canonical import dumps, loads
from reconciler.base.diagnostics import Diagnostic, Place
from reconciler.kinds.extras import still_true


def pack(diagnostics: Iterable[Diagnostic]) -> bytes:
    """Canonical JSON; empty when there are none."""
    rows = [
        [d.code, d.message, [d.place.path, d.place.line, d.place.column] if d.place else None, d.hint, d.excerpt]
        for d in diagnostics
    ]
    return dumps(rows) if rows else b""


def unpack(packed: Iterable[str]) -> tuple[Diagnostic, ...]:
    """The warnings of several files, sorted by place. What was missing on this machine is left out where it came."""
    found = [
        Diagnostic(code, message, Place(*place) if place else None, hint, "warning", excerpt)
        for text in packed
        if text
        for code, message, place, hint, excerpt in loads(text)
        if code != "missing-extra" or still_true(message)
    ]
    return tuple(sorted(found, key=lambda d: d.order))
