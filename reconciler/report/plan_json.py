"""A plan as machines read it: ``"format": 1``. Keys may be added; none changes its meaning or goes away.

::

    format      1
    source, commit, tree, kind, note, generation (the one it was made for)
    pending, changed, drifted                      booleans behind the exit codes
    counts      {resources: {action: n}, slices: {action: n}}
    totals      {files, documents, passedOver, resources, slices}
    resources   [{action, cause, kind, name, reason, place, was, fields}]   in the order of the report
    slices      [{action, cause, system, check, environments, fields}]     one entry for a system, check and action
    orphans     [{kind, name, source, since}]
    warnings    [diagnostic]
    applied     {generation, committed, seconds}                           only after an apply
    settled     {well, workers, changed, replaced, seconds, failing, missing, rolledBack}   only after --wait-healthy
    base        {commit}                          only between commits, where generation, totals and since are null
    running     {starts, stops, intervals}        likewise: what begins and ends where, what runs more or less often
    shown       {environment, target, only, resources, slices}             only where a part was asked for: how many of
                                                  the changes that ``counts`` counts are in resources and slices

A field is ``{path, old, new}``; where ``old`` or ``new`` is missing there was, or will be, no such field. Of slices
a field is ``{path, values: [{environment, old, new}]}`` with ``"environment": "*"`` for a difference common to all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.model.plan import Action, Plan, ResourceChange
from reconciler.plan.explain import ResourceStory, SliceStory, resource_stories, slice_stories
from reconciler.plan.fields import ABSENT
from reconciler.plan.focus import EVERYTHING, Focus, focused
from reconciler.report.diagnostics_json import FORMAT, diagnostic_json
from reconciler.report.values import masked

if TYPE_CHECKING:
    from reconciler.flows.apply import Applied
    from reconciler.report.plan_changes import Bodies


def plan_json(plan: Plan, bodies: Bodies, focus: Focus = EVERYTHING) -> dict[str, Any]:
    """All of a plan, or the part in ``focus``, with the counts of the whole."""
    totals, part = plan.totals, focused(plan, focus)
    return {
        "format": FORMAT,
        "source": plan.source,
        "generation": plan.base,
        "kind": plan.kind,
        "commit": plan.commit,
        "tree": plan.tree,
        "note": plan.note,
        "pending": plan.pending,
        "changed": plan.changed,
        "drifted": plan.drifted,
        "counts": plan.counts,
        "totals": {
            "files": totals.files,
            "documents": totals.documents,
            "passedOver": totals.passed_over,
            "resources": totals.resources,
            "slices": totals.slices,
        },
        "resources": [_resource(s) for s in resource_stories(part)],
        "slices": [_slice(s) for s in slice_stories(part, bodies(part))],
        "orphans": [
            {"kind": o.resource.key.kind, "name": o.resource.key.name, "source": o.resource.source, "since": o.since}
            for o in plan.orphans
        ],
        "warnings": [diagnostic_json(d) for d in plan.warnings],
        **_shown(part, focus),
    }


def compared_json(plan: Plan, bodies: Bodies, base: str, focus: Focus) -> dict[str, Any]:
    """What lies between two commits."""
    from reconciler.plan.running import running

    found = running(focused(plan, focus))
    turns = {
        word: [{"system": t.system, "check": t.check, "environments": list(t.environments)} for t in told]
        for word, told in (("starts", found.starts), ("stops", found.stops))
    }
    intervals = [{"check": p.check, "old": p.old, "new": p.new} for p in found.paces]
    return {
        **plan_json(plan, bodies, focus),
        "generation": None,
        "totals": None,
        "base": {"commit": base},
        "running": {**turns, "intervals": intervals},
    }


def _shown(part: Plan, focus: Focus) -> dict[str, Any]:
    if not focus:
        return {}
    resources = sum(c.action is not Action.KEEP for c in part.resources)
    target = None if focus.target is None else {"kind": focus.target.kind, "name": focus.target.name}
    asked = {"environment": focus.environment, "target": target, "only": list(focus.only)}
    return {"shown": {**asked, "resources": resources, "slices": len(part.slices)}}


def applied_json(applied: Applied, bodies: Bodies) -> dict[str, Any]:
    """The plan, and what became of it."""
    done = {
        "generation": applied.generation,
        "committed": applied.committed,
        "seconds": round(applied.seconds, 3),
    }
    return {**plan_json(applied.plan, bodies), "applied": done}


def field_json(path: str, old: Any, new: Any) -> dict[str, Any]:
    """One field that differs."""
    return {"path": path, **pair_json(old, new)}


def pair_json(old: Any, new: Any) -> dict[str, Any]:
    """``old`` and ``new``, without what is absent and without passwords."""
    return {key: plain(value) for key, value in (("old", old), ("new", new)) if value is not ABSENT}


def plain(value: Any) -> Any:
    """A value without passwords."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


def _resource(story: ResourceStory) -> dict[str, Any]:
    change = story.change
    return {
        "action": change.action.value,
        "cause": change.cause.value,
        "kind": change.key.kind,
        "name": change.key.name,
        "reason": change.reason,
        "place": _place(change),
        "was": _was(change),
        "fields": [field_json(*f) for f in story.fields],
    }


def _place(change: ResourceChange) -> dict[str, Any] | None:
    return None if change.new is None else {"path": change.new.path, "line": change.new.line}


def _was(change: ResourceChange) -> dict[str, Any] | None:
    if change.old is None:
        return None
    old = change.old.resource
    return {
        "kind": old.key.kind,
        "name": old.key.name,
        "source": old.source,
        "path": old.path,
        "line": old.line,
        "status": change.old.status,
        "since": change.old.since or None,
    }


def _slice(story: SliceStory) -> dict[str, Any]:
    fields = [
        {
            "path": f.path,
            "values": [{"environment": "*" if f.common else e, **pair_json(old, new)} for e, old, new in f.values],
        }
        for f in story.fields
    ]
    return {
        "action": story.action.value,
        "cause": story.cause.value,
        "system": story.system,
        "check": story.check,
        "environments": list(story.environments),
        "fields": fields,
    }
