"""The blocks that put a run aside: delay, waitForTrigger, waitUntil."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reconciler.automate import rendering
from reconciler.automate.conditions import changes_at, judge
from reconciler.automate.paths import branch_of
from reconciler.automate.rendering import Broken
from reconciler.automate.steps import ARMED, ON, WAITING, Came, Here
from reconciler.base.durations import parse_duration

if TYPE_CHECKING:
    from reconciler.automate.walker import Walker

DAY = 86_400_000


async def delay(walker: Walker, here: Here) -> Came:
    """Goes on after a time."""
    if "wait" in here.known:
        return WAITING if walker.over(here) is None else ON
    ms = _milliseconds(here.value, walker, here)
    if not ms:
        return ON
    walker.arm(here, "delay", walker.world.now() + ms / 1000)
    return ARMED


async def wait_for_trigger(walker: Walker, here: Here) -> Came:
    """Goes on when the event comes, or when its time is over; ``resume.payload`` is null then."""
    wanted = here.value
    if "wait" in here.known:
        wait = walker.over(here)
        if wait is None:
            return WAITING
        payload = None if wait.payload is None else dict(wait.payload)
        resume, branch = walker.memory.resume, branch_of(here.path)
        resume.pop(branch, None)
        walker.memory.keep(resume, {branch: payload}, "the payload of the event")
        return Came("on", result={"resumed": "timeout" if payload is None else "event"})
    key = wanted.get("contextKey")
    rendered = None if key is None else rendering.text(key, walker.scope(here), "waitForTrigger.contextKey")
    walker.arm(here, "trigger", _end(walker, wanted), event=wanted["event"], context_key=rendered)
    return ARMED


async def wait_until(walker: Walker, here: Here) -> Came:
    """Goes on when the condition holds. It is looked at before the wait, right after it was noted, and in each walk.

    So no change is lost: one that came before it was noted is seen by the second look, and later ones wake the run.
    """
    condition, known = here.value["condition"], here.known
    judged = judge(condition, scope := walker.scope(here))
    if judged.holds:
        resumed = "wait" in known
        known.pop("wait", None)
        return Came("on", result={"resumed": "condition"} if resumed else {"held": True})
    if "wait" not in known:
        known["until"] = _end(walker, here.value)
        walker.arm(here, "until", _look(known, changes_at(condition, scope)))
        await walker.settle()
        judged = judge(condition, scope := walker.scope(here))
        if judged.holds:
            del known["wait"]
            return Came("on", result={"resumed": "condition"})
        return ARMED._replace(error=judged.why)
    if known["until"] is not None and walker.world.now() >= known["until"]:
        return _timed_out(here, judged.why)
    again = _look(known, changes_at(condition, scope))
    if again != known["wait"]["due_at"]:
        walker.arm(here, "until", again)
        return ARMED._replace(error=judged.why)
    return WAITING


def _timed_out(here: Here, why: str | None) -> Came:
    if here.value.get("continueOnTimeout", True):
        here.known.pop("wait")
        return Came("on", result={"resumed": "timeout"}, error=why)
    error = "the condition didn't come to hold in time" + (f": {why}" if why else "")
    return Came("failed", f"{here.path}: {error}", {"resumed": "timeout"}, error)


def _look(known: dict[str, Any], change: float | None) -> float | None:
    """When the condition has to be looked at again, at the latest."""
    return min((moment for moment in (known["until"], change) if moment is not None), default=None)


def _end(walker: Walker, wanted: Any) -> float | None:
    timeout = wanted.get("timeout")
    return None if timeout is None else float(walker.world.now() + timeout / 1000)


def _milliseconds(value: int | str, walker: Walker, here: Here) -> float:
    """How long to wait: milliseconds as the document was read, or a template, which gives seconds or a duration."""
    if isinstance(value, int):
        return value
    rendered = rendering.text(value, walker.scope(here), "delay").strip()
    if not rendered:
        return 0
    try:
        ms = float(rendered) * 1000
    except ValueError:
        try:
            ms = parse_duration(rendered)
        except ValueError as error:
            raise Broken(f"delay: {error}") from None
    if not math.isfinite(ms) or not 0 <= ms <= DAY:
        raise Broken(f"delay has to be from 0s to 1d, not {rendered[:40]}")
    return ms
