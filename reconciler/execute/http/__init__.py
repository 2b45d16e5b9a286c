"""HTTP: one request each collector, over a connection of its own, by libcurl.

Names are resolved and checked here, and libcurl is told the address to connect to, whatever the URL says: it never
asks DNS. Redirects are followed here too, as each hop has to be checked anew.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from reconciler.execute.egress import Guard
from reconciler.execute.http.engine import BODY, Engine
from reconciler.execute.http.hop import Answer, Hop, Way
from reconciler.execute.http.request import REDIRECTS, BadUrl, Request, authorization, first, redirected
from reconciler.execute.port import Collected, Context, Failed
from reconciler.execute.reach import Limit

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_SAFE = frozenset({"GET", "HEAD"})


class Http:
    """The strategy http."""

    def __init__(self) -> None:
        self._engine: Engine | None = None

    async def open(self, config: Mapping[str, Any], context: Context) -> HttpConnection:
        """Nothing is connected yet: every request has a connection of its own."""
        if self._engine is None:
            self._engine = Engine()
        deny = config.get("egressDenyCidrs")
        guard = context.guard.extended(deny) if deny else context.guard
        return HttpConnection(self._engine, config, guard, context.secrets)

    def repeatable(self, config: Mapping[str, Any], collectors: tuple[tuple[str, Mapping[str, Any]], ...]) -> bool:
        """Reading changes nothing there."""
        return all((collector.get("method") or "GET") in _SAFE for _, collector in collectors)

    async def aclose(self) -> None:
        """End libcurl's multi handle."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None


class HttpConnection:
    """What the requests of one run share."""

    def __init__(self, engine: Engine, config: Mapping[str, Any], guard: Guard, secrets: tuple[str, ...]) -> None:
        self._engine = engine
        self._config = config
        self._guard = guard
        self._secrets = secrets
        self._limit = Limit(config.get("timeout") or 30_000)
        credentials = authorization(config) if secrets else None
        self.masks = () if credentials is None else (credentials.partition(" ")[2],)

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        """Request, and follow. Every answer is a result; only what kept us from getting one is a failure."""
        try:
            request = first(self._config, config)
        except BadUrl as error:
            return Collected(_result(0, "Invalid URL", 0.0, b""), f"{config['url']!r} is no URL: {error}")
        own = Limit(config.get("timeout") or 30_000)
        limit = own if own.at <= self._limit.at else self._limit
        way = Way(self._engine, self._guard, self._config, limit, request.target.origin)
        began = time.perf_counter()
        phases: dict[str, float] = {}
        notes: list[str] = []
        follow = config.get("followRedirects") is not False
        for _ in range(REDIRECTS + 1):
            answer = await Hop(way, request).answer()
            for name, took in answer.phases.items():
                phases[name] = round(phases.get(name, 0.0) + took, 3)
            if not follow or answer.status not in _REDIRECTS or answer.location is None:
                break
            request = self._follow(request, answer, notes)
        else:
            raise Failed(f"{config['url']} redirects more than {REDIRECTS} times")
        return self._collected(answer, began, phases, notes)

    def _follow(self, request: Request, answer: Answer, notes: list[str]) -> Request:
        assert answer.location is not None
        following, hidden = redirected(request, answer.status, answer.location, self._secrets)
        if hidden:
            names = ", ".join(dict.fromkeys(hidden))
            notes.append(f"{names} not sent to {following.target.netloc}, where a redirect led: another origin")
        return following

    def _collected(self, answer: Answer, began: float, phases: dict[str, float], notes: list[str]) -> Collected:
        took = round((time.perf_counter() - began) * 1000, 3)
        phases["total"] = took
        if answer.cut:
            notes.append(f"the body is cut after {BODY} bytes")
        text = answer.text or _PHRASES.get(answer.status, "")
        return Collected(_result(answer.status, text, took, answer.body, answer.charset), None, phases, None, (*notes,))

    async def close(self) -> None:
        """Every connection ended with its request."""


def _result(status: int, text: str, took: float, body: bytes, charset: str = "utf-8") -> dict[str, Any]:
    try:
        decoded = body.decode(charset, "replace")
    except (LookupError, ValueError):
        decoded = body.decode("utf-8", "replace")
    return {
        "statusCode": status,
        "statusText": text,
        "responseTimeMs": took,
        "body": decoded,
        "bodyLength": len(body),
        "success": 200 <= status < 400,
    }
