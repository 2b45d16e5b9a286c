"""What the server for webhooks tells whoever reads its log."""

from __future__ import annotations

from typing import NamedTuple


class Listening(NamedTuple):
    """It has begun. ``hooks``: how many automations listen to. ``metrics``: where counts are told, if anywhere."""

    url: str
    store: str
    hooks: int
    metrics: str | None = None


class Came(NamedTuple):
    """One was taken, or was there already (``duplicate``). ``events`` are their numbers."""

    hook: str
    remote: str
    events: tuple[int, ...]
    duplicate: bool


class Refused(NamedTuple):
    """Of the last minute: no such hook, or no good signature."""

    requests: int
    addresses: int


class Trouble(NamedTuple):
    """Something that whoever runs the server can mend."""

    sentence: str


class Ended(NamedTuple):
    """In good order."""

    taken: int


Event = Listening | Came | Refused | Trouble | Ended
