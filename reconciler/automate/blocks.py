"""The blocks without a memory of their own: action, sequence, choose, parallel, variables, condition, stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from reconciler.automate import rendering
from reconciler.automate.conditions import judge
from reconciler.automate.looping import repeat
from reconciler.automate.paths import document_path
from reconciler.automate.port import Doing, Done, NotDone
from reconciler.automate.steps import ARMED, ENDED, ON, WAITING, Came, Here, shortened
from reconciler.automate.waiting import delay, wait_for_trigger, wait_until
from reconciler.base.canonical import digest, dumps

if TYPE_CHECKING:
    from reconciler.automate.walker import Walker

MAX_RESULT = 256 * 1024
"""Bytes of a result."""


async def action(walker: Walker, here: Here) -> Came:
    """Something done by name. It is tried again when it asks for that, as a wait like any other."""
    known = here.known
    if "wait" in known:
        if walker.over(here) is None:
            return WAITING
        walker.running(here)
    scope = walker.scope(here)
    doing = Doing(
        here.path,
        document_path(here.path),
        here.value,
        here.id,
        rendering.config(here.value, here.block.get("config") or {}, scope),
        scope,
        digest(walker.run.encode(), here.path.encode()),
        known.get("attempt", 0) + 1,
    )
    await walker.settle(performing=True)
    if walker.memory.end is not None:
        return ENDED
    performed = await walker.perform(doing)
    known["attempt"] = doing.attempt
    walker.done()
    if isinstance(performed, Done):
        walker.produced(here, performed.artifacts)
        return Came("on", result=_bounded(performed.result))
    result, error = _bounded(performed.result), shortened(performed.error)
    if isinstance(performed, NotDone):
        return Came("failed", f"{here.path}: {error}", result, error)
    walker.arm(here, "retry", walker.world.now() + max(performed.after, 0.0))
    return ARMED._replace(result=result, error=error)


def _bounded(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of a result is kept with the step: all of it, or a word on why not. Later blocks read artifacts."""
    try:
        size = len(dumps(dict(result)))
    except (TypeError, ValueError):
        return {"omitted": "the result is no plain JSON"}
    if size <= MAX_RESULT:
        return result
    return {"omitted": f"the result has {size // 1024} KiB, more than the {MAX_RESULT // 1024} that are kept"}


async def sequence(walker: Walker, here: Here) -> Came:
    """Blocks in order, as one block."""
    return _outer(await walker.sequence(here.value, here.inside(".sequence")))


async def choose(walker: Walker, here: Here) -> Came:
    """The first branch whose condition holds. Which one it was stays so, whatever happens meanwhile."""
    branches, known = here.value, here.known
    if "taken" not in known:
        scope, why = walker.scope(here), []
        known["taken"] = "else" if here.block.get("else") is not None else None
        for index, branch in enumerate(branches):
            judged = judge(branch["when"], scope, f"choose[{index}].when")
            if judged.why is not None:
                why.append(judged.why)
            if judged.holds:
                known["taken"] = index
                break
        if why:
            known["why"] = "; ".join(why)
        walker.decided()
    taken = known["taken"]
    if taken is None:
        return Came("on", result={"taken": None}, error=known.get("why"))
    blocks = here.block["else"] if taken == "else" else branches[taken]["sequence"]
    where = "else" if taken == "else" else f"choose[{taken}]"
    came = await walker.sequence(blocks, here.inside(".else" if taken == "else" else f".{where}.sequence"))
    if came.how != "on":
        return _outer(came)
    return Came("on", result={"taken": where}, error=known.get("why"))


async def parallel(walker: Walker, here: Here) -> Came:
    """All branches at once. One that fails doesn't keep the others from their end; then the block fails.

    A ``stop``, or a ``condition`` that doesn't hold, ends the run at once: the others begin nothing more.
    """
    through: dict[str, str | None] = here.known.setdefault("out", {})

    async def branch(index: int) -> Came:
        block = here.value[index]
        inner = here.inside(f".parallel[{index}]", block if isinstance(block, dict) else None)
        came = await (walker.block(block, inner) if isinstance(block, dict) else walker.sequence(block, inner))
        if came.how in ("on", "failed"):
            through[str(index)] = came.reason
            walker.memory.forget(inner.path)
            walker.memory.join(inner.path, here.path)
            walker.done()
            await walker.settle()
        return came

    came = await _together(branch(index) for index in range(len(here.value)) if str(index) not in through)
    if walker.memory.end is not None:
        return ENDED
    if any(each.how == "waiting" for each in came):
        return WAITING
    failed = [through[key] for key in sorted(through, key=int) if through[key] is not None]
    if failed:
        more = f" (and {len(failed) - 1} more of its branches failed)" if len(failed) > 1 else ""
        return Came("failed", f"{failed[0]}{more}")
    return ON


async def variables(walker: Walker, here: Here) -> Came:
    """Values for later."""
    values = rendering.whole(here.value, walker.scope(here), "variables")
    walker.memory.keep(walker.memory.variables, values, "the variables")
    walker.decided()
    return ON


async def guard(walker: Walker, here: Here) -> Came:
    """Ends the run, successfully, unless the condition holds."""
    judged = judge(here.value, walker.scope(here))
    if judged.holds:
        return Came("on", result={"held": True})
    walker.end("success", f"{here.path}: the condition doesn't hold", here)
    return Came("ended", result={"held": False}, error=judged.why)


async def stop(walker: Walker, here: Here) -> Came:
    """Ends the run."""
    given = here.value.get("reason")
    reason = None if given is None else rendering.text(given, walker.scope(here), "stop.reason")
    failed = bool(here.value.get("error"))
    walker.end("failed" if failed else "success", reason or (f"{here.path}: stopped" if failed else None), here)
    return Came("ended", result={} if reason is None else {"reason": reason}, error=reason if failed else None)


async def _together(jobs: Iterable[Awaitable[Came]]) -> list[Came]:
    """All of them; one that raises takes the others along, and none is left behind."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _outer(came: Came) -> Came:
    """What a block makes of how its inner list came out."""
    return WAITING if came.how == "waiting" else Came(came.how, came.reason)


Handler = Callable[["Walker", Here], Awaitable[Came]]

HANDLERS: dict[str, Handler] = {
    "action": action,
    "choose": choose,
    "parallel": parallel,
    "delay": delay,
    "repeat": repeat,
    "variables": variables,
    "condition": guard,
    "stop": stop,
    "waitForTrigger": wait_for_trigger,
    "waitUntil": wait_until,
    "sequence": sequence,
}
