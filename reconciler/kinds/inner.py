"""The configs inside a check or an automation, each judged by the model that its pin names."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from reconciler.base.diagnostics import Fault, Path
from reconciler.kinds.assertions import check_assertions
from reconciler.kinds.faults import translate
from reconciler.kinds.loaded import Loaded
from reconciler.kinds.pins import resolve
from reconciler.kinds.texts import Part


@dataclass(slots=True)
class Inner:
    """What was found. ``parts`` are normalised and hold only good configs, ``raw`` are as written and hold all.

    ``unknown`` leads to configs whose model is not known, about which nothing more can be said.
    """

    faults: list[Fault] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    raw: list[Part] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    runtime: tuple[tuple[Path, str, str], ...] = ()

    def config(self, loaded: Loaded, holder: dict[str, Any], target: dict[str, Any] | None, path: Path) -> None:
        """Judge ``holder["config"]`` (absent is empty) and put the normalised one into ``target``."""
        given = holder.get("config", {})
        where = (*path, "config")
        self.raw.append(Part(loaded, given, where))
        if not isinstance(given, dict):
            return
        try:
            instance = loaded.validate(given)
        except ValidationError as error:
            self.faults += translate(error, loaded.model, where)
            return
        if target is not None:
            value = target["config"] = loaded.dump(instance)
            self.parts.append(Part(loaded, value, where, instance))

    def pinned(self, table: str, holder: dict[str, Any], path: Path, *, key: str, prefix: str = "") -> Loaded | None:
        """The model that ``holder[key]`` pins; None, with the fault noted, when it pins none."""
        text = holder.get(key)
        if not isinstance(text, str) or not text:
            self.unknown.append((*path, "config"))
            return None
        loaded, fault = resolve(table, text, (*path, key), key=key, prefix=prefix)
        if fault is not None:
            self.faults.append(fault)
        if loaded is None:
            self.unknown.append((*path, "config"))
        return loaded


def check_parts(data: dict[str, Any], value: BaseModel | None, body: dict[str, Any] | None, declared: int) -> Inner:
    """Judge the strategy's config, the collectors' and their assertions. ``body`` is filled in, where there is one."""
    inner = Inner()
    spec = data.get("spec")
    strategy = spec.get("strategy") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(strategy, dict):
        return inner
    target = body["spec"] if body is not None else None
    path: Path = ("spec", "strategy")
    loaded = inner.pinned("strategies", strategy, path, key="type")
    if loaded is None:
        inner.unknown.append(("spec", "collectors"))
        return inner
    inner.config(loaded, strategy, target and target["strategy"], path)
    collectors = spec.get("collectors", [])
    if isinstance(collectors, list):
        prefix = loaded.entry.subject.partition("/")[2] + "."
        for index, collector in enumerate(collectors):
            if isinstance(collector, dict):
                into = target["collectors"][index] if target is not None else None
                _collector(inner, collector, into, index, prefix)
        if not collectors and "host" not in loaded.model.model_fields:
            inner.faults.append(_nothing(loaded))
    return inner


def _nothing(loaded: Loaded) -> Fault:
    name = loaded.entry.subject.partition("/")[2]
    message = f"the check measures nothing: {name} connects to nothing by itself"
    return Fault("no-collectors", message, ("spec", "collectors"), "add a collector", "warning")


def _collector(inner: Inner, collector: dict[str, Any], target: dict[str, Any] | None, index: int, prefix: str) -> None:
    path: Path = ("spec", "collectors", index)
    loaded = inner.pinned("collectors", collector, path, key="type", prefix=prefix)
    if loaded is None:
        return
    inner.config(loaded, collector, target, path)
    assertions = collector.get("assertions")
    if loaded.results is None or not isinstance(assertions, list):
        return
    inner.faults += check_assertions(assertions, loaded.results, (*path, "assertions"))


def automation_parts(
    data: dict[str, Any], value: BaseModel | None, body: dict[str, Any] | None, declared: int
) -> Inner:
    """Judge the configs of triggers and actions; see ``reconciler.kinds.flow``."""
    from reconciler.kinds.flow import walk

    return walk(Inner(), data, value, body, declared)
