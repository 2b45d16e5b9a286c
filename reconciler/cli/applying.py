"""What every command that writes a generation has in common: plan under the lock, show, ask, commit, tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reconciler.cli.frame import without_gc
from reconciler.cli.planning import asks, confirmed, old_bodies, show_plan
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.flows.apply import Applied
    from reconciler.model.plan import Plan
    from reconciler.store.port import Reader, Writer

DECLINED = 1


class Consent:
    """Shows a plan that is about to be committed, and asks where a person is there to answer."""

    def __init__(self, reader: Reader, output: Output, *, yes: bool, full: bool) -> None:
        self._reader, self._output, self._yes, self._full = reader, output, yes, full

    def __call__(self, plan: Plan) -> bool:
        """Whether to go on."""
        asking = asks(yes=self._yes)
        if not self._output.json:
            show_plan(plan, self._reader, self._output, full=self._full)
        if not asking:
            return True
        if self._output.json or self._output.quiet:
            from reconciler.report.plan_text import totals_lines

            self._output.errors(totals_lines(plan))
        return confirmed("Apply this?")


def carry_out(
    store: Writer,
    plan: Callable[[], Plan],
    output: Output,
    *,
    yes: bool,
    timeout: float,
    full: bool = False,
    old_workers: bool = False,
    last_word: bool = True,
) -> Applied:
    """Plan and commit under the lock; tell what came of it. As data it is told once: by whoever has the last word."""
    from reconciler.flows.apply import Actor, apply_planned

    consent = Consent(store, output, yes=yes, full=full)
    with without_gc():
        applied = apply_planned(
            store,
            plan,
            actor=Actor.here(),
            lock_timeout=timeout,
            confirm=consent,
            waiting=waiting_on(output),
            old_workers=old_workers,
        )
        if last_word or not output.json:
            tell(applied, store, output, full=full)
    return applied


def waiting_on(output: Output) -> Callable[[str], None]:
    """Tells who is waited for, so that a job that stands still says why."""
    return lambda holder: output.note(f"Waiting for another apply: {holder}")


def tell(
    applied: Applied, reader: Reader, output: Output, *, full: bool, settled: dict[str, Any] | None = None
) -> None:
    """The outcome; as JSON the whole plan stands beside it, and what became of it where that was waited for."""
    plan = applied.plan
    held = plan.kind == "rollback" and plan.hold and (applied.committed or not plan.pending)
    if output.json:
        from reconciler.report.plan_json import applied_json

        made = applied_json(applied, lambda part: old_bodies(part, reader))
        output.data(made if settled is None else {**made, "settled": settled})
    elif applied.committed:
        done = f"Applied as generation {applied.generation} in {applied.seconds:.1f} s."
        output.lines(["", output.style(done, "bold")])
    elif plan.pending:
        output.errors(["Nothing was applied."])
    else:
        show_plan(plan, reader, output, full=full)
    if held and not output.json:
        output.lines([f"Commit {plan.hold[:7]} and older ones are refused until git moves past it."])


def code_of(applied: Applied, *, wanted: bool) -> int:
    """1 when a person said no; with ``--exit-code`` what was changed."""
    from reconciler.cli.planning import exit_code

    if applied.plan.pending and not applied.committed:
        return DECLINED
    return exit_code(applied.plan, wanted=wanted)
