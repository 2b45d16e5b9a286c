"""Walks an automation: the configs of its triggers and actions, its ids, its templates and expressions."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel

from reconciler.base.diagnostics import Fault, Path, Severity
from reconciler.kinds import shape
from reconciler.kinds.inner import Inner
from reconciler.kinds.marks import Runtime
from reconciler.kinds.table import EVENTS

RuntimeTemplate = tuple[Path, str, str]


class Holder(NamedTuple):
    """A map of the document that names an event or an action; ``target`` is its normalised form, where there is one."""

    data: dict[str, Any]
    target: dict[str, Any] | None
    path: Path


def walk(
    inner: Inner, data: dict[str, Any], value: BaseModel | None, body: dict[str, Any] | None, declared: int
) -> Inner:
    """Judge what the pins of an automation name, and gather what is evaluated at run time."""
    spec = data.get("spec")
    if not isinstance(spec, dict):
        return inner
    target = body["spec"] if body is not None else None
    triggers = list(_maps(spec.get("triggers"), target and target["triggers"], ("spec", "triggers")))
    actions = list(blocks(spec.get("actions"), target and target["actions"], ("spec", "actions")))
    for holder in triggers:
        _event(inner, holder, configured=True)
    acting: Holder | None = None
    for holder in actions:
        if "action" in holder.data:
            produces = _provider(inner, holder)
            acting = acting or (holder if not _is_log(holder) else None)
            if produces and "id" not in holder.data:
                message = f"later blocks can't find the {produces} without an id"
                inner.faults.append(Fault("missing-key", message, (*holder.path, "id"), "add an id of your own"))
        wait = holder.data.get("waitForTrigger")
        if isinstance(wait, dict):
            _event(inner, Holder(wait, None, (*holder.path, "waitForTrigger")), configured=False)
    inner.faults += _twice(triggers) + _twice(actions)
    if acting is not None and spec.get("runAs") is None:
        inner.faults.append(_nobody(acting, declared))
    if value is not None:
        configs = (each for part in inner.parts for each in _evaluated(part.instance, None, part.path))
        inner.runtime = (*_evaluated(value, None, ()), *configs)
    return inner


def _event(inner: Inner, holder: Holder, *, configured: bool) -> None:
    """An event with its config, or, where none is ``configured``, one that can be waited for."""
    event = holder.data.get("event")
    if isinstance(event, str) and event in EVENTS:
        if holder.data.get("config"):
            message = f"{event} has no settings"
            inner.faults.append(Fault("unknown-key", message, (*holder.path, "config"), "leave config out", at="key"))
        return
    loaded = inner.pinned("triggers", holder.data, holder.path, key="event")
    if loaded is None:
        return
    if configured:
        inner.config(loaded, holder.data, holder.target, holder.path)
    else:
        message = f"{event} is no event that can be waited for"
        inner.faults.append(Fault("bad-value", message, (*holder.path, "event"), f"there are {', '.join(EVENTS)}"))


def _provider(inner: Inner, holder: Holder) -> str | None:
    """Judge an action's config; what the action leaves for later blocks, if anything."""
    loaded = inner.pinned("actions", holder.data, holder.path, key="action")
    if loaded is None:
        return None
    inner.config(loaded, holder.data, holder.target, holder.path)
    return getattr(loaded.model, "PRODUCES", None)


def _is_log(holder: Holder) -> bool:
    return str(holder.data.get("action")).partition("@")[0] == "log"


def _nobody(holder: Holder, declared: int) -> Fault:
    severity: Severity = "warning" if declared == 1 else "error"
    message = f"{holder.data['action']} acts on behalf of nobody: runAs is missing"
    return Fault("missing-run-as", message, (*holder.path, "action"), "add runAs with a ServiceAccount", severity)


def _twice(holders: list[Holder]) -> list[Fault]:
    seen: set[str] = set()
    faults: list[Fault] = []
    for holder in holders:
        name = holder.data.get("id")
        if isinstance(name, str):
            if name in seen:
                faults.append(Fault("duplicate", f"the id {name!r} is taken already", (*holder.path, "id")))
            seen.add(name)
    return faults


def _maps(value: Any, target: Any, path: Path) -> Iterator[Holder]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield Holder(item, target[index] if target is not None else None, (*path, index))


def blocks(value: Any, target: Any, path: Path) -> Iterator[Holder]:
    """Every block below a list of blocks, outer ones first. ``target`` is the normalised form of ``value``, if any."""
    for holder in _maps(value, target, path):
        yield holder
        data, into, at = holder
        for key in ("sequence", "else"):
            yield from blocks(data.get(key), into and into.get(key), (*at, key))
        for branch in _maps(data.get("choose"), into and into.get("choose"), (*at, "choose")):
            below = branch.target and branch.target["sequence"]
            yield from blocks(branch.data.get("sequence"), below, (*branch.path, "sequence"))
        loop = data.get("repeat")
        if isinstance(loop, dict):
            below = into and into["repeat"]["sequence"]
            yield from blocks(loop.get("sequence"), below, (*at, "repeat", "sequence"))
        if isinstance(data.get("parallel"), list):
            yield from _parallel(data["parallel"], into and into["parallel"], (*at, "parallel"))


def _parallel(value: list[Any], target: Any, path: Path) -> Iterator[Holder]:
    yield from blocks(value, target, path)
    for index, item in enumerate(value):
        if isinstance(item, list):
            yield from blocks(item, target and target[index], (*path, index))


def _evaluated(value: Any, annotation: shape.Bare | None, path: Path) -> Iterator[RuntimeTemplate]:
    """What is evaluated at run time below a model's instance, with its form; free JSON hands its mark down."""
    if isinstance(value, BaseModel):
        for name, key, below in _fields(type(value)):
            yield from _evaluated(getattr(value, name), below, (*path, key))
    elif annotation is None:
        return
    elif isinstance(value, str):
        form = next((mark.form for mark in annotation.marks if isinstance(mark, Runtime)), None)
        if form == "expression" or (form == "template" and "{{" in value):
            yield path, value, form
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _evaluated(item, annotation.item or annotation, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _evaluated(item, annotation.item or annotation, (*path, key))


@cache
def _fields(model: type[BaseModel]) -> tuple[tuple[str, str, shape.Bare], ...]:
    """The fields that lead to something evaluated; most don't, and an automation has many."""
    known = ((name, key, shape.bare_field(info)) for name, key, info in shape.attributes(model))
    return tuple(
        each for each in known if _marked(each[2]) or any(_evaluates(below) for below in shape.models_in(each[2]))
    )


@cache
def _evaluates(model: type[BaseModel]) -> bool:
    reached, ahead = {model}, [model]
    while ahead:
        following = ahead.pop()
        if any(_marked(shape.bare_field(info)) for _, info in shape.fields(following)):
            return True
        ahead += [below for below in shape.below(following) if below not in reached]
        reached.update(ahead)
    return False


def _marked(annotation: shape.Bare) -> bool:
    """Whether the annotation, or that of its items, is marked as evaluated."""
    if any(isinstance(mark, Runtime) for mark in annotation.marks):
        return True
    return annotation.item is not None and _marked(annotation.item)
