"""Dead letters, sent again by hand: under their old key, and as the account that their automation has by now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from reconciler.automate.port import Doing
from reconciler.base.errors import GitopsError, StoreError
from reconciler.flows.acting import delivering, table
from reconciler.flows.acting.identity import identify
from reconciler.flows.acting.perform import asked_of, sentence
from reconciler.flows.acting.port import Delivered, Undone
from reconciler.flows.acting.stores import Stores
from reconciler.store import sql_deliveries as rows
from reconciler.store.sql_deliveries import Delivery

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands
    from reconciler.store.sql_writer import SqlStore

T = TypeVar("T")


class Replayed(NamedTuple):
    """One delivery after another attempt at it. ``error``: why it is a dead letter still."""

    delivery: Delivery
    error: str | None


def replay_by_hand(store: SqlStore, environ: Mapping[str, str], ids: Sequence[int]) -> list[Replayed]:
    """Send these again, one after the other, with the guard and the secrets that ``environ`` configures.

    Raises ``GitopsError`` before anything is sent where one isn't a dead letter.
    """
    from reconciler.flows.acting.hands import Hands
    from reconciler.flows.executor import make_executor

    async def ask(question: Callable[[Stores], T]) -> T:
        return question(Stores(store.db))

    async def whole() -> list[Replayed]:
        executor = make_executor(store, environ)
        hands = Hands(ask, guard=executor.guard, resolver=executor.resolver, sandboxes=executor.sandboxes)
        try:
            return await replay(ids, hands)
        finally:
            await hands.aclose()
            await executor.aclose()

    return asyncio.run(whole())


async def replay(ids: Sequence[int], hands: Hands) -> list[Replayed]:
    """See :func:`replay_by_hand`."""
    found = {row.id: row for row in await hands.ask(lambda stores: rows.get(stores.db, ids))}
    for each in ids:
        _need_dead(each, found.get(each))
    return [await _again(found[each], hands) for each in dict.fromkeys(ids)]


def _need_dead(id: int, row: Delivery | None) -> None:
    if row is None:
        raise GitopsError(f"there is no delivery {id}", hint="gitops delivery list shows them")
    if row.status == "delivered":
        raise GitopsError(f"delivery {id} was delivered, and isn't sent again")
    if row.status == "pending":
        raise GitopsError(f"delivery {id} is still being tried by run {row.run}", hint="wait for it, or cancel the run")


async def _again(row: Delivery, hands: Hands) -> Replayed:
    if not await hands.ask(lambda stores: rows.retake(stores.db, row)):
        return Replayed(row, "somebody else is sending it at this moment")
    try:
        identity = await hands.ask(lambda stores: identify(stores.reader, row.automation, run=row.run))
        doing = Doing(row.path, (), row.action, None, row.request, {}, row.key, row.attempts + 1)
        at = await hands.ask(lambda stores: stores.db.clock())
        asked = replace(await asked_of(doing, identity, hands), before=row.response, at=at)
        action = table.action(asked.name)
        if not isinstance(action, Delivered):
            raise GitopsError(f"{asked.name} isn't sent anywhere by this release")
        done = await delivering.attempt(action, asked, hands)
    except StoreError:
        raise
    except (GitopsError, Undone) as error:
        said = sentence(error)
        response = error.response if isinstance(error, Undone) else row.response
        await hands.ask(lambda stores: rows.end(stores.db, row.key, "dead", response=response, error=said))
        return Replayed(await _now(row, hands), said)
    await delivering.record(row, done, hands)
    return Replayed(await _now(row, hands), None)


async def _now(row: Delivery, hands: Hands) -> Delivery:
    return (await hands.ask(lambda stores: rows.get(stores.db, (row.id,))))[0]
