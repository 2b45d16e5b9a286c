"""``gitops automation list|runs|show|run|cancel``: what the store knows of automations, and starting one by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.lazy import Command
from reconciler.cli.names import automation_names
from reconciler.cli.options import FULL, Duration, Where, newest, prints, reads_store
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.flows.automations import Shown
    from reconciler.store.automating import StepRow
    from reconciler.store.sql_automating import SqlAutomating

_STATUSES = ("pending", "running", "waiting", "success", "failed", "cancelled", "skipped")
_NAME = click.argument("name", shell_complete=automation_names)
_RUN = click.argument("number", metavar="RUN", type=click.IntRange(1))


@click.command("list", cls=Command)
@reads_store()
@prints()
def list_automations(where: Where, output: Output) -> None:
    """List automations with their triggers, their last runs, and when their clocks fire next."""
    from reconciler.flows.automations import overview

    automating = _to_read(where)
    found = overview(automating)
    if output.json:
        from reconciler.report.automations_json import automation_json
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, "automations": [automation_json(each) for each in found]})
    elif found:
        from reconciler.report.automations_text import automations_table

        output.lines(automations_table(found, automating.now(), output.style))
    else:
        output.lines(["No automation was applied."])


@click.command(cls=Command)
@click.argument("name", required=False, shell_complete=automation_names)
@click.option("--status", multiple=True, type=click.Choice(_STATUSES), help="Those alone. May be repeated.")
@click.option("--context", metavar="KEY", help="Those about this alone, mostly a system.")
@newest(20)
@reads_store()
@prints()
def runs(
    where: Where, output: Output, *, name: str | None, status: tuple[str, ...], context: str | None, limit: int
) -> None:
    """List runs of all automations or of one, newest first."""
    from reconciler.flows.automations import runs as found_runs

    found = found_runs(_to_read(where), name, status=status, context=context, limit=limit)
    if output.json:
        from reconciler.report.automations_json import run_json
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, "runs": [run_json(told) for told in found]})
    elif found:
        from reconciler.report.automations_text import runs_table

        output.lines(runs_table(found, output.style))
    else:
        output.lines(["There are no such runs." if name or status or context else "No automation has run yet."])


@click.command(cls=Command)
@_RUN
@FULL
@reads_store()
@prints()
def show(where: Where, output: Output, *, number: int, full: bool) -> None:
    """Show one run: each step with its time and what came of it, what it waits for, what it left."""
    from reconciler.flows.automations import shown

    _tell(shown(_to_read(where), number), output, full=full)


@click.command(cls=Command)
@_NAME
@click.option(
    "--payload",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="What its templates see as trigger.payload: a JSON object; - reads standard input.",
)
@click.option("--context", metavar="KEY", help="What it is about, mostly a system.")
@click.option("--wait", is_flag=True, help="Follow it to its end; exits with 1 when it doesn't succeed.")
@click.option("--timeout", type=Duration(), metavar="DURATION", help="With --wait: give up after so long, such as 5m.")
@FULL
@reads_store()
@prints(quiet=True)
def run(
    where: Where,
    output: Output,
    *,
    name: str,
    payload: Path | None,
    context: str | None,
    wait: bool,
    timeout: float | None,
    full: bool,
) -> int:
    """Start an automation by hand. Triggers, filters and conditions aren't asked; its mode and its account hold."""
    from reconciler.cli.stores import author, store_to_change
    from reconciler.flows.automations import by_hand, follow
    from reconciler.flows.health import SILENT_AFTER
    from reconciler.store.sql_automating import SqlAutomating

    if timeout is not None and not wait:
        raise click.UsageError("--timeout needs --wait", click.get_current_context())
    told = _payload(payload)
    store = store_to_change(where.settled().store)
    automating = SqlAutomating(store.db)
    asked = by_hand(automating, name, told, context=context, actor=author().actor)
    now = store.clock()
    if not any(now - worker.seen <= SILENT_AFTER for worker in store.workers()):
        output.note("No worker is alive; it begins once one is: gitops worker")
    if not wait:
        _asked(name, asked.event, output)
        return 0
    try:
        found = follow(automating, asked, _teller(output), patience=timeout)
    except KeyboardInterrupt:
        output.note(f"The run goes on. gitops automation runs {name} shows it, gitops automation cancel ends it")
        raise
    if output.json or full:
        _tell(found, output, full=full)
    else:
        from reconciler.report.automations_text import run_line

        output.lines([run_line(found, output.style)])
    return 0 if found.run.status == "success" else 1


@click.command(cls=Command)
@_RUN
@reads_store()
@prints(quiet=True)
def cancel(where: Where, output: Output, *, number: int) -> None:
    """End a run. What it has done stays done; what it is at is its last step."""
    from reconciler.cli.stores import author, store_to_change
    from reconciler.flows.automations import cancel as cancelled
    from reconciler.store.sql_automating import SqlAutomating

    automating = SqlAutomating(store_to_change(where.settled().store).db)
    found = cancelled(automating, number, actor=author().actor)
    if output.json:
        _tell(found, output, full=False)
        return
    from reconciler.report.automations_text import run_line

    output.lines([run_line(found, output.style)])


COMMANDS = (list_automations, runs, show, run, cancel)


def _to_read(where: Where) -> SqlAutomating:
    from reconciler.cli.stores import store_to_read
    from reconciler.store.sql_automating import SqlAutomating

    return SqlAutomating(store_to_read(where.settled().store).db)


def _tell(found: Shown, output: Output, *, full: bool) -> None:
    if output.json:
        from reconciler.report.automations_json import shown_json
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, **shown_json(found)})
        return
    from reconciler.report.automations_text import run_text

    output.lines(run_text(found, output.style, full=full))


def _asked(name: str, event: int, output: Output) -> None:
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, "automation": name, "event": event})
        return
    output.lines([f"Asked for a run of {name}, as event {event}. gitops automation runs {name} shows it."])


def _teller(output: Output) -> Any:
    from reconciler.report.automations_text import step_line

    def tell(step: StepRow) -> None:
        if not output.json:
            output.lines([step_line(step, output.style)])

    return tell


def _payload(file: Path | None) -> dict[str, Any]:
    """A JSON object. Raises ``GitopsError``; nothing of it is said again, as it may hold what is nobody's business."""
    from reconciler.automate.received import MOST_BYTES, Unreadable, read
    from reconciler.base.errors import GitopsError

    if file is None:
        return {}
    try:
        with click.open_file(str(file), "rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise GitopsError(f"the payload {file} can't be read: {error.strerror or error}") from error
    if len(data) > MOST_BYTES:
        raise GitopsError(f"the payload {file} has more than {MOST_BYTES} bytes")
    try:
        return read("application/json", data)
    except Unreadable as error:
        raise GitopsError(f"the payload {file} can't be used: {error}", hint='write {"key": "value"}') from error
