"""The block ``repeat``: so many times, for each item, while or until a condition holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.automate import rendering
from reconciler.automate.conditions import judge
from reconciler.automate.rendering import Broken
from reconciler.automate.steps import ENDED, Came, Here

if TYPE_CHECKING:
    from reconciler.automate.walker import Walker

MAX_ITEMS = 10_000
"""Items of a list that is gone through."""


async def repeat(walker: Walker, here: Here) -> Came:
    """Round after round, as far as ``maxIterations`` for a condition; the items of a list are those of its beginning.

    A condition that can't be evaluated doesn't hold: ``while`` ends, and ``until`` goes on to the last round.
    """
    known, loop = here.known, here.value
    if "forEach" in loop and "items" not in known:
        walker.memory.keep(known, {"items": _items(walker, here)}, "the items of the loop")
        walker.decided()
    while "over" not in known:
        if "round" not in known and not _begins(walker, here):
            break
        index = known["round"]
        inner = here.inside(f".repeat[{index}].sequence", round=_round(known, index))
        came = await walker.sequence(loop["sequence"], inner)
        if came.how != "on":
            return Came(came.how, came.reason)
        if walker.memory.end is not None:
            return ENDED
        walker.memory.forget(f"{here.path}.repeat[{index}]")
        _finished(walker, here, index)
        await walker.breathe()
    return Came("on", result={"rounds": known.get("rounds", 0), "ended": known["over"]}, error=known.get("why"))


def _begins(walker: Walker, here: Here) -> bool:
    """Whether there is one more round."""
    known, loop = here.known, here.value
    index = known.get("rounds", 0)
    if "count" in loop and index >= loop["count"]:
        known["over"] = "count"
    elif "forEach" in loop and index >= len(known["items"]):
        known["over"] = "forEach"
    elif ("while" in loop or "until" in loop) and index >= loop["maxIterations"]:
        known["over"] = "maxIterations"
    elif "while" in loop:
        _judge(walker, here, "while", index, ends=False)
    if "over" not in known:
        known["round"] = index
    return "over" not in known


def _finished(walker: Walker, here: Here, index: int) -> None:
    known = here.known
    del known["round"]
    known["rounds"] = index + 1
    if "items" in known:
        known["items"][index] = None  # it isn't needed any more, and is written with each snapshot
    if "until" in here.value:
        _judge(walker, here, "until", index, ends=True)


def _judge(walker: Walker, here: Here, key: str, index: int, *, ends: bool) -> None:
    known = here.known
    scope = walker.scope(here.inside("", round=_round(known, index)))
    judged = judge(here.value[key], scope, f"repeat.{key}")
    if judged.holds is ends:
        known["over"] = key
    walker.decided()
    if judged.why is not None:
        known["why"] = judged.why
    else:
        known.pop("why", None)


def _round(known: dict[str, Any], index: int) -> dict[str, Any]:
    items = known.get("items")
    return {"index": index, "item": items[index] if items is not None and index < len(items) else None}


def _items(walker: Walker, here: Here) -> list[Any]:
    """The list to go through; null, as a key that the event lacks, has no items."""
    what = "repeat.forEach"
    value = rendering.evaluate(here.value["forEach"], walker.scope(here), what)
    if value is None:
        return []
    if not isinstance(value, list):
        from reconciler.render.bounds import kind

        raise Broken(f"{what} is {kind(value)}, not a list")
    if len(value) > MAX_ITEMS:
        raise Broken(f"{what} has {len(value)} items, more than the {MAX_ITEMS} that a loop goes through")
    return list(value)  # of its own: it may be a part of the payload
