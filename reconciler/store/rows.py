"""Between table rows and the nouns of the model, and the seal over a set of rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.base.canonical import dumps, loads
from reconciler.model.plan import Stored
from reconciler.model.resource import Hole, Key, Reference, Resource
from reconciler.model.slice import SliceKey

RESOURCE_COLUMNS = "uid, kind, name, source, path, idx, line, status, protected, digest, body, extra, since"
_SEAL_BITS = (1 << 128) - 1


def resource_extra(r: Resource) -> str:
    """What a plan needs of a resource beside its body, as JSON."""
    if not (r.references or r.holes or r.secrets or r.renamed_from):
        return "{}"
    extra: dict[str, Any] = {}
    if r.references:
        extra["refs"] = [[x.kind, x.name, list(x.path), x.lenient] for x in r.references]
    if r.holes:
        extra["holes"] = [[list(h.path), h.source, h.check] for h in r.holes]
    if r.secrets:
        extra["secrets"] = list(r.secrets)
    if r.renamed_from:
        extra["renamed"] = r.renamed_from
    return dumps(extra).decode()


def stored(row: tuple[Any, ...]) -> Stored:
    """A row of :data:`RESOURCE_COLUMNS`."""
    uid, kind, name, source, path, idx, line, status, protected, digest, body, extra, since = row
    more = loads(extra) if len(extra) > 2 else {}
    resource = Resource(
        Key(kind, name),
        source,
        path,
        idx,
        line,
        body.encode(),
        digest,
        tuple(Reference(k, n, tuple(p), lenient) for k, n, p, lenient in more.get("refs", ())),
        tuple(Hole(tuple(p), text, check) for p, text, check in more.get("holes", ())),
        tuple(more.get("secrets", ())),
        bool(protected),
        more.get("renamed"),
    )
    return Stored(uid, resource, status, since)


def edge_rows(uid: int, resource: Resource) -> Iterable[tuple[Any, ...]]:
    """One row of ``edge`` for each reference."""
    for seq, r in enumerate(resource.references):
        yield r.kind, r.name, uid, seq, dumps(list(r.path)).decode(), int(r.lenient)


def resource_seal(uid: int, digest: str, status: str) -> int:
    """The part of one resource row in the seal."""
    return _number(digest) * (2 * uid + 1) + (status == "orphaned")


def slice_seal(key: SliceKey | tuple[int, int, int], digest: str) -> int:
    """The part of one slice row in the seal. The factors keep permutations of a key apart."""
    system, check, environment = key
    return _number(digest) * (2 * (system * 1_000_003 + check * 10_000_019 + environment * 100_000_007) + 1)


def _number(digest: str) -> int:
    try:
        return int(digest, 16)
    except ValueError:  # somebody wrote it by hand
        return 0


def add_seals(seal: str, plus: int) -> str:
    """A seal is a sum modulo 2^128, so that an apply updates it from the rows it writes alone."""
    return f"{(int(seal or '0', 16) + plus) & _SEAL_BITS:032x}"
