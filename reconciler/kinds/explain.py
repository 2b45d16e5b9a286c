"""What a field means, from the models themselves: for people at a command line, offline."""

from collections.abc import Iterator
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from reconciler.base.durations import format_duration
from reconciler.base.errors import UsageError
from reconciler.kinds import shape
from reconciler.kinds.faults import did_you_mean
from reconciler.kinds.loaded import load
from reconciler.kinds.marks import Ref, Runtime, Secret, SecretName, Templatable
from reconciler.kinds.results import OPERATORS, ResultField
from reconciler.kinds.table import EVENTS, KINDS, TABLES, Entry, extend
from reconciler.kinds.types import DurationType


class Child(NamedTuple):
    """A field below the one that is explained."""

    name: str
    type: str
    required: bool
    description: str


class Explained(NamedTuple):
    """Everything known about a place in a document. Texts are for people; ``default`` is as YAML would write it.

    ``pins`` are the configs that fit here, each of which can be explained itself. ``results`` are what assertions on a
    collector can name, with the operators that fit.
    """

    path: str
    type: str
    required: bool
    default: str | None
    description: str
    notes: tuple[str, ...] = ()
    examples: tuple[Any, ...] = ()
    children: tuple[Child, ...] = ()
    pins: tuple[str, ...] = ()
    results: tuple[tuple[ResultField, tuple[str, ...]], ...] = ()


_CONFIGS = {"StrategySpec": "strategies", "CollectorSpec": "collectors", "Trigger": "triggers", "Provider": "actions"}
"""Models that hold a config whose shape their pin tells."""
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", NoneType: "null", Any: "any value"}


def explain(path: str) -> Explained:
    """Explain ``Check``, ``Check.spec.interval``, ``http@3``, ``http@3.timeout``, ``strategies/http`` and the like.

    Raises ``UsageError`` for what isn't there, with what is near.
    """
    extend()
    root, entry, steps = _root(path.strip().replace("[]", ""))
    loaded = load(entry)
    if not steps:
        results = tuple((field, OPERATORS[field.type]) for field in loaded.results or ())
        about = _first_sentences(loaded.model)
        return Explained(root, "map", True, None, about, (), (), _children([loaded.model]), (), results)
    models: list[type[BaseModel]] = [loaded.model]
    walked = root
    for position, step in enumerate(steps):
        found = _field(models, step, walked)
        walked = f"{walked}.{step}"
        owner, info = found
        below = shape.models_in(shape.bare_field(info))
        if position == len(steps) - 1:
            return _explained(walked, owner, info, below)
        pins = _pins(owner, step, entry)
        if pins:
            raise UsageError(
                f"what stands in {walked} depends on the type beside it",
                hint=f"explain {pins[0]}.{steps[position + 1]}, or another of: {', '.join(pins)}",
            )
        models = below
    raise UsageError(f"{path!r} leads nowhere")


def roots() -> dict[str, Entry]:
    """Everything an explanation can begin with: kinds, ``strategies/http``, ``http@3``, ``http.request@1``."""
    extend()
    names: dict[str, Entry] = {}
    for table, entries in TABLES.items():
        for name, entry in entries.items():
            if table == "kinds":
                names[name] = entry
                continue
            names[entry.subject] = entry
            names.setdefault(f"{name}@{entry.head}", entry)
    return names


def _root(path: str) -> tuple[str, Entry, list[str]]:
    known = roots()
    folded = {name.lower(): name for name in known}
    parts = path.split(".")
    for size in range(len(parts), 0, -1):
        name = folded.get(".".join(parts[:size]).lower())
        if name is not None:
            return name, known[name], parts[size:]
    bare = _bare_collector(path)
    if bare is not None:
        return bare
    first = parts[0] if "@" not in path else path.partition("@")[0]
    near = did_you_mean(path, known) or did_you_mean(first, known)
    event = path.removeprefix("triggers/")
    if event in EVENTS:
        raise UsageError(f"{event} has no settings: it tells that {EVENTS[event]}")
    raise UsageError(f"there is nothing called {path!r}", hint=near or f"begin with one of: {', '.join(KINDS)}")


