"""Conditions and actions of version 1 automations in the words of version 2, at whatever depth they stand."""

from __future__ import annotations

from typing import Any

from .v1_documents import seconds
from .v1_templates import Place, Translator

COMMON = {"id": "id", "description": "description", "enabled": "enabled", "continue_on_error": "continueOnError"}
BLOCKS = (
    *("action", "choose", "parallel", "delay", "repeat", "variables", "condition", "stop"),
    *("wait_for_trigger", "wait_until", "sequence"),
)
CODE = frozenset({"script"})
"""Keys of action configs that hold code, which version 1 never rendered."""
ACTIONS = {
    "automation.log": "log",
    "automation.notify_user": "notify",
    "notification.send": "notify",
    "healthcheck.run_now": "check.run_now",
    "healthcheck.enable_assignment": "check.resume",
    "healthcheck.disable_assignment": "check.pause",
    "webhook.send": "webhook",
    "script.run_shell": "run_shell",
    "script.run_script": "run_script",
}
"""Actions whose names changed; all others keep theirs."""
UNRENDERED = {
    "webhook": frozenset({"url"}),
    "run_shell": frozenset({"env", "secretEnv", "cwd"}),
    "run_script": frozenset({"env", "secretEnv"}),
}
"""Keys of configs that version 1 rendered and version 2 doesn't, by the action of version 2."""
CONFIG_KEYS = {
    "healthcheck": {"systemId": "system", "configurationId": "check", "environmentId": "environment"},
    "incident": {"systemIds": "systems", "incidentId": "incident"},
}
"""Keys of configs that changed, by the plugin of the action."""
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}


def duration(value: Any, at: Place, translator: Translator) -> Any:
    """``{minutes: 5}`` as ``5m``; a bare number counts seconds; a template is translated."""
    if isinstance(value, dict):
        if "template" in value:
            return translator.text(value["template"], (*at, "template"))
        return seconds(sum(size * value[unit] for unit, size in _SECONDS.items() if value.get(unit) is not None))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return seconds(value)
    return translator.text(value, at)


def condition(value: Any, at: Place, translator: Translator) -> Any:
    """An expression, or a map with one of and, or, not, numeric_state, time, state."""
    if not isinstance(value, dict):
        return translator.expression(value, at)
    new: dict[str, Any] = {}
    for key, inner in value.items():
        below = (*at, key)
        if key in ("and", "or") and isinstance(inner, list):
            new[key] = [condition(item, (*below, index), translator) for index, item in enumerate(inner)]
        elif key == "not":
            new[key] = condition(inner, below, translator)
        elif key == "numeric_state":
            new["numericState"] = {
                **inner,
                "value": translator.expression(_spelled(inner["value"]), (*below, "value")),
            }
        elif key == "time":
            weekday = inner.get("weekday")
            new[key] = {**inner, **({"weekday": [weekday]} if isinstance(weekday, int) else {})}
        elif key == "state":
            new[key] = {**inner, "entity": translator.text(inner["entity"], (*below, "entity"))}
            if inner.get("for") is not None:
                new[key]["for"] = duration(inner["for"], (*below, "for"), translator)
        else:
            new[key] = inner
    return new


def actions(values: list[Any], at: Place, translator: Translator) -> list[Any]:
    """A list of blocks."""
    return [action(value, (*at, index), translator) for index, value in enumerate(values)]


def action(old: dict[str, Any], at: Place, translator: Translator) -> dict[str, Any]:
    """One block, with what every block can say first."""
    new = {name: old[key] for key, name in COMMON.items() if old.get(key) is not None}
    for key, write in _WRITERS.items():
        if key in old:
            new |= write(old, at, translator)
    return new


def _provider(old: dict[str, Any], at: Place, translator: Translator) -> dict[str, Any]:
    name = old["action"].strip()
    config, below = old.get("config") or {}, (*at, "config")
    plain = UNRENDERED.get(ACTIONS.get(name, name), frozenset())
    for key in sorted(plain & config.keys()):
        translator.unrendered(config[key], (*below, key), name)
    config = translator.everywhere(config, below, but=CODE | plain)
    renamed = CONFIG_KEYS.get(name.partition(".")[0], {})
    config = {renamed.get(key, key): value for key, value in config.items()}
    return {"action": f"{ACTIONS.get(name, name)}@1", "config": config}


