"""What opening an issue shares, wherever it is opened: one issue for one step, however often that is attempted.

An issue carries a mark that nobody else can make, out of the delivery's key and the token. Before one is opened, the
newest are looked through for it: whoever was killed between opening an issue and writing it down has left it there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from reconciler.automate.port import Done
from reconciler.base.canonical import dumps, loads
from reconciler.flows.acting.http import Reply, header, refused, send
from reconciler.flows.acting.port import Undone

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands
    from reconciler.flows.acting.port import Asked

NEWEST = 30
"""How many issues are looked through. An attempt comes soon after the one before it."""
_TITLE = 255
_TIMEOUT_MS = 30_000


class Forge:
    """A forge's API for one action; ``text`` is the key of an issue's text there."""

    name: str
    text: str

    def __init__(self, asked: Asked, hands: Hands) -> None:
        self._asked, self._hands = asked, hands
        self.config = asked.config
        seed = blake2b(asked.key.encode(), digest_size=12, key=str(self.config["token"]).encode()[:64])
        self.mark = f"gitops-delivery-{seed.hexdigest()}"

    @property
    def base(self) -> str:
        """Where its issues are."""
        raise NotImplementedError

    def headers(self) -> list[tuple[str, str]]:
        """Who asks."""
        raise NotImplementedError

    def made(self, title: str, text: str) -> dict[str, Any]:
        """What the issue is made of."""
        raise NotImplementedError

    def newest(self) -> str:
        """The address of the newest issues."""
        raise NotImplementedError

    def shown(self, issue: Mapping[str, Any]) -> dict[str, Any]:
        """An issue as later blocks read it."""
        raise NotImplementedError

    async def open(self) -> Done:
        """Open it, or find it. Raises :class:`Undone`."""
        found = await self._found()
        if found is None:
            text = "\n\n".join(part for part in (str(self.config.get("body") or ""), f"<!-- {self.mark} -->") if part)
            body = dumps(self.made(str(self.config["title"])[:_TITLE], text)).decode()
            reply = await self._ask("POST", self.base, body)
            found = _json(reply, dict) or {}
        issue = self.shown(found)
        return Done(issue, {"issue": issue})

    async def _found(self) -> Mapping[str, Any] | None:
        reply = await self._ask("GET", self.newest(), None)
        if self.mark.encode() not in reply.body:
            return None
        issues = _json(reply, list) or []
        marked = (each for each in issues if isinstance(each, dict) and self.mark in str(each.get(self.text)))
        return next(marked, {})

    async def _ask(self, method: str, url: str, body: str | None) -> Reply:
        more = [("Content-Type", "application/json")] if body is not None else []
        reply = await send(
            self._hands,
            method,
            url,
            headers=[*self.headers(), *more],
            body=body,
            timeout_ms=_TIMEOUT_MS,
            secrets=tuple(self._asked.secrets.values()),
            ca=self.config.get("caCert"),
        )
        if reply.good:
            return reply
        if reply.status in (403, 429) and (wait := _limited(reply)) is not None:
            raise Undone(f"{self.name} wants fewer requests", passing=True, after=wait)
        raise refused(reply, self._asked.masker, who=self.name)


def _limited(reply: Reply) -> float | None:
    """Seconds to leave it alone for, where an answer is about how many requests came."""
    if reply.after is not None:
        return reply.after
    return 60.0 if header(reply.head, b"x-ratelimit-remaining") == "0" else None


def _json(reply: Reply, kind: type[dict[str, Any]] | type[list[Any]]) -> Any:
    """What was answered, None where it isn't of that kind, as an answer that was cut."""
    try:
        found = loads(reply.body)
    except ValueError:
        return None
    return found if isinstance(found, kind) else None


def words(labels: Sequence[Any]) -> list[str]:
    """Labels that can be told from each other: none is empty, none holds a comma."""
    return [word for word in (str(label).replace(",", " ").strip() for label in labels) if word]
