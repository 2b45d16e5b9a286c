"""Resources and slices by name, now or in an older generation."""

from __future__ import annotations

from reconciler.base.errors import GitopsError
from reconciler.model.plan import Stored
from reconciler.store.port import Reader, SliceRow


def resources(
    reader: Reader, kind: str | None = None, name: str | None = None, *, generation: int | None = None
) -> list[Stored]:
    """Sorted by kind and name. Raises ``GitopsError`` when a name is asked for and isn't there."""
    with reader.snapshot():
        _check(reader, generation)
        rows = reader.resources() if generation is None else reader.resources_at(generation)
        found = [s for s in rows if kind in (None, s.resource.key.kind) and name in (None, s.resource.key.name)]
    if name is not None and not found:
        raise GitopsError(f"there is no {kind} {name!r} in the store", hint=f"gitops get {kind} lists them")
    return sorted(found, key=lambda s: s.resource.key)


def slices(
    reader: Reader,
    system: str | None = None,
    check: str | None = None,
    environment: str | None = None,
    *,
    generation: int | None = None,
) -> list[SliceRow]:
    """Sorted by names. Raises ``GitopsError`` when names are asked for and nothing matches."""
    with reader.snapshot():
        _check(reader, generation)
        found = [
            s
            for s in reader.slice_rows(generation)
            if system in (None, s.system) and check in (None, s.check) and environment in (None, s.environment)
        ]
    if system is not None and not found:
        asked = "/".join(n for n in (system, check, environment) if n is not None)
        raise GitopsError(f"there is no slice {asked} in the store", hint="gitops get slices lists them")
    return found


def _check(reader: Reader, generation: int | None) -> None:
    newest = reader.generation()
    if generation is not None and generation > newest:
        raise GitopsError(f"there is no generation {generation}; the newest is {newest}", hint="see gitops history")
