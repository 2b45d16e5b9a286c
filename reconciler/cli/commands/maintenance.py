"""``gitops maintenance add|list|show|cancel|end``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli.lazy import Command, LazyGroup
from reconciler.cli.names import maintenance_names, place_names
from reconciler.cli.options import Duration, Where, prints, reads_store
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.store.incidents import Maintenance

_ID = click.argument("id_", metavar="MAINTENANCE", shell_complete=maintenance_names)
_TOLD = 5


@click.group(cls=LazyGroup)
def command() -> None:
    """Planned work on systems, once or again and again. Meanwhile their health starts no automations."""


@command.command("list", cls=Command)
@click.option("--system", metavar="NAME", help="Those of this system only.", shell_complete=place_names)
@click.option("--all", "everything", is_flag=True, help="Those that are over too.")
@reads_store()
@prints()
def list_maintenances(where: Where, output: Output, *, system: str | None, everything: bool) -> None:
    """List what goes on and what is planned, by its start."""
    from reconciler.cli.stores import store_to_read
    from reconciler.flows.health import system_uid
    from reconciler.store.sql_maintenances import SqlMaintenances

    store = store_to_read(where.settled().store)
    uid = None if system is None else system_uid(store, system)
    found = SqlMaintenances(store.db).maintenances(ended=everything, system=uid, limit=10_000)
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT
        from reconciler.report.incidents_json import maintenance_json

        output.data({"format": FORMAT, "maintenances": [maintenance_json(m) for m in found]})
    elif found:
        from reconciler.report.incidents_text import maintenances_table

        output.lines(maintenances_table(found, store.clock(), output.style))
    else:
        output.lines(["There are no maintenances." if everything else "No maintenance goes on, and none is planned."])


@command.command(cls=Command)
@_ID
@reads_store()
@prints()
def show(where: Where, output: Output, *, id_: str) -> None:
    """Show one maintenance, what it held back, and when it comes again."""
    from reconciler.cli.stores import store_to_read
    from reconciler.flows.maintenances import ahead
    from reconciler.store.sql_maintenances import SqlMaintenances

    store = store_to_read(where.settled().store)
    maintenances = SqlMaintenances(store.db)
    found = maintenances.maintenance(id_)
    held = maintenances.held_back(found)
    following = ahead(found, store.clock(), _TOLD)
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT
        from reconciler.report.incidents_json import maintenance_json
        from reconciler.report.moments import iso

        times = [{"from": iso(starts), "to": iso(ends)} for starts, ends in following]
        kept = [{"at": iso(h.at), "system": h.name, "was": h.was, "now": h.now} for h in held]
        output.data({"format": FORMAT, **maintenance_json(found), "next": times, "heldBack": kept})
        return
    from reconciler.report.incidents_text import maintenance_text

    output.lines(maintenance_text(found, store.clock(), output.style, following=following, held=held))


@command.command(cls=Command)
@click.option("--title", required=True, metavar="TEXT", help="What is done, in a few words.")
@click.option(
    "--system",
    "systems",
    multiple=True,
    required=True,
    metavar="NAME",
    help="On what: system or system::environment. May be repeated.",
    shell_complete=place_names,
)
@click.option("--from", "starts", metavar="MOMENT", help="When it begins, as 2026-11-22 02:00; now by default.")
@click.option("--to", "ends", metavar="MOMENT", help="When it ends by itself.")
@click.option(
    "--for", "seconds", type=Duration(), metavar="DURATION", help="How long it takes, such as 2h, instead of --to."
)
@click.option("--cron", metavar="PATTERN", help="It comes again and again, as '0 2 * * sun'. Needs --for.")
@click.option("--timezone", default="UTC", show_default=True, metavar="ZONE", help="Of --from, --to and --cron.")
@click.option("--no-suppress", "loud", is_flag=True, help="Health starts automations as always meanwhile.")
@click.option("--description", default="", metavar="TEXT", help="More about it.")
@reads_store()
@prints(quiet=True)
def add(
    where: Where,
    output: Output,
    *,
    title: str,
    systems: tuple[str, ...],
    starts: str | None,
    ends: str | None,
    seconds: float | None,
    cron: str | None,
    timezone: str,
    loud: bool,
    description: str,
) -> None:
    """Plan a maintenance; without --from it begins now, without --to or --for it goes on until it is ended."""
    from reconciler.cli.stores import author, store_to_change
    from reconciler.flows.incidents import known_places, need_title
    from reconciler.flows.maintenances import Wanted, plan

    ctx = click.get_current_context()
    if ends is not None and seconds is not None:
        raise click.UsageError("--to and --for exclude each other", ctx)
    if cron is not None and (starts is not None or ends is not None):
        raise click.UsageError("--cron says when it begins: --from and --to make no sense beside it", ctx)
    if cron is not None and seconds is None:
        raise click.UsageError("--cron needs --for, such as --for 2h", ctx)
    wanted = Wanted(need_title(title), starts, ends, seconds, cron, timezone, not loud, description)
    store = store_to_change(where.settled().store)
    made = plan(store.db, wanted, author=author(), systems=known_places(store, systems))
    _tell(made, "Began" if made.status == "active" else "Planned", output)


@command.command(cls=Command)
@_ID
@click.argument("message", default="")
@reads_store()
@prints(quiet=True)
def end(where: Where, output: Output, *, id_: str, message: str) -> None:
    """End what goes on; what recurs comes again at its next time."""
    from reconciler.cli.stores import author, store_to_change
    from reconciler.flows.maintenances import tick
    from reconciler.store.sql_maintenances import SqlMaintenances

    db = store_to_change(where.settled().store).db
    SqlMaintenances(db).end(id_, message, author=author())
    tick(db)
    _tell(SqlMaintenances(db).maintenance(id_), "Ended", output)


@command.command(cls=Command)
@_ID
@click.argument("message", default="")
@reads_store()
@prints(quiet=True)
def cancel(where: Where, output: Output, *, id_: str, message: str) -> None:
    """Take a maintenance off: it won't begin, or come again. One that goes on ends."""
    from reconciler.cli.stores import author, store_to_change
    from reconciler.store.sql_maintenances import SqlMaintenances

    db = store_to_change(where.settled().store).db
    _tell(SqlMaintenances(db).cancel(id_, message, author=author()), "Cancelled", output)


def _tell(found: Maintenance, verb: str, output: Output) -> None:
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT
        from reconciler.report.incidents_json import maintenance_json

        output.data({"format": FORMAT, **maintenance_json(found)})
        return
    from reconciler.report.incidents_text import maintenance_line

    output.lines([maintenance_line(found, verb)])
