"""``notify``: people and channels, by whatever service their addresses name (Slack, Teams, Discord, e-mail, ...).

Who is reached how is the operator's word, in secrets: ``NOTIFY_ALICE`` for the user ``alice``, ``NOTIFY_DEFAULT`` where
no user is named. Each holds one address or several, with blanks between them. The sending itself is done by processes
of their own, see :mod:`reconciler.flows.acting.notify_main`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.automate.port import Done
from reconciler.flows.acting.port import Undone

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands
    from reconciler.flows.acting.port import Asked
    from reconciler.secrets.masking import Masker

DEFAULT = "NOTIFY_DEFAULT"
_PREFIX = "NOTIFY_"
_OTHER = re.compile(r"[^A-Za-z0-9]+")
_STATUS = re.compile(r"\berror=(\d{3})\b")
_LATER = frozenset({408, 425, 429})


class Notify:
    """Addresses that were reached aren't written to again when others of the same message weren't."""

    def target(self, config: Mapping[str, Any]) -> str:
        """See the port."""
        return secret_of(config) or str(config["url"])

    def lasting(self, config: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
        """See the port: all of it is in the config."""
        return dict(config)

    def needs(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """See the port."""
        name = secret_of(config)
        return () if name is None else (name,)

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""
        config = asked.config
        name = secret_of(config)
        urls = str(config["url"] if name is None else asked.secrets[name]).split()
        before = [each for each in asked.before.get("reached", ()) if isinstance(each, int)]
        left = [index for index in range(len(urls)) if index not in before]
        if not urls:
            raise Undone("there is no address to notify")
        request = {
            "urls": [urls[index] for index in left],
            "title": config["title"],
            "body": config.get("body") or config["title"],
            "importance": config.get("importance", "info"),
        }
        answers = await hands.messengers.send(request, config.get("timeout", 30_000) / 1000) if left else []
        return _told(answers, left, before, of=len(urls), masker=asked.masker)


def secret_of(config: Mapping[str, Any]) -> str | None:
    """The secret with the addresses of whom it is for; None where the config has an address itself. Raises
    :class:`Undone` for a name that nobody can have."""
    if config.get("url") is not None:
        return None
    user = config.get("userId")
    return DEFAULT if user is None else f"{_PREFIX}{_word(user)}"


def _told(
    answers: Sequence[Mapping[str, Any]], left: Sequence[int], before: Sequence[int], *, of: int, masker: Masker
) -> Done:
    """Raises :class:`Undone` unless all of them were reached by now."""
    reached = sorted([*before, *(index for index, each in zip(left, answers, strict=True) if each["sent"])])
    failed = [(index, each) for index, each in zip(left, answers, strict=True) if not each["sent"]]
    result = {"reached": reached, "of": of}
    if not failed:
        return Done(result)
    index, first = failed[0]
    where = "the address" if of == 1 else f"address {index + 1} of {of}"
    if not first["known"]:
        raise Undone(f"{where} is none that messages can be sent to ({first['scheme']}://)", response=result)
    # Masked before it is made short: a piece of an address can't be told from other text.
    said = " ".join(masker.text(str(first["said"]), cut_short=True).split())[:500] or "the service didn't take it"
    status = _STATUS.search(said)
    final = status is not None and 400 <= int(status[1]) < 500 and int(status[1]) not in _LATER
    raise Undone(f"{where} ({first['scheme']}) wasn't reached: {said}", passing=not final, response=result)


def _word(user: Any) -> str:
    word = _OTHER.sub("_", str(user)).strip("_").upper()
    if not word or len(word) > 50:
        raise Undone(f"{str(user)[:80]!r} can't be the name of somebody to notify")
    return word
