"""Finds what stands in the texts of a document: templates, secrets, references."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from reconciler.base.diagnostics import Fault, Path
from reconciler.kinds import shape
from reconciler.kinds.loaded import Keys, Loaded
from reconciler.kinds.marks import SECRET, SECRET_LIKE
from reconciler.model.resource import Hole, Reference


class Part(NamedTuple):
    """Something with a model of its own inside a document: ``value`` is at ``path``, ``instance`` is its model's."""

    loaded: Loaded
    value: Any
    path: Path
    instance: BaseModel | None = None


def reach(value: Any, keys: Keys, path: Path) -> list[tuple[Path, Any]]:
    """Each value at ``keys`` below ``value``, with its path; what isn't there, or is of another shape, is skipped."""
    for position, key in enumerate(keys):
        if key == shape.ITEM or key == shape.VALUE:
            rest = keys[position + 1 :]
            items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            return [found for step, item in items for found in reach(item, rest, (*path, step))]
        if not isinstance(value, dict):
            return []
        value = value.get(key)
        if value is None:
            return []
        path = (*path, key)
    return [(path, value)]


def holes(parts: list[Part]) -> tuple[Hole, ...]:
    """The templatable texts that hold a template."""
    found: list[Hole] = []
    for loaded, value, path, _ in parts:
        for keys, check in loaded.templatable:
            if value.get(keys[0]):
                for at, text in reach(value, keys, path):
                    if isinstance(text, str) and "{{" in text:
                        found.append(Hole(at, text, check))
    return tuple(found)


def references(parts: list[Part], *, lenient: frozenset[str]) -> tuple[Reference, ...]:
    """The names of other resources, templates of the run time left out. ``lenient``: kinds that may be missing."""
    return tuple(
        Reference(kind, name, path, kind in lenient)
        for part in parts
        for keys, kind in part.loaded.references
        for path, name in reach(part.value, keys, part.path)
        if isinstance(name, str) and "{{" not in name
    )


def secrets(
    document: Any, parts: list[Part], *, text: bool, unknown: Sequence[Path] = ()
) -> tuple[set[str], list[Fault]]:
    """The names of the secrets that the document uses, and what is wrong with them.

    ``text``: whether ``${{`` occurs at all; without it only bare names and literal passwords are looked for.
    ``unknown`` leads to what has no model, where nobody can tell which fields are secret.
    """
    names: set[str] = set()
    faults: list[Fault] = []
    allowed: set[Path] = set()
    for loaded, whole, start, _ in parts:
        if not isinstance(whole, dict):
            continue
        for keys in loaded.secret_names:
            if whole.get(keys[0]):
                names.update(name for _, name in reach(whole, keys, start) if isinstance(name, str))
        for keys, mark in loaded.secret.items():
            if whole.get(keys[0]):
                for path, value in reach(whole, keys, start):
                    allowed.add(path)
                    if mark.literal == "warn" and isinstance(value, str) and value and "${{" not in value:
                        faults.append(_literal(path))
    if text:
        for path, value, key in _texts(document, ()):
            if "${{" in value and not any(path[: len(each)] == each for each in unknown):
                faults.extend(_secret_text(path, value, names, allowed=path in allowed and not key, key=key))
    return names, faults


def _secret_text(path: Path, value: str, names: set[str], *, allowed: bool, key: bool) -> Iterator[Fault]:
    if not allowed:
        match = SECRET_LIKE.search(value)
        if match is not None:
            message = "a secret can't stand here: the field is not kept secret"
            at: Literal["key", "value"] = "key" if key else "value"
            yield Fault(
                "secret-in-plain-field", message, path, _way_out(path), at=at, offset=None if key else match.start()
            )
        return
    names.update(SECRET.findall(value))
    rest = SECRET.sub("", value)
    if "${{" in rest:
        message = "a secret is written ${{ secrets.NAME }}, with letters, digits, dashes and underscores in its name"
        yield Fault("bad-secret", message, path)


def _way_out(path: Path) -> str:
    if len(path) > 2 and path[-1] == "value" and path[-3] == "headers":
        return "write valueFrom: {secret: NAME} instead of value"
    if path[:1] == ("metadata",):
        return "metadata is in plain sight everywhere; name the secret in a field of a config that is kept secret"
    return "only fields that are kept secret may name one, such as passwords and tokens; gitops explain tells which"


def _literal(path: Path) -> Fault:
    message = f"{path[-1]} stands in plain sight in the repository"
    return Fault("literal-secret", message, path, "write ${{ secrets.NAME }}", "warning")


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str, bool]]:
    """Every text with its path, keys of maps included (the last of the three)."""
    if isinstance(value, str):
        yield path, value, False
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str) and "${{" in key:
                yield (*path, key), key, True
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
