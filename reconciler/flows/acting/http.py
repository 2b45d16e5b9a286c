"""Requests of actions: by libcurl as checks send theirs, to addresses that the guard lets through, redirects checked
anew; and which answers say that another attempt may do better."""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from reconciler.execute.egress import Denied
from reconciler.execute.http.hop import Answer, Hop, Way
from reconciler.execute.http.request import BadUrl, Request, first, redirected
from reconciler.execute.port import Failed, Unobservable
from reconciler.execute.reach import Limit
from reconciler.flows.acting.port import Undone
from reconciler.secrets.masking import Masker

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands

PASSING = frozenset({408, 425, 429})
"""Statuses below 500 that say: later."""
_KEPT = frozenset({307, 308})
_REDIRECTS = frozenset({301, 302, 303, *_KEPT})
_HOPS = 5
_SHOWN = 500
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Reply(NamedTuple):
    """``after``: seconds that the other side wants to be left alone for. ``cut``: its body had no end in sight."""

    status: int
    phrase: str
    body: bytes
    after: float | None
    cut: bool
    head: Sequence[bytes] = ()

    @property
    def good(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300

    @property
    def title(self) -> str:
        """``404 Not Found``."""
        return f"{self.status} {self.phrase[:80]}".rstrip()

    def shown(self, masker: Masker) -> dict[str, object]:
        """What is kept of it: masked before it is cut, since a piece of a value can't be told from other text."""
        text = masker.text(self.body.decode("utf-8", "replace"), cut_short=self.cut)
        return {"status": self.status, "body": text[:_SHOWN]}


async def send(
    hands: Hands,
    method: str,
    url: str,
    *,
    headers: Sequence[tuple[str, str]],
    body: str | None,
    timeout_ms: float,
    secrets: Sequence[str] = (),
    ca: str | None = None,
) -> Reply:
    """One request, and those that its redirects ask for; ``ca`` are authorities to trust beside the system's.

    Raises :class:`Undone` where there is no answer.
    """
    given = [{"name": name, "value": value} for name, value in headers]
    try:
        request = first({}, {"url": url, "method": method, "headers": given, "body": body})
    except BadUrl as error:
        raise Undone(f"the address is no URL that can be requested: {error}") from None
    except Failed as error:
        raise Undone(error.sentence) from None
    try:
        answer = await _followed(hands, request, timeout_ms, secrets, ca)
    except Denied as error:
        raise Undone(error.sentence) from None
    except (Failed, Unobservable) as error:
        raise Undone(error.sentence, passing=True) from None
    phrase = answer.text or _PHRASES.get(answer.status, "")
    return Reply(answer.status, phrase, answer.body, retry_after(answer.head), answer.cut, answer.head)


def refused(reply: Reply, masker: Masker, *, who: str) -> Undone:
    """What an answer that isn't good means."""
    passing = reply.status in PASSING or reply.status >= 500
    said = f"{who} answered {reply.title}"
    if reply.status in _REDIRECTS:
        said += ", a redirect that can't be followed with what was sent: name the address that it leads to"
    return Undone(said, passing=passing, after=reply.after if passing else None, response=reply.shown(masker))


def retry_after(head: Sequence[bytes]) -> float | None:
    """Seconds, as the header says them, or until the time that it says."""
    text = header(head, b"retry-after")
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def header(head: Sequence[bytes], name: bytes) -> str | None:
    """The last value of a header, by its small name."""
    for line in reversed(head):
        key, colon, value = line.partition(b":")
        if colon and key.strip().lower() == name:
            return value.strip().decode("latin-1")
    return None


async def _followed(
    hands: Hands, request: Request, timeout_ms: float, secrets: Sequence[str], ca: str | None
) -> Answer:
    way = Way(hands.engine, hands.guard, {"caCert": ca}, Limit(timeout_ms), request.target.origin)
    for _ in range(_HOPS + 1):
        answer = await Hop(way, request).answer()
        follow = answer.status in (_REDIRECTS if request.method == "GET" else _KEPT)
        if not follow or answer.location is None:
            return answer
        request, _hidden = redirected(request, answer.status, answer.location, secrets)
    raise Failed(f"{request.target.netloc} redirects more than {_HOPS} times")
