"""``gitops delivery list|show|replay``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.lazy import Command, LazyGroup
from reconciler.cli.options import Where, newest, prints, reads_store
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.store.sql_deliveries import Delivery


@click.group(cls=LazyGroup)
def command() -> None:
    """What actions of automations sent to others, each under a key of its own, and what nobody took."""


@command.command("list", cls=Command)
@click.option("--dead", is_flag=True, help="Dead letters only: those that were given up.")
@newest(50)
@reads_store()
@prints()
def list_deliveries(where: Where, output: Output, *, dead: bool, limit: int) -> None:
    """List deliveries, newest first."""
    from reconciler.cli.stores import store_to_read
    from reconciler.store.sql_deliveries import listed

    store = store_to_read(where.settled().store)
    found = listed(store.db, status="dead" if dead else None, limit=limit)
    names = _names(store, found)
    if output.json:
        from reconciler.report.deliveries import delivery_json
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, "deliveries": [delivery_json(d, names) for d in found]})
    elif found:
        from reconciler.report.deliveries import deliveries_table

        output.lines(deliveries_table(found, names, output.style))
        if len(found) == limit:
            output.note(f"These are the newest {limit}; --limit shows more")
    else:
        output.lines(["There are no dead letters." if dead else "Nothing was sent yet."])


@command.command(cls=Command)
@click.argument("id_", metavar="DELIVERY", type=int)
@reads_store()
@prints()
def show(where: Where, output: Output, *, id_: int) -> None:
    """Show one delivery: what is sent, and what was answered. Secrets are references."""
    from reconciler.base.errors import GitopsError
    from reconciler.cli.stores import store_to_read
    from reconciler.store.sql_deliveries import get

    store = store_to_read(where.settled().store)
    found = get(store.db, (id_,))
    if not found:
        raise GitopsError(f"there is no delivery {id_}", hint="gitops delivery list shows them")
    names = _names(store, found)
    if output.json:
        from reconciler.report.deliveries import delivery_json
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, **delivery_json(found[0], names, whole=True)})
        return
    from reconciler.report.deliveries import delivery_text

    output.lines(delivery_text(found[0], names, output.style))


@command.command(cls=Command)
@click.argument("ids", metavar="[DELIVERY]...", nargs=-1, type=int)
@click.option("--dead", is_flag=True, help="All dead letters, oldest first.")
@reads_store()
@prints(quiet=True)
def replay(where: Where, output: Output, *, ids: tuple[int, ...], dead: bool) -> int:
    """Send dead letters again, under the keys they had, as the accounts their automations have by now.

    Secrets are looked for where GITOPS_SECRETS says, as a worker does. Exits with 1 when one isn't taken.
    """
    from reconciler.cli.stores import store_to_change
    from reconciler.flows.acting.replay import replay_by_hand
    from reconciler.store.sql_deliveries import listed

    if dead == bool(ids):
        raise click.UsageError("say which: their numbers, or --dead", click.get_current_context())
    store = store_to_change(where.settled().store)
    wanted = [d.id for d in reversed(listed(store.db, status="dead", limit=10_000))] if dead else list(ids)
    done = replay_by_hand(store, os.environ, wanted)
    if output.json:
        from reconciler.report.deliveries import delivery_json
        from reconciler.report.diagnostics_json import FORMAT

        names = _names(store, [each.delivery for each in done])
        output.data({"format": FORMAT, "deliveries": [delivery_json(each.delivery, names) for each in done]})
    elif done:
        from reconciler.report.deliveries import replayed_lines

        output.lines(replayed_lines(done))
    else:
        output.lines(["There are no dead letters."])
    return 1 if any(each.error is not None for each in done) else 0


def _names(store: Any, found: list[Delivery]) -> dict[int, str]:
    """Of automations, by uid."""
    return {uid: key.name for uid, key in store.names({d.automation for d in found}).items()} if found else {}
