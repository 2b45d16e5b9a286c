"""What plan and apply have in common: one plan, shown once, and the exit code it means."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from reconciler.plan.focus import EVERYTHING, Focus
from reconciler.report.links import NO_LINKS, Links
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.model.plan import Plan
    from reconciler.model.slice import SliceKey
    from reconciler.store.port import Reader

CHANGES, DRIFT, BOTH = 3, 4, 5


class Shown(NamedTuple):
    """A plan as it is to be shown. ``bodies`` gives the stored bodies of the slices that a part of it updates.

    ``base``: the commit that is compared with, where no store is.
    """

    plan: Plan
    bodies: Callable[[Plan], Mapping[SliceKey, bytes]]
    focus: Focus = EVERYTHING
    base: str = ""
    links: Links = NO_LINKS


def show_plan(plan: Plan, reader: Reader, output: Output, *, full: bool = False) -> None:
    """Print it as asked for, with what the store holds beside it."""
    show(Shown(plan, lambda part: old_bodies(part, reader)), output, full=full)


def show(shown: Shown, output: Output, *, full: bool = False) -> None:
    """Print it as asked for; what is quiet isn't even put into words."""
    plan, bodies, focus, base, links = shown
    if output.json:
        from reconciler.report.plan_json import compared_json, plan_json

        made = compared_json(plan, bodies, base, focus) if base else plan_json(plan, bodies, focus)
        output.data(made)
    elif output.format == "markdown":
        from reconciler.report.plan_markdown import plan_markdown

        output.result(plan_markdown(plan, bodies, links=links, base=base, focus=focus))
    elif not output.quiet:
        from reconciler.report.plan_text import plan_text

        output.lines(plan_text(plan, bodies, output.style, legend=output.terminal, full=full, focus=focus))


def old_bodies(plan: Plan, reader: Reader) -> dict[SliceKey, bytes]:
    """Bodies of the slices that a plan updates, as they were in its base: the same before and after the apply."""
    from reconciler.model.plan import Action

    keys = [c.key for c in plan.slices if c.action is Action.UPDATE]
    return reader.slice_bodies(plan.base, keys=keys) if keys else {}


def exit_code(plan: Plan, *, wanted: bool) -> int:
    """0, or with ``--exit-code`` what is pending."""
    if not wanted:
        return 0
    if plan.drifted:
        return BOTH if plan.changed else DRIFT
    return CHANGES if plan.changed else 0


def asks(*, yes: bool) -> bool:
    """Whether a person is there to be asked. In CI nobody is, and a question would hang the job."""
    return not yes and sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(question: str) -> bool:
    """Ask on stderr, where a redirected result can't hide it; no answer is a no."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
