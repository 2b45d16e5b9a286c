"""The document moves to gitops/v2: keys in camelCase, durations with units, expressions in Jinja, pinned actions.

The label ``run-as`` becomes ``runAs``. The name comes from the metadata alone, as version 1 had it in effect; a
description of the definition itself stays where the metadata have none.
"""

from __future__ import annotations

from typing import Any

FROM, TO = 1, 2

RENAMED = (
    (("spec", "runAs"), ("metadata", "labels", "run-as")),
    (("metadata", "description"), ("spec", "description")),
    (("spec", "triggers", "*", "window", "within"), ("spec", "triggers", "*", "window", "minutes")),
    (("spec", "stateWindow"), ("spec", "state_window_minutes")),
    (("**", "concurrencyScope"), ("**", "concurrency_scope")),
    (("**", "maxRuns"), ("**", "max_runs")),
    (("**", "usesState"), ("**", "uses_state")),
    (("**", "continueOnError"), ("**", "continue_on_error")),
    (("**", "numericState"), ("**", "numeric_state")),
    (("**", "forEach"), ("**", "for_each")),
    (("**", "maxIterations"), ("**", "max_iterations")),
    (("**", "waitForTrigger"), ("**", "wait_for_trigger")),
    (("**", "waitUntil"), ("**", "wait_until")),
    (("**", "timeout"), ("**", "timeout_seconds")),
    (("**", "contextKey"), ("**", "context_key")),
    (("**", "continueOnTimeout"), ("**", "continue_on_timeout")),
    (("**", "system"), ("**", "systemId")),
    (("**", "check"), ("**", "configurationId")),
    (("**", "environment"), ("**", "environmentId")),
    (("**", "systems"), ("**", "systemIds")),
    (("**", "incident"), ("**", "incidentId")),
)
WITH_CONFIG = ("automation.cron", "automation.interval", "automation.numeric_state")
"""Events that have a config, and so a pin."""


def migrate(data: dict[str, Any]) -> dict[str, Any]:
    """The automation as version 2 writes it. Raises with ``problems`` for expressions that can't be translated."""
    from ..shared.v1_documents import envelope, is_old

    if not is_old(data):
        return data
    spec, translator = _translated(data)
    translator.finish()
    new = envelope(data, "Automation", spec)
    metadata = new["metadata"]
    if metadata.get("description") is None and data["spec"].get("description") is not None:
        metadata["description"] = data["spec"]["description"]
    if "run-as" in (metadata.get("labels") or {}):
        metadata["labels"] = {key: value for key, value in metadata["labels"].items() if key != "run-as"}
        if not metadata["labels"]:
            del metadata["labels"]
    return new


def notes(data: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    """What is left out, because version 2 has nothing of the kind."""
    from ..shared.v1_documents import is_old

    if not is_old(data):
        return []
    told: list[tuple[tuple[str | int, ...], str]] = [
        (("spec", "uses_state", index), "the state is left out: version 2 knows the states of systems only")
        for index, state in enumerate(data["spec"].get("uses_state") or ())
        if _system(state) is None
    ]
    return [*told, *_translated(data)[1].notes]


def _translated(data: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The spec of version 2, and the translator that knows what went wrong on the way."""
    from ..shared.v1_blocks import actions, condition
    from ..shared.v1_documents import seconds
    from ..shared.v1_templates import Translator

    old = data["spec"]
    translator = Translator([trigger["event"].strip() for trigger in old["triggers"]])
    spec: dict[str, Any] = {}
    account = ((data["metadata"].get("labels") or {}).get("run-as") or "").strip()
    if account:
        spec["runAs"] = account
    spec["triggers"] = [_trigger(t, ("spec", "triggers", i), translator) for i, t in enumerate(old["triggers"])]
    if old.get("conditions"):
        spec["conditions"] = [
            condition(c, ("spec", "conditions", i), translator) for i, c in enumerate(old["conditions"])
        ]
    spec["actions"] = actions(old.get("actions") or [], ("spec", "actions"), translator)
    if old.get("mode") is not None:
        spec["mode"] = old["mode"]
    if old.get("concurrency_scope") is not None:
        # Documented as "context", read as "context_key".
        spec["concurrencyScope"] = "automation" if old["concurrency_scope"] == "automation" else "contextKey"
    if old.get("max_runs") is not None:
        spec["maxRuns"] = old["max_runs"]
    states = [name for name in map(_system, old.get("uses_state") or ()) if name]
    if states:
        spec["usesState"] = states
    if old.get("state_window_minutes") is not None:
        spec["stateWindow"] = seconds(old["state_window_minutes"] * 60)
    return spec, translator


def _system(state: Any) -> str | None:
    """The system whose state is meant: by its name alone, or as ``{kind, id}``."""
    if isinstance(state, dict):
        named = state.get("id", state.get("name"))
        return named if isinstance(named, str) and str(state.get("kind", "system")).lower() == "system" else None
    return state if isinstance(state, str) else None


def _trigger(old: dict[str, Any], at: tuple[str | int, ...], translator: Any) -> dict[str, Any]:
    from ..shared.v1_blocks import duration

    event = old["event"].strip()
    here = translator.within([event])
    new: dict[str, Any] = {"id": old["id"]} if old.get("id") is not None else {}
    new["event"] = f"{event}@1" if event in WITH_CONFIG else event
    if old.get("filter") is not None:
        new["filter"] = here.expression(old["filter"], (*at, "filter"))
    if old.get("config"):
        new["config"] = old["config"]
    if old.get("for") is not None:
        dwell = duration(old["for"], (*at, "for"), here)
        if dwell != "0s":
            new["for"] = dwell
    if old.get("window"):
        new["window"] = _window(old["window"], (*at, "window"), here)
    return new


def _window(old: dict[str, Any], at: tuple[str | int, ...], translator: Any) -> dict[str, Any]:
    from ..shared.v1_documents import seconds

    new = {"count": old["count"], "within": seconds(old["minutes"] * 60)}
    if old.get("refire") is not None:
        new["refire"] = old["refire"]
    if old.get("partitionBy") is not None:
        new["partitionBy"] = translator.expression(old["partitionBy"], (*at, "partitionBy"))
    return new
