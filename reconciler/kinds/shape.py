"""Reads a model's annotations: which fields, of what type, with which marks; for marks, faults and explain."""

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reconciler.kinds.marks import MARKS, Mark

ITEM = "[]"
"""Stands for any index of a list in a path of keys."""
VALUE = "{}"
"""Stands for any key of a map in a path of keys."""


class Bare(NamedTuple):
    """An annotation without its wrappers: the alternatives of a union (None left out), and all that was annotated."""

    options: tuple[Any, ...]
    extras: tuple[Any, ...]
    nullable: bool

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks among the annotations."""
        return tuple(extra for extra in self.extras if isinstance(extra, MARKS))


def bare(annotation: Any, extras: tuple[Any, ...] = ()) -> Bare:
    """Unwrap ``Annotated``, unions and aliases down to plain types, lists, maps and models."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return bare(inner, (*extras, *_flat(more)))
    if origin in (typing.Union, types.UnionType):
        parts = [bare(option) for option in get_args(annotation) if option is not type(None)]
        options = tuple(option for part in parts for option in part.options)
        gathered = tuple(extra for part in parts for extra in part.extras)
        nullable = type(None) in get_args(annotation) or any(part.nullable for part in parts)
        return Bare(options, (*extras, *gathered), nullable)
    return Bare((annotation,), extras, annotation is type(None))


def fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Each field under the key it has in YAML."""
    for name, info in model.model_fields.items():
        yield info.alias or name, info


def bare_field(info: FieldInfo) -> Bare:
    """The field's annotation together with the annotations that pydantic moved off it."""
    return bare(info.annotation, tuple(info.metadata))


def models_at(model: type[BaseModel], path: tuple[str | int, ...]) -> list[type[BaseModel]]:
    """The models that may describe the map at ``path`` below ``model``; empty where it is a free map or no map."""
    level: list[Any] = [model]
    for step in path:
        following: list[Any] = []
        for option in level:
            following.extend(_below(option, step))
        level = following
    return [option for option in level if _is_model(option)]


def marked(model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], tuple[Mark, ...]]]:
    """Every marked place below ``model`` with all marks that reach it (a mark on a list reaches its items).

    Recursive models are entered once: what repeats in them is for their own walker.
    """
    yield from _marked_model(model, (), (), ())


def _marked_model(
    model: type[BaseModel], path: tuple[str, ...], outer: tuple[Mark, ...], above: tuple[type, ...]
) -> Iterator[tuple[tuple[str, ...], tuple[Mark, ...]]]:
    if model in above:
        return
    for key, info in fields(model):
        yield from _marked(bare_field(info), (*path, key), outer, (*above, model))


def _marked(
    shape: Bare, path: tuple[str, ...], outer: tuple[Mark, ...], above: tuple[type, ...]
) -> Iterator[tuple[tuple[str, ...], tuple[Mark, ...]]]:
    marks = (*outer, *shape.marks)
    leaf = True
    for option in shape.options:
        origin = get_origin(option)
        if _is_model(option):
            leaf = False
            yield from _marked_model(option, path, marks, above)
        elif origin is list:
            leaf = False
            yield from _marked(bare(get_args(option)[0]), (*path, ITEM), marks, above)
        elif origin is dict:
            leaf = False
            yield from _marked(bare(get_args(option)[1]), (*path, VALUE), marks, above)
    if leaf and marks:
        yield path, marks


def _below(option: Any, step: str | int) -> Iterator[Any]:
    origin = get_origin(option)
    if _is_model(option):
        for key, info in fields(option):
            if key == step:
                yield from bare_field(info).options
    elif origin is list and isinstance(step, int):
        yield from bare(get_args(option)[0]).options
    elif origin is dict:
        yield from bare(get_args(option)[1]).options


def _is_model(option: Any) -> bool:
    return isinstance(option, type) and issubclass(option, BaseModel)


def _flat(extras: list[Any]) -> Iterator[Any]:
    for extra in extras:
        if isinstance(extra, FieldInfo):
            yield from extra.metadata
        else:
            yield extra
