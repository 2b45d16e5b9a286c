"""Whose hook it is, whether it is signed, and into the inbox with it. Blocks; belongs to one thread."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.automate.received import Unreadable, payload
from reconciler.automate.signatures import MANNERS, REMEMBERED, Sent
from reconciler.base.errors import GitopsError, StoreError
from reconciler.flows.webhooks.hooks import Hook, hooks, key
from reconciler.secrets.resolver import Resolver
from reconciler.store.database import Database
from reconciler.store.open import open_database, store_path, there
from reconciler.store.sql_automating import SqlAutomating
from reconciler.store.sql_webhooks import Full, take

MOST_WAITING = 10_000
"""Events that nobody has handled, beyond which no more is taken."""


class Answer(NamedTuple):
    """What the sender is told."""

    status: int
    told: Mapping[str, Any]


REFUSED = Answer(401, {"error": "no such hook, or not signed as it has to be"})
AWAY = Answer(503, {"error": "not now; send it again"})


class Receiver:
    """Opens the store at the first need, and anew after each failure."""

    def __init__(self, address: str, resolver: Resolver, complain: Callable[[str], None]) -> None:
        """``complain`` is for whoever runs the server, never for senders."""
        self._address, self._resolver, self._complain = address, resolver, complain
        self._db: Database | None = None
        self._known: tuple[int, dict[str, list[Hook]]] = (-1, {})
        self._nobody = secrets.token_bytes(32)

    def receive(self, hook: str, headers: Mapping[str, str], body: bytes, *, remote: str) -> Answer:
        """Take it, or say why not. Header names are lower case."""
        try:
            return self._receive(self._opened(), hook, headers, body, remote)
        except Full as full:
            self._complain(full.message)
        except GitopsError as error:
            self._complain(error.message)
            self.close()
        except Exception as error:  # the sender has what was sent, and comes again
            self._complain(f"a fault of gitops itself: {type(error).__name__}: {error}")
            self.close()
        return AWAY

    def alive(self) -> bool:
        """Whether the store answers."""
        try:
            self._opened().clock()
        except StoreError as error:
            self._complain(error.message)
            self.close()
            return False
        return True

    def count(self) -> int:
        """How many hooks there are. Raises ``StoreError``."""
        return len(self._hooks(self._opened()))

    def check(self) -> None:
        """Complain of hooks whose keys can't be had, while somebody still looks at the log."""
        try:
            for each in (each for several in self._hooks(self._opened()).values() for each in several):
                key(each, self._resolver, self._complain)
        except GitopsError as error:
            self._complain(error.message)

    def close(self) -> None:
        """Close the connection."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _receive(self, db: Database, hook: str, headers: Mapping[str, str], body: bytes, remote: str) -> Answer:
        known = self._hooks(db)
        # What another hook's key costs is spent for one that isn't there, lest time tells which there are.
        wanted = known.get(hook) or next(iter(known.values()), [])
        found = self._verified(wanted, headers, body, db.clock())
        if not found or hook not in known:
            return REFUSED
        id = next((sent.id for _, sent in found if sent.id), None)
        try:
            told = payload(hook, id, headers, body)
        except Unreadable as unreadable:
            return Answer(unreadable.status, {"error": str(unreadable)})
        meant_for = [(each.automation, sent.marks) for each, sent in found]
        actor = f"webhook from {remote}"
        taken = take(db, hook, told, meant_for, actor=actor, remember=REMEMBERED, most=MOST_WAITING)
        answer: dict[str, Any] = {"events": list(taken.events)}
        return Answer(202, answer) if taken.new else Answer(200, {**answer, "duplicate": True})

    def _verified(
        self, wanted: Sequence[Hook], headers: Mapping[str, str], body: bytes, now: float
    ) -> list[tuple[Hook, Sent]]:
        """Those whose key it is signed with, each automation once."""
        found: dict[int, tuple[Hook, Sent]] = {}
        for each in wanted:
            with_key, manner = key(each, self._resolver, self._complain), MANNERS.get(each.manner)
            if manner is None:
                self._complain(f"automation {each.name} has its webhook signed in a manner that isn't known here")
                continue
            sent = manner(with_key or self._nobody, headers, body, now)
            if sent is not None and with_key is not None:
                found.setdefault(each.automation, (each, sent))
        return list(found.values())

    def _hooks(self, db: Database) -> dict[str, list[Hook]]:
        """Of the newest generation."""
        automating = SqlAutomating(db)
        generation = automating.generation()
        if self._known[0] != generation:
            self._known = (generation, hooks(automating.automations()))
        return self._known[1]

    def _opened(self) -> Database:
        if self._db is None:
            if not there(self._address):  # no empty one is made where it was taken away
                raise StoreError(f"the store {store_path(self._address)} isn't there any more", hint="bring it back")
            self._db = open_database(self._address)
            self._known = (-1, {})
        return self._db
