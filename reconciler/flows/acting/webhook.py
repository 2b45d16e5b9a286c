"""``webhook``: any address, any method, a body out of a template, signed where there is a secret for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reconciler.automate.port import Done
from reconciler.base.canonical import dumps, loads
from reconciler.flows.acting.http import refused, send
from reconciler.flows.acting.port import payload_of
from reconciler.flows.acting.signing import headers as signed

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands
    from reconciler.flows.acting.port import Asked


class Webhook:
    """Every answer but 2xx is a failure. The URL is the document's or a secret's, never a template's."""

    def target(self, config: Mapping[str, Any]) -> str:
        """See the port."""
        return f"{config.get('method', 'POST')} {config['url']}"

    def lasting(self, config: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
        """See the port: without a body of its own it sends what the trigger told."""
        if config.get("body") is not None or config.get("method") in ("GET", "DELETE"):
            return dict(config)
        return {**config, "body": dumps(dict(payload_of(context))).decode()}

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""
        config = self.lasting(asked.config, asked.doing.context)
        body: str | None = config.get("body")
        reply = await send(
            hands,
            config.get("method", "POST"),
            config["url"],
            headers=_headers(config, body, asked.key, asked.at),
            body=body,
            timeout_ms=config.get("timeout", 30_000),
            secrets=tuple(asked.secrets.values()),
            ca=config.get("caCert"),
        )
        if not reply.good:
            raise refused(reply, asked.masker, who="the receiver")
        return Done(reply.shown(asked.masker))


def _headers(config: Mapping[str, Any], body: str | None, key: str, at: float) -> list[tuple[str, str]]:
    """The document's, then ours; those about the delivery are ours alone, as receivers rely on them."""
    ours = signed(key, at, (body or "").encode("utf-8", "replace"), config.get("signingSecret"))
    own = {name for name, _ in ours}
    given = [(h["name"], str(h.get("value") or "")) for h in config.get("headers") or ()]
    found = [(name, value) for name, value in given if name.lower() not in own]
    names = {name.lower() for name, _ in found}
    if "idempotency-key" not in names:
        found.append(("Idempotency-Key", key))
    if body is not None and "content-type" not in names and _is_json(body):
        found.append(("Content-Type", "application/json"))
    return [*found, *ours]


def _is_json(body: str) -> bool:
    if not body.lstrip().startswith(("{", "[")):
        return False
    try:
        loads(body)
    except ValueError:
        return False
    return True
