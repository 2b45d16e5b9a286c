"""What is sent: the URL in its one spelling, the headers, and what a redirect makes of both. No I/O."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from reconciler._version import __version__
from reconciler.execute.port import Failed

REDIRECTS = 10
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_SAFE = "/:?#[]@!$&'()*+,;=%~-._|^`{}\"<>\\"
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "host"})
_OF_BODY = frozenset({"content-type", "content-length", "content-encoding", "content-language", "content-location"})


class BadUrl(ValueError):
    """It is no URL that can be requested."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart and put together again, so that everybody who reads it sees the same host."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """Host and port as they stand in the URL."""
        return self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL itself."""
        return f"{self.scheme}://{self.netloc}{self.path}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """What credentials are bound to."""
        return self.scheme, self.host, self.port


_PORTS = {"http": 80, "https": 443}


@lru_cache(16_384)
def parse_url(text: str) -> Target:
    """Raises :class:`BadUrl`. The fragment is left out; what isn't ASCII is encoded, as browsers do."""
    if _CONTROL.search(text):
        raise BadUrl("it holds blanks or control characters")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadUrl(str(error)) from error
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise BadUrl("it is neither http nor https")
    if not host:
        raise BadUrl("it has no host")
    if port == 0:
        raise BadUrl("there is no port 0")
    if "@" in parts.netloc or "\\" in parts.netloc:
        raise BadUrl("it holds credentials; they belong into the strategy's auth keys")
    host = _host(f"[{host}]" if ":" in host else host)
    path = quote(parts.path or "/", safe=_SAFE)
    query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    return Target(scheme, host, _PORTS[scheme] if port is None else port, path.replace("?", "%3F") + query)


def _host(host: str) -> str:
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError as error:
            raise BadUrl(f"{host!r} is no host name") from error
    if not _HOST.fullmatch(host):
        raise BadUrl(f"{host!r} is no host name")
    return host.lower()


@dataclass(frozen=True, slots=True)
class Request:
    """One hop. ``headers`` are pairs in the order to send them."""

    method: str
    target: Target
    headers: tuple[tuple[str, str], ...]
    body: bytes | None

    @property
    def payload(self) -> bytes | None:
        """What is sent: POST and PUT without a body say that theirs is empty, as servers want to know."""
        return b"" if self.body is None and self.method in ("POST", "PUT") else self.body

    def lines(self) -> list[bytes]:
        """The headers as libcurl takes them: one without a value is written with a semicolon there."""
        lines = [f"{n}: {v}" if v else f"{n};" for n, v in self.headers]
        if self.payload is not None:
            lines.append("Expect:")  # no waiting for a go-ahead that many servers never give
            if not any(n.lower() == "content-type" for n, _ in self.headers):
                lines.append("Content-Type:")  # else libcurl says it were a form
        return [line.encode("utf-8", "replace") for line in lines]


def first(config: Mapping[str, Any], collector: Mapping[str, Any]) -> Request:
    """The request as the documents say. Raises :class:`BadUrl`, and :class:`Failed` for a header that can't be sent."""
    target = parse_url(collector["url"])
    headers = [(str(h["name"]), str(h.get("value") or "")) for h in collector.get("headers") or ()]
    for name, value in headers:
        # A value with a line break would add headers of its own.
        if any(c in value for c in "\r\n\0"):
            raise Failed(f"the value of the header {name} holds a line break or a zero byte")
    given = {name.lower() for name, _ in headers}
    if "authorization" not in given and (credentials := authorization(config)) is not None:
        headers.append(("Authorization", credentials))
    if "user-agent" not in given:
        headers.append(("User-Agent", f"gitops-reconciler/{__version__}"))
    body = collector.get("body")
    data = None if body is None else str(body).encode("utf-8", "replace")
    if data is not None and "content-type" not in given:
        headers.append(("Content-Type", "text/plain;charset=UTF-8"))
    return Request(collector.get("method") or "GET", target, tuple(headers), data)


def redirected(request: Request, status: int, location: str, secrets: Iterable[str]) -> tuple[Request, list[str]]:
    """The next hop, and the names of headers that don't go there: credentials are for the origin they were given for.

    Raises :class:`Failed` where the server leads to what can't be requested.
    """
    try:
        target = parse_url(urljoin(request.target.url, quote(location.strip(), safe=_SAFE)))
    except (BadUrl, ValueError) as error:
        raise Failed(f"the server redirects to {location[:200]!r}, which can't be requested: {error}") from error
    following = replace(request, target=target)
    if (status == 303 and request.method != "HEAD") or (status in (301, 302) and request.method == "POST"):
        kept = tuple((n, v) for n, v in request.headers if n.lower() not in _OF_BODY)
        following = replace(following, method="GET", body=None, headers=kept)
    if target.origin == request.target.origin:
        return following, []
    hidden = [n for n, v in following.headers if n.lower() in _CREDENTIALS or any(s and s in v for s in secrets)]
    return replace(following, headers=tuple((n, v) for n, v in following.headers if n not in hidden)), hidden


def authorization(config: Mapping[str, Any]) -> str | None:
    """The strategy's credentials as a header's value. Raises :class:`Failed` for a token that can't be one."""
    if config.get("authType") == "basic":
        pair = f"{config.get('authUsername') or ''}:{config.get('authPassword') or ''}"
        return f"Basic {b64encode(pair.encode()).decode()}"
    if config.get("authType") == "token":
        token = str(config.get("authToken") or "")
        if any(c in token for c in "\r\n\0"):
            raise Failed("authToken holds a line break or a zero byte")
        return f"Bearer {token}"
    return None
