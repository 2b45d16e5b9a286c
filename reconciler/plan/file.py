"""A saved plan: everything an apply does, as canonical JSON with a digest, so that what was reviewed is applied."""

from __future__ import annotations

import zlib
from dataclasses import asdict
from typing import Any

from reconciler.base.canonical import digest, dumps, loads
from reconciler.base.diagnostics import Diagnostic, Place
from reconciler.base.errors import GitopsError
from reconciler.model.plan import (
    Action,
    BlobChange,
    Cause,
    Plan,
    ResourceChange,
    SliceChange,
    Stored,
    Totals,
)
from reconciler.model.resource import Hole, Key, Reference, Resource
from reconciler.model.slice import SliceKey

_MAGIC = b"gitops plan 1\n"
_MOST = 1 << 30
"""Bytes that a plan may unpack to; one of 50,000 documents has a fifth of it. A small file mustn't fill the memory."""
_HEADER = ("source", "base", "kind", "commit", "tree", "inputs", "forget_blobs", "outside", "hold", "reread", "note")


def save(plan: Plan) -> bytes:
    """The bytes of a plan file: a line that says what it is, a digest, and compressed JSON."""
    data = dumps(
        {
            "header": {n: getattr(plan, n) for n in _HEADER},
            "totals": asdict(plan.totals),
            "resources": [
                [c.action, c.uid, _from_stored(c.old), _from_resource(c.new), c.cause, c.reason] for c in plan.resources
            ],
            "slices": [[c.action, list(c.key), c.old_digest, c.digest, c.body.decode(), c.cause] for c in plan.slices],
            "blobs": [[*b[:4], b.warnings.decode()] for b in plan.blobs],
            "names": [[uid, name] for uid, name in sorted(plan.names.items())],
            "orphans": [_from_stored(o) for o in plan.orphans],
            "warnings": [_from_diagnostic(d) for d in plan.warnings],
        }
    )
    return _MAGIC + digest(data).encode() + b"\n" + zlib.compress(data, 3)


def load_plan(data: bytes) -> Plan:
    """Read a plan back. Raises ``GitopsError`` for what is no plan, damaged, or of another release."""
    again = "make a new one with gitops plan --out"
    if not data.startswith(b"gitops plan "):
        raise GitopsError("this file is no saved plan", hint=again)
    if not data.startswith(_MAGIC):
        raise GitopsError("this plan was saved by another release of gitops", hint=again)
    try:
        seal, packed = data[len(_MAGIC) :].split(b"\n", 1)
        unpack = zlib.decompressobj()
        body = unpack.decompress(packed, _MOST)
        if not unpack.eof:
            raise ValueError("cut, or larger than any plan")
        if digest(body).encode() != seal:
            raise ValueError("digest")
        return _plan(loads(body))
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise GitopsError("this plan file is damaged", hint=again) from error


def plan_digest(data: bytes) -> str:
    """The digest in a plan file's head, to be compared with what was reviewed."""
    return data[len(_MAGIC) :].split(b"\n", 1)[0].decode()


def _plan(d: dict[str, Any]) -> Plan:
    return Plan(
        **d["header"],
        totals=Totals(**d["totals"]),
        resources=tuple(
            ResourceChange(Action(action), uid, _to_stored(old), _to_resource(new), Cause(cause), reason)
            for action, uid, old, new, cause, reason in d["resources"]
        ),
        slices=tuple(
            SliceChange(Action(action), SliceKey(*key), old, new, body.encode(), Cause(cause))
            for action, key, old, new, body, cause in d["slices"]
        ),
        blobs=tuple(BlobChange(b[0], b[1], b[2], b[3], b[4].encode()) for b in d["blobs"]),
        names=dict(d["names"]),
        orphans=tuple(s for s in map(_to_stored, d["orphans"]) if s is not None),
        warnings=tuple(map(_to_diagnostic, d["warnings"])),
    )


def _from_resource(r: Resource | None) -> Any:
    if r is None:
        return None
    return [
        *r.key,
        *r[1:5],
        r.body.decode(),
        r.digest,
        [[x.kind, x.name, list(x.path), x.lenient] for x in r.references],
        [[list(h.path), h.source, h.check] for h in r.holes],
        list(r.secrets),
        r.protected,
        r.renamed_from,
    ]


def _to_resource(d: Any) -> Resource | None:
    if d is None:
        return None
    kind, name, source, path, nth, line, body, digest_, references, holes, secrets, protected, renamed = d
    return Resource(
        Key(kind, name),
        source,
        path,
        nth,
        line,
        body.encode(),
        digest_,
        tuple(Reference(k, n, tuple(p), lenient) for k, n, p, lenient in references),
        tuple(Hole(tuple(p), text, check) for p, text, check in holes),
        tuple(secrets),
        protected,
        renamed,
    )


def _from_stored(s: Stored | None) -> Any:
    return None if s is None else [s.uid, _from_resource(s.resource), s.status, s.since]


def _to_stored(d: Any) -> Stored | None:
    if d is None:
        return None
    resource = _to_resource(d[1])
    if resource is None:
        raise ValueError("a stored resource without a body")
    return Stored(d[0], resource, d[2], d[3])


def _from_diagnostic(d: Diagnostic) -> Any:
    place = [d.place.path, d.place.line, d.place.column] if d.place else None
    return [d.code, d.message, place, d.hint, d.severity, d.excerpt]


def _to_diagnostic(d: Any) -> Diagnostic:
    code, message, place, hint, severity, excerpt = d
    return Diagnostic(code, message, Place(*place) if place else None, hint, severity, excerpt)
