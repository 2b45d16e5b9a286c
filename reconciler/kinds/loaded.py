"""Models, found by the table and loaded when a document first names them, with what their marks were compiled to."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from pydantic import BaseModel

from reconciler.base.errors import GitopsError
from reconciler.kinds import shape
from reconciler.kinds.marks import Ref, Secret, SecretName, Templatable
from reconciler.kinds.results import RESULTS, ResultField
from reconciler.kinds.table import Entry

Keys = tuple[str, ...]


class Loaded(NamedTuple):
    """A model ready for use. The tuples of ``(keys, mark)`` are its marked places, with ``shape.ITEM`` for an index."""

    entry: Entry
    model: type[BaseModel]
    validate: Callable[[Any], BaseModel]
    dump: Callable[[BaseModel], dict[str, Any]]
    templatable: tuple[tuple[Keys, str], ...]
    secret: dict[Keys, Secret]
    secret_names: tuple[Keys, ...]
    references: tuple[tuple[Keys, str], ...]
    results: tuple[ResultField, ...] | None


_cache: dict[str, Loaded] = {}


def load(entry: Entry) -> Loaded:
    """The model of an entry. Raises ``GitopsError`` when it can't be imported or contradicts itself."""
    found = _cache.get(entry.subject)
    if found is None:
        found = _cache[entry.subject] = compile_model(entry, _import(entry))
    return found


def compile_model(entry: Entry, model: type[BaseModel]) -> Loaded:
    """Read the marks of ``model``. Raises ``GitopsError`` for a field that is both secret and templatable."""
    templatable: list[tuple[Keys, str]] = []
    secret: dict[Keys, Secret] = {}
    names: list[Keys] = []
    references: list[tuple[Keys, str]] = []
    for keys, marks in shape.marked(model):
        checks = [mark.check for mark in marks if isinstance(mark, Templatable)]
        secrets = [mark for mark in marks if isinstance(mark, Secret)]
        hidden = any(isinstance(mark, SecretName) for mark in marks)
        if checks and (secrets or hidden):
            raise GitopsError(
                f"{entry.subject}: {spelled(keys)} is marked both secret and templatable",
                hint="a secret is never rendered; keep one of the two marks",
            )
        templatable.extend((keys, check) for check in checks[-1:])
        if secrets:
            secret[keys] = secrets[-1]
        names.extend([keys] if hidden else [])
        references.extend((keys, mark.kind) for mark in marks if isinstance(mark, Ref))
    model.model_rebuild()
    serializer = model.__pydantic_serializer__
    return Loaded(
        entry,
        model,
        model.__pydantic_validator__.validate_python,
        # Absent stands for null: defaults are filled in, so that nothing else can be meant, at half the size.
        lambda value: serializer.to_python(value, mode="json", by_alias=True, exclude_none=True),
        tuple(templatable),
        secret,
        tuple(names),
        tuple(references),
        getattr(model, "RESULT", None) or RESULTS.get(entry.subject.removeprefix("collectors/")),
    )


def spelled(keys: Keys) -> str:
    """Keys as messages show them: ``headers[].value``."""
    text = ""
    for key in keys:
        text += key if key in (shape.ITEM, shape.VALUE) or not text else f".{key}"
    return text


def _import(entry: Entry) -> type[BaseModel]:
    module, _, name = entry.model.partition(":")
    try:
        model = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise GitopsError(f"the model of {entry.subject} can't be loaded: {error}") from error
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise GitopsError(f"the model of {entry.subject}, {entry.model}, is no pydantic model")
    return model