def _choose(old: dict[str, Any], at: Place, translator: Translator) -> dict[str, Any]:
    branches = [
        {
            "when": condition(branch["when"], (*at, "choose", index, "when"), translator),
            "sequence": actions(branch["sequence"], (*at, "choose", index, "sequence"), translator),
        }
        for index, branch in enumerate(old["choose"])
    ]
    new: dict[str, Any] = {"choose": branches}
    if old.get("else"):
        new["else"] = actions(old["else"], (*at, "else"), translator)
    return new


def _parallel(old: dict[str, Any], at: Place, translator: Translator) -> dict[str, Any]:
    below = (*at, "parallel")
    return {
        "parallel": [
            actions(branch, (*below, index), translator)
            if isinstance(branch, list)
            else action(branch, (*below, index), translator)
            for index, branch in enumerate(old["parallel"])
        ]
    }


def _delay(old: dict[str, Any], at: Place, translator: Translator) -> dict[str, Any]:
    return {"delay": duration(old["delay"], (*at, "delay"), translator)}


def _repeat(old: dict[str, Any], at: Place, translator: Translator) -> dict[str, Any]:
    loop, below = old["repeat"], (*at, "repeat")
    new: dict[str, Any] = {}
    if loop.get("count") is not None:
        new["count"] = loop["count"]
    if loop.get("for_each") is not None:
        new["forEach"] = translator.expression(loop["for_each"], (*below, "for_each"))
    for key in ("while", "until"):
        if loop.get(key) is not None:
            new[key] = condition(loop[key], (*below, key), translator)
    if loop.get("max_iterations") is not None:
        new["maxIterations"] = loop["max_iterations"]
    # Version 1 had the blocks inside of repeat; beside it they stood in its earliest documents.
    inside = "sequence" in loop
    blocks = loop["sequence"] if inside else old.get("sequence") or []
    new["sequence"] = actions(blocks, (*(below if inside else at), "sequence"), translator)
    return {"repeat": new}


def _variables(old: dict[str, Any], at: Place, translator: Translator) -> dict[str, Any]:
    return {"variables": translator.everywhere(old["variables"], (*at, "variables"))}


def _guard(old: dict[str, Any], at: Place, translator: Translator) -> dict[str, Any]:
    return {"condition": condition(old["condition"], (*at, "condition"), translator)}


def _stop(old: dict[str, Any], at: Place, translator: Translator) -> dict[str, Any]:
    stop = old["stop"] or {}
    new = {key: stop[key] for key in ("reason", "error") if stop.get(key) is not None}
    if "reason" in new:
        new["reason"] = translator.text(new["reason"], (*at, "stop", "reason"))
    return {"stop": new}


def _wait_for_trigger(old: dict[str, Any], at: Place, translator: Translator) -> dict[str, Any]:
    wait, below = old["wait_for_trigger"], (*at, "wait_for_trigger")
    new: dict[str, Any] = {"event": wait["event"].strip()}
    if wait.get("filter") is not None:
        new["filter"] = translator.within([new["event"]]).expression(wait["filter"], (*below, "filter"))
    if wait.get("timeout_seconds") is not None:
        new["timeout"] = seconds(wait["timeout_seconds"])
    if wait.get("context_key") is not None:
        new["contextKey"] = translator.text(wait["context_key"], (*below, "context_key"))
    return {"waitForTrigger": new}


def _wait_until(old: dict[str, Any], at: Place, translator: Translator) -> dict[str, Any]:
    wait, below = old["wait_until"], (*at, "wait_until")
    new: dict[str, Any] = {"condition": condition(wait["condition"], (*below, "condition"), translator)}
    if wait.get("timeout_seconds") is not None:
        new["timeout"] = seconds(wait["timeout_seconds"])
    if wait.get("continue_on_timeout") is not None:
        new["continueOnTimeout"] = wait["continue_on_timeout"]
    return {"waitUntil": new}


def _sequence(old: dict[str, Any], at: Place, translator: Translator) -> dict[str, Any]:
    return {} if "repeat" in old else {"sequence": actions(old["sequence"], (*at, "sequence"), translator)}


def _spelled(value: Any) -> Any:
    """A number where an expression is meant, as its text."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


_WRITERS = {
    "action": _provider,
    "choose": _choose,
    "parallel": _parallel,
    "delay": _delay,
    "repeat": _repeat,
    "variables": _variables,
    "condition": _guard,
    "stop": _stop,
    "wait_for_trigger": _wait_for_trigger,
    "wait_until": _wait_until,
    "sequence": _sequence,
}
