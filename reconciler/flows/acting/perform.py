"""The one way to have an action done: who asks, what it touches, which secrets it needs, and then whatever it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from reconciler.automate.port import Doing, Done, NotDone, Performed
from reconciler.base.errors import GitopsError, StoreError
from reconciler.flows.acting import table
from reconciler.flows.acting.delivering import deliver
from reconciler.flows.acting.identity import bounds_of
from reconciler.flows.acting.permissions import may_not, may_not_touch
from reconciler.flows.acting.port import Asked, Delivered, Identity, Needing, Undone
from reconciler.flows.acting.touching import systems_of
from reconciler.kinds.secretpaths import fill, holes, names
from reconciler.secrets.masking import Masker

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands

_TELLING = 8
"""Characters of a part of an address that may give it away."""
_SENDABLE = re.compile(r"[A-Za-z0-9._-]{8,128}")


async def perform(doing: Doing, identity: Identity, hands: Hands) -> Performed:
    """Do it as the account that the automation runs as, or say why not.

    Raises ``StoreError`` where the store is away, so that nobody takes that for the action's own failure; nothing else.
    What was reported as delivered under the same key isn't sent again.
    """
    try:
        asked = await asked_of(doing, identity, hands)
    except StoreError:
        raise
    except (GitopsError, Undone) as error:
        return NotDone(sentence(error))
    return await do(asked, hands)


async def asked_of(doing: Doing, identity: Identity, hands: Hands) -> Asked:
    """The action, permitted and with its secrets. Raises ``GitopsError`` or :class:`Undone`: why it isn't done."""
    name = _known(doing.action)
    action = table.action(name)
    bounds = await hands.ask(lambda stores: bounds_of(stores.reader, identity, name))
    if not bounds.permits(name):
        raise GitopsError(may_not(bounds, name), hint="give it the permission, or bind another account with runAs")
    systems = systems_of(name, doing.config, doing.context)
    if systems is not None and (not systems and bounds.systems):
        raise GitopsError(f"{name} names no system, and the account {bounds.account} is bound to some")
    if beyond := bounds.beyond(systems or ()):
        raise GitopsError(may_not_touch(bounds, beyond))
    places = holes(doing.config, f"actions/{name}")
    more = action.needs(doing.config) if isinstance(action, Needing) else ()
    secrets = await hands.secrets((*names(places), *more))
    config = fill(doing.config, places, secrets)
    masker = Masker((*secrets.values(), *(part for value in secrets.values() for part in _parts(value))))
    return Asked(doing, identity, name, config, bounds, masker, secrets, key_of(doing.key))


async def do(asked: Asked, hands: Hands) -> Performed:
    """What is permitted by now."""
    action = table.action(asked.name)
    if isinstance(action, Delivered):
        return await deliver(action, asked, hands)
    try:
        done = await action.act(asked, hands)
    except StoreError:
        raise
    except (Undone, GitopsError) as error:
        result = error.response if isinstance(error, Undone) else {}
        return NotDone(asked.masker.text(sentence(error)), asked.masker.deep(dict(result)))
    return masked(done, asked.masker)


def masked(done: Done, masker: Masker) -> Done:
    """The same without a secret's value."""
    return Done(masker.deep(dict(done.result)), masker.deep({key: dict(v) for key, v in done.artifacts.items()}))


def sentence(error: Undone | GitopsError) -> str:
    """What went wrong, and the way out where there is one."""
    if isinstance(error, Undone):
        return error.sentence
    return f"{error.message}; {error.hint}" if error.hint else error.message


def key_of(key: str) -> str:
    """A walk's key as it may stand in a header."""
    return key if _SENDABLE.fullmatch(key) else blake2b(key.encode(), digest_size=16).hexdigest()


def _known(pin: str) -> str:
    """The name of an action that this release does in that version."""
    from reconciler.kinds.table import ACTIONS, extend

    extend()
    name, _, version = pin.partition("@")
    entry = ACTIONS.get(name)
    if entry is None:
        raise GitopsError(f"nothing here does {name}", hint="install the plugin that brings it where the worker runs")
    if version != str(entry.head):
        raise GitopsError(
            f"this worker does {name}@{entry.head}, not {pin}", hint="apply again with this release, or update it"
        )
    return name


def _parts(value: str) -> Iterator[str]:
    """What of a secret that is an address gives it away by itself: servers like to repeat the path they were asked."""
    for address in value.split():
        if "://" not in address:
            continue
        try:
            parts = urlsplit(address)
            words = (parts.path.strip("/"), parts.query, parts.username or "", parts.password or "")
        except ValueError:
            continue
        inner = (each for _, each in parse_qsl(parts.query))
        yield from (word for word in (*words, *inner) if len(word) >= _TELLING)
        # A step of a path may be a plain word, which isn't to vanish from everything that is said.
        yield from (word for word in parts.path.split("/") if len(word) >= 2 * _TELLING)
