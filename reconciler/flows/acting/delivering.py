"""What leaves this host: written down before it is sent, tried again while that may help, and kept when it didn't."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.automate.port import Again, Done, NotDone, Performed
from reconciler.base.errors import GitopsError, StoreError
from reconciler.flows.acting import backoff
from reconciler.flows.acting.port import Asked, Delivered, Undone
from reconciler.store import sql_deliveries as rows
from reconciler.store.sql_deliveries import Delivery, Outgoing

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands

_ARTIFACTS = "artifacts"


async def deliver(action: Delivered, asked: Asked, hands: Hands) -> Performed:
    """Send it, unless it was sent. What fails for a while comes back as ``Again``, until the attempts are used up."""
    outgoing = _outgoing(action, asked)
    row = await hands.ask(lambda stores: rows.begin(stores.db, outgoing))
    if row.status == "delivered":
        return _known(row)
    if row.status == "dead":
        return NotDone(row.error or "it was given up", row.response)
    try:
        done = await attempt(action, replace(asked, before=row.response, at=row.updated), hands)
    except Undone as failed:
        return await _failed(failed, row, asked, hands)
    response = _response(done)
    await hands.ask(lambda stores: rows.end(stores.db, row.key, "delivered", response=response))
    return done


async def attempt(action: Delivered, asked: Asked, hands: Hands) -> Done:
    """Send it once. Raises :class:`Undone` for whatever went wrong, masked; ``StoreError`` as it is."""
    mask = asked.masker
    try:
        done = await action.act(asked, hands)
    except StoreError:
        raise
    except Undone as failed:
        response = mask.deep(dict(failed.response))
        said = mask.text(failed.sentence)
        raise Undone(said, passing=failed.passing, after=failed.after, response=response) from None
    except GitopsError as error:
        raise Undone(mask.text(error.message)) from None
    return Done(mask.deep(dict(done.result)), mask.deep({key: dict(value) for key, value in done.artifacts.items()}))


async def record(row: Delivery, done: Done, hands: Hands) -> None:
    """A dead row that was sent after all."""
    response = _response(done)
    await hands.ask(lambda stores: rows.end(stores.db, row.key, "delivered", response=response))


async def _failed(failed: Undone, row: Delivery, asked: Asked, hands: Hands) -> Performed:
    again = failed.passing and row.attempts < backoff.attempts(asked.config)
    after = backoff.wait(asked.config, row.key, row.attempts, asked=failed.after) if again else None
    status: rows.Status = "pending" if again else "dead"
    said, response = failed.sentence, failed.response
    if failed.passing and not again and row.attempts > 1:
        said = f"{said} (after {row.attempts} attempts)"
    await hands.ask(lambda stores: rows.end(stores.db, row.key, status, response=response, error=said, after=after))
    if after is not None:
        return Again(said, after, response)
    return NotDone(said, {**response, "delivery": row.id})


def _outgoing(action: Delivered, asked: Asked) -> Outgoing:
    doing, identity, mask = asked.doing, asked.identity, asked.masker
    request = mask.deep(action.lasting(doing.config, doing.context))
    target = mask.text(action.target(doing.config))
    return Outgoing(asked.key, identity.run, doing.path, identity.automation, doing.action, target, request)


def _response(done: Done) -> dict[str, Any]:
    made = {key: dict(value) for key, value in done.artifacts.items()}
    return {**done.result, _ARTIFACTS: made} if made else dict(done.result)


def _known(row: Delivery) -> Done:
    """What was said when it was delivered."""
    result: dict[str, Any] = dict(row.response)
    artifacts: Mapping[str, Mapping[str, Any]] = result.pop(_ARTIFACTS, {})
    return Done(result, artifacts)
