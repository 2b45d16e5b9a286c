"""Reads a model's annotations: which fields, of what type, with which marks; for marks, faults and explain."""

import copy
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reconciler.kinds.marks import MARKS, Mark

ITEM = "[]"
"""Stands for any index of a list in a path of keys."""
VALUE = "{}"
"""Stands for any key of a map in a path of keys."""


@dataclass(frozen=True, eq=False)
class Bare:
    """An annotation without its wrappers: the alternatives of a union (None left out), and all that was annotated."""

    options: tuple[Any, ...]
    extras: tuple[Any, ...]
    nullable: bool

    @cached_property
    def marks(self) -> tuple[Mark, ...]:
        """The marks among the annotations."""
        return tuple(extra for extra in self.extras if isinstance(extra, MARKS))

    @cached_property
    def item(self) -> "Bare | None":
        """What an item of the list, or a value of the map, is; None for anything else."""
        for option in self.options:
            if get_origin(option) in (list, dict):
                return bare(get_args(option)[-1])
        return None


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
    return ((key, info) for _, key, info in attributes(model))


@cache
def attributes(model: type[BaseModel]) -> tuple[tuple[str, str, FieldInfo], ...]:
    """Each field as ``(attribute, key in YAML, info)``, its annotation resolved.

    Models that contain themselves refer forward. pydantic resolves that while it builds a validator; doing so for each
    of them takes a hundred times as long as reading their annotations.
    """
    if model.__pydantic_fields_complete__:
        return tuple((name, info.alias or name, info) for name, info in model.model_fields.items())
    hints = typing.get_type_hints(model, include_extras=True)
    found = []
    for name, info in model.model_fields.items():
        resolved = copy.copy(info)
        resolved.annotation = hints[name]
        found.append((name, info.alias or name, resolved))
    return tuple(found)


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

    Models that contain themselves are entered once: what repeats in them is for their own walker.
    """
    yield from _marked_model(model, (), (), set())


def below(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The models that the fields of ``model`` lead to at once, through lists and maps."""
    return [each for _, info in fields(model) for each in models_in(bare_field(info))]


def models_in(shape: Bare) -> list[type[BaseModel]]:
    """The models among the options of an annotation, through lists and maps."""
    found: list[type[BaseModel]] = []
    for option in shape.options:
        if _is_model(option):
            found.append(option)
        elif get_origin(option) in (list, dict):
            found += models_in(bare(get_args(option)[-1]))
    return found


def _contains_itself(model: type[BaseModel]) -> bool:
    reached: set[type[BaseModel]] = set()
    ahead = below(model)
    while ahead:
        following = ahead.pop()
        if following is model:
            return True
        if following not in reached:
            reached.add(following)
            ahead += below(following)
    return False


def _marked_model(
    model: type[BaseModel], path: tuple[str, ...], outer: tuple[Mark, ...], entered: set[type[BaseModel]]
) -> Iterator[tuple[tuple[str, ...], tuple[Mark, ...]]]:
    if model in entered:
        return
    if _contains_itself(model):
        entered.add(model)
    for key, info in fields(model):
        yield from _marked(bare_field(info), (*path, key), outer, entered)


def _marked(
    shape: Bare, path: tuple[str, ...], outer: tuple[Mark, ...], entered: set[type[BaseModel]]
) -> Iterator[tuple[tuple[str, ...], tuple[Mark, ...]]]:
    marks = (*outer, *shape.marks)
    leaf = True
    for option in shape.options:
        origin = get_origin(option)
        if _is_model(option):
            leaf = False
            yield from _marked_model(option, path, marks, entered)
        elif origin is list:
            leaf = False
            yield from _marked(bare(get_args(option)[0]), (*path, ITEM), marks, entered)
        elif origin is dict:
            leaf = False
            yield from _marked(bare(get_args(option)[1]), (*path, VALUE), marks, entered)
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
