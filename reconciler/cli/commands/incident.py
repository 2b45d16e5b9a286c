"""``gitops incident list|show|open|update|resolve``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli.lazy import Command, LazyGroup
from reconciler.cli.names import incident_names, place_names
from reconciler.cli.options import Where, newest, prints, reads_store
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.store.incidents import Incident, Severity, Stage

_ID = click.argument("id_", metavar="INCIDENT", shell_complete=incident_names)
_SEVERITY = click.Choice(["minor", "major", "critical"])


@click.group(cls=LazyGroup)
def command() -> None:
    """Outages that people and automations deal with: what is known of each, and where it stands."""


@command.command("list", cls=Command)
@click.option("--system", metavar="NAME", help="Those about this system only.", shell_complete=place_names)
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@newest(100)
@reads_store()
@prints()
def list_incidents(where: Where, output: Output, *, system: str | None, everything: bool, limit: int) -> None:
    """List open incidents, newest first."""
    from reconciler.cli.stores import store_to_read
    from reconciler.flows.health import system_uid
    from reconciler.store.sql_incidents import SqlIncidents

    store = store_to_read(where.settled().store)
    uid = None if system is None else system_uid(store, system)
    found = SqlIncidents(store.db).incidents(resolved=everything, system=uid, limit=limit)
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT
        from reconciler.report.incidents_json import incident_json

        output.data({"format": FORMAT, "incidents": [incident_json(i) for i in found]})
    elif found:
        from reconciler.report.incidents_text import incidents_table

        output.lines(incidents_table(found, store.clock(), output.style))
        if len(found) == limit:
            output.note(f"These are the newest {limit}; --limit shows more")
    else:
        output.lines(["There are no incidents." if everything else "No incident is open."])


@command.command(cls=Command)
@_ID
@reads_store()
@prints()
def show(where: Where, output: Output, *, id_: str) -> None:
    """Show one incident with all that was said of it."""
    from reconciler.cli.stores import store_to_read
    from reconciler.store.sql_incidents import SqlIncidents

    store = store_to_read(where.settled().store)
    found, timeline = SqlIncidents(store.db).incident(id_)
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT
        from reconciler.report.incidents_json import incident_json, timeline_json

        output.data({"format": FORMAT, **incident_json(found), "timeline": timeline_json(timeline)})
        return
    from reconciler.report.incidents_text import incident_text

    output.lines(incident_text(found, timeline, store.clock(), output.style))


@command.command("open", cls=Command)
@click.option("--title", required=True, metavar="TEXT", help="What is out, in a few words.")
@click.option(
    "--system",
    "systems",
    multiple=True,
    metavar="NAME",
    help="What it is about: system or system::environment. May be repeated.",
    shell_complete=place_names,
)
@click.option("--severity", type=_SEVERITY, default="major", show_default=True, help="How bad it is.")
@click.option("--description", default="", metavar="TEXT", help="What is known.")
@reads_store()
@prints(quiet=True)
def open_incident(
    where: Where, output: Output, *, title: str, systems: tuple[str, ...], severity: Severity, description: str
) -> None:
    """Open an incident; automations are told of it."""
    from reconciler.cli.stores import author, store_to_change
    from reconciler.flows.incidents import known_places, need_title
    from reconciler.store.sql_incidents import SqlIncidents

    named = need_title(title)
    store = store_to_change(where.settled().store)
    places = known_places(store, systems)
    made = SqlIncidents(store.db).open(
        named, author=author(), severity=severity, systems=places, description=description
    )
    _tell(made, "Opened", output)


@command.command(cls=Command)
@_ID
@click.argument("message")
@click.option(
    "--status", type=click.Choice(["investigating", "identified", "monitoring"]), help="Where it stands from now on."
)
@click.option("--severity", type=_SEVERITY, help="How bad it is from now on.")
@reads_store()
@prints(quiet=True)
def update(
    where: Where, output: Output, *, id_: str, message: str, status: Stage | None, severity: Severity | None
) -> None:
    """Say what is new of an open incident; automations are told of it."""
    from reconciler.cli.stores import author, store_to_change
    from reconciler.store.sql_incidents import SqlIncidents

    incidents = SqlIncidents(store_to_change(where.settled().store).db)
    _tell(incidents.update(id_, message, author=author(), status=status, severity=severity), "Updated", output)


@command.command(cls=Command)
@_ID
@click.argument("message", default="")
@reads_store()
@prints(quiet=True)
def resolve(where: Where, output: Output, *, id_: str, message: str) -> None:
    """Close an incident, and say how it ended; automations are told of it."""
    from reconciler.cli.stores import author, store_to_change
    from reconciler.store.sql_incidents import SqlIncidents

    incidents = SqlIncidents(store_to_change(where.settled().store).db)
    _tell(incidents.resolve(id_, message, author=author()), "Resolved", output)


def _tell(found: Incident, verb: str, output: Output) -> None:
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT
        from reconciler.report.incidents_json import incident_json

        output.data({"format": FORMAT, **incident_json(found)})
        return
    from reconciler.report.incidents_text import incident_line

    output.lines([incident_line(found, verb)])