def _bare_collector(path: str) -> tuple[str, Entry, list[str]] | None:
    """``request@1``, as it is written in a check; refused where several strategies have such a collector."""
    pin, _, rest = path.partition(".")
    found = [
        (f"{name}@{entry.head}", entry)
        for name, entry in TABLES["collectors"].items()
        if f"{name.partition('.')[2]}@{entry.head}" == pin
    ]
    if len(found) > 1:
        raise UsageError(f"several strategies have a {pin}", hint=f"name one: {', '.join(name for name, _ in found)}")
    return (*found[0], rest.split(".") if rest else []) if found else None


def _field(models: list[type[BaseModel]], step: str, walked: str) -> tuple[type[BaseModel], FieldInfo]:
    names: list[str] = []
    for model in models:
        for name, info in shape.fields(model):
            if name == step:
                return model, info
            names.append(name)
    if not names:
        raise UsageError(f"{walked} has nothing below it")
    hint = did_you_mean(step, names) or f"there are {', '.join(dict.fromkeys(names))}"
    raise UsageError(f"{walked} has no field {step!r}", hint=hint)


def _explained(path: str, owner: type[BaseModel], info: FieldInfo, below: list[type[BaseModel]]) -> Explained:
    bare = shape.bare_field(info)
    return Explained(
        path,
        _type(bare),
        info.is_required(),
        _default(info, bare),
        info.description or "",
        tuple(_notes(bare)),
        tuple(info.examples or ()),
        _children(below),
        _pins(owner, path.rpartition(".")[2], None),
    )


def _pins(owner: type[BaseModel], step: str, entry: Entry | None) -> tuple[str, ...]:
    """What can be pinned at ``step`` of ``owner``: for its ``config``, and for the type that selects it."""
    table = _CONFIGS.get(owner.__name__)
    if table is None or step not in (("config",) if entry is not None else ("config", "type", "event", "action")):
        return ()
    pins = tuple(f"{name}@{each.head}" for name, each in TABLES[table].items())
    return (*pins, *EVENTS) if table == "triggers" and step == "event" else pins


def _children(models: list[type[BaseModel]]) -> tuple[Child, ...]:
    found: dict[str, Child] = {}
    for model in models:
        for name, info in shape.fields(model):
            required = info.is_required() and len(models) == 1
            found.setdefault(name, Child(name, _type(shape.bare_field(info)), required, info.description or ""))
    return tuple(found.values())


def _type(bare: shape.Bare) -> str:
    durations = any(isinstance(extra, DurationType) for extra in bare.extras)
    words = ["duration"] if durations else list(dict.fromkeys(_option(option) for option in bare.options))
    numeric = any(mark.check in ("port", "int") for mark in bare.marks if isinstance(mark, Templatable))
    text = "whole number or template" if numeric else " or ".join(words)
    return f"{text} or null" if bare.nullable and text != "null" else text


def _option(option: Any) -> str:
    origin, arguments = get_origin(option), get_args(option)
    if origin is list:
        return f"list of {_type(shape.bare(arguments[0]))}"
    if origin is dict:
        below = _type(shape.bare(arguments[1]))
        return "map" if below == "any value" else f"map of {below}"
    if origin is Literal:
        return "one of " + ", ".join(str(each) for each in arguments)
    return _WORDS.get(option, "map")


def _notes(bare: shape.Bare) -> Iterator[str]:
    for mark in bare.marks:
        match mark:
            case Templatable():
                yield "rendered for each environment: may hold {{ environment.field }}"
            case Secret():
                yield "kept secret: may hold ${{ secrets.NAME }}"
            case SecretName():
                yield "the bare name of a secret"
            case Runtime(form=form):
                yield f"evaluated while the automation runs: {form}"
            case Ref(kind=kind):
                yield f"the name of a {kind}"


def _default(info: FieldInfo, bare: shape.Bare) -> str | None:
    if info.is_required():
        return None
    value = info.default
    if value is PydanticUndefined:
        made = info.get_default(call_default_factory=True, validated_data={})
        value = [] if made == [] else {}
    if isinstance(value, int) and any(isinstance(extra, DurationType) for extra in bare.extras):
        return format_duration(value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


def _first_sentences(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())
