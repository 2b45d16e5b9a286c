"""Automations and their runs as machines read them. What looks like a secret is shown as a number."""

from __future__ import annotations

from typing import Any

from reconciler.flows.automations import Overview, Shown, Told
from reconciler.report.masks import Masks
from reconciler.report.moments import iso
from reconciler.store.automating import RunRow, StepRow, WaitRow


def automation_json(found: Overview) -> dict[str, Any]:
    """One automation."""
    automation = found.automation
    return {
        "name": automation.name,
        "source": automation.source,
        "triggers": [
            {"id": t.id, "event": t.event, "config": Masks().value(dict(t.config))} for t in automation.triggers
        ],
        "mode": automation.mode,
        "concurrencyScope": automation.spec.get("concurrencyScope", "automation"),
        "maxRuns": automation.most,
        "runAs": automation.spec.get("runAs"),
        "going": found.going,
        "lastRun": None if found.last is None else run_json(Told(automation.name, found.last)),
        "nextTick": iso(found.tick_at),
    }


def run_json(told: Told) -> dict[str, Any]:
    """One run, as lists have it."""
    run = told.run
    return {
        "run": run.id,
        "automation": told.name,
        "status": "queued" if run.queued else run.status,
        "reason": run.reason,
        "event": run.event_name,
        "trigger": run.trigger_id,
        "context": run.context_key,
        "generation": run.generation,
        "created": iso(run.created),
        "started": iso(run.started),
        "ended": iso(run.ended),
        "worker": run.worker,
    }


def shown_json(found: Shown) -> dict[str, Any]:
    """One run in full."""
    masks = Masks()
    return {
        **run_json(Told(found.name, found.run)),
        "payload": masks.value(_payload(found.run)),
        "actor": found.run.event.get("actor"),
        "steps": [_step(step, masks) for step in found.steps],
        "waits": [_wait(wait) for wait in found.waits],
        "artifacts": [
            {"type": a.type, "step": a.step_id, "context": a.context_key, "value": masks.value(dict(a.value))}
            for a in found.artifacts
        ],
    }


def _payload(run: RunRow) -> dict[str, Any]:
    return dict(run.event.get("payload") or {})


def _step(step: StepRow, masks: Masks) -> dict[str, Any]:
    return {
        "path": step.path,
        "block": step.block,
        "action": step.action,
        "id": step.step_id,
        "status": step.status,
        "at": iso(step.at),
        "ended": iso(step.ended),
        "attempts": step.attempts,
        "result": masks.value(dict(step.result)),
        "error": step.error,
    }


def _wait(wait: WaitRow) -> dict[str, Any]:
    return {
        "path": wait.path,
        "kind": wait.kind,
        "event": wait.event,
        "context": wait.context_key,
        "armed": iso(wait.armed_at),
        "due": iso(wait.due_at),
        "resumed": iso(wait.resumed_at),
    }
