"""One request to one checked address, and its answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pycurl  # type: ignore[import-untyped]

from reconciler.execute.egress import Address, Guard, Resolved, Unresolved
from reconciler.execute.http.authorities import trust
from reconciler.execute.http.engine import Engine, Transfer
from reconciler.execute.http.request import Request
from reconciler.execute.http.words import failure
from reconciler.execute.port import Failed
from reconciler.execute.reach import Limit, named
from reconciler.execute.trust import bundle

_PATIENCE_MS = 2000.0
"""What an address gets to let us in while there is another one to try."""
_CHARSET = re.compile(rb"charset\s*=\s*\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_VERSIONS = {"1.1": pycurl.CURL_HTTP_VERSION_1_1, "2": pycurl.CURL_HTTP_VERSION_2TLS}
_PROXIES = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
"""Kinds of proxies and their usual ports; libcurl reads the kind from the scheme."""


class Answer(NamedTuple):
    """``phases`` are milliseconds; ``location`` is where it redirects to; ``text`` is the reason phrase as sent.

    ``head`` are the raw header lines, of 1xx answers and proxies too.
    """

    status: int
    text: str
    location: str | None
    body: bytes
    charset: str
    cut: bool
    phases: dict[str, float]
    head: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """What all hops of one collector share. ``config`` is the strategy's; ``origin`` that of the first hop, the only
    one that the client certificate is for."""

    engine: Engine
    guard: Guard
    config: Mapping[str, Any]
    limit: Limit
    origin: tuple[str, str, int]


class Proxy(NamedTuple):
    """A proxy by its checked address. ``name`` is its host, for the certificate of an https one."""

    kind: str
    name: str
    address: Address


class Hop:
    """One request of a collector: the first, or one that a redirect asks for."""

    def __init__(self, way: Way, request: Request) -> None:
        self._way = way
        self._request = request
        self._where = named(request.target.host.strip("[]"), request.target.port)

    async def answer(self) -> Answer:
        """Resolve, check, connect to the first address that lets us, and ask. Raises :class:`Failed`."""
        way, target = self._way, self._request.target
        proxy = await self._proxy()
        resolved = way.guard.literal(target.host, target.port)
        if resolved is None or _asks(proxy):
            async with way.limit.during(f"resolving the name {target.host}"):
                resolved = await (self._behind_proxy() if _asks(proxy) else way.guard.resolve(target.host, target.port))
        last: Failed | None = None
        addresses: tuple[Address | None, ...] = resolved.addresses or (None,)
        for at, address in enumerate(addresses):
            try:
                found: Answer = await self._ask(address, proxy, len(addresses) - at)
            except _NotConnected as error:
                last = error.failed
                continue
            found.phases["dns"] = round(resolved.took_ms, 3)
            return found
        assert last is not None
        raise last

    async def _proxy(self) -> Proxy | None:
        url = self._way.config.get("proxyUrl")
        if not url:
            return None
        try:
            parts = urlsplit(str(url))
            kind, host, port = parts.scheme.lower(), parts.hostname, parts.port
        except ValueError as error:
            raise Failed(f"proxyUrl is no URL: {error}") from error
        if kind not in _PROXIES or not host or not host.isascii():
            raise Failed("proxyUrl is no URL of an http, https, socks5 or socks5h proxy")
        port = port or _PROXIES[kind]
        async with self._way.limit.during(f"resolving the name of the proxy {host}"):
            resolved = await self._way.guard.resolve(host, port)
        return Proxy(kind, host, resolved.addresses[0])

    async def _behind_proxy(self) -> Resolved:
        """The proxy looks the name up; what it stands for here must be allowed all the same, where we know it."""
        target = self._request.target
        with suppress(Unresolved):
            await self._way.guard.resolve(target.host, target.port)
        return Resolved((), 0.0)

    async def _ask(self, address: Address | None, proxy: Proxy | None, left: int) -> Answer:
        remaining = self._way.limit.left * 1000
        if remaining < 1:
            raise Failed(f"no time was left to request {self._where}", timed_out=True)
        connecting = remaining if left == 1 else min(remaining / left, _PATIENCE_MS)

        def prepare(curl: pycurl.Curl) -> None:
            curl.setopt(pycurl.TIMEOUT_MS, max(1, int(remaining)))
            curl.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, int(connecting)))
            if address is not None:
                # Empty host and port: whatever the URL says, in whatever spelling.
                ip = f"[{address.ip}]" if ":" in address.ip else address.ip
                curl.setopt(pycurl.CONNECT_TO, [f"::{ip}:{address.port}"])
            self._prepare(curl)
            if proxy is not None:
                self._through(curl, proxy)

        def finish(transfer: Transfer, code: int) -> Answer:
            if code and not transfer.cut:
                curl = transfer.curl
                by = named(proxy.name, proxy.address.port) if proxy is not None else None
                failed = failure(
                    curl,
                    code,
                    self._where,
                    timeout_ms=self._way.limit.ms,
                    tls=self._tls,
                    proxy=by,
                    proxy_tls=proxy is not None and proxy.kind == "https",
                )
                if left > 1 and not curl.getinfo(pycurl.CONNECT_TIME):
                    raise _NotConnected(failed)
                raise failed
            return _answer(transfer, self._tls)

        answer: Answer = await self._way.engine.perform(prepare, finish)
        return answer

    @property
    def _tls(self) -> bool:
        return self._request.target.scheme == "https"

    def _prepare(self, curl: pycurl.Curl) -> None:
        request, config = self._request, self._way.config
        curl.setopt(pycurl.URL, request.target.url)
        curl.setopt(pycurl.PATH_AS_IS, 1)
        curl.setopt(pycurl.HTTPHEADER, request.lines())
        if request.method == "HEAD":
            curl.setopt(pycurl.NOBODY, 1)
        elif (body := request.payload) is not None:
            curl.setopt(pycurl.POSTFIELDSIZE, len(body))
            curl.setopt(pycurl.COPYPOSTFIELDS, body)
        if request.method not in ("GET", "HEAD") or request.body is not None:
            curl.setopt(pycurl.CUSTOMREQUEST, request.method)
        version = config.get("httpVersion")
        if self._tls:
            curl.setopt(pycurl.HTTP_VERSION, _VERSIONS[version or "2"])
            trust(curl, config.get("caCert"))
            if self._way.origin == request.target.origin:
                _identify(curl, config)
        else:
            curl.setopt(
                pycurl.HTTP_VERSION,
                pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE if version == "2" else pycurl.CURL_HTTP_VERSION_1_1,
            )

    def _through(self, curl: pycurl.Curl, proxy: Proxy) -> None:
        config, address = self._way.config, proxy.address
        ip = f"[{address.ip}]" if ":" in address.ip else address.ip
        host = ip
        if proxy.kind == "https":
            # The certificate is for the name; libcurl knows its address from here, and asks nobody.
            host = proxy.name
            curl.setopt(pycurl.RESOLVE, [f"{host}:{address.port}:{ip}"])
            curl.setopt(pycurl.PROXY_CAINFO_BLOB, _bytes(bundle(config.get("caCert"))))
        curl.setopt(pycurl.PROXY, f"{proxy.kind}://{host}:{address.port}")
        curl.setopt(pycurl.NOPROXY, "")
        if config.get("proxyUsername"):
            curl.setopt(pycurl.PROXYAUTH, pycurl.HTTPAUTH_BASIC)
            curl.setopt(pycurl.PROXYUSERNAME, _bytes(config["proxyUsername"]))
            curl.setopt(pycurl.PROXYPASSWORD, _bytes(config.get("proxyPassword") or ""))


def _asks(proxy: Proxy | None) -> bool:
    """Whether the proxy gets the name as it stands, and looks it up itself."""
    return proxy is not None and proxy.kind != "socks5"


class _NotConnected(Exception):
    """One address of several didn't let us in."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.sentence)
        self.failed = failed


def _identify(curl: pycurl.Curl, config: Mapping[str, Any]) -> None:
    """The client certificate, where there is one; its key may stand in the same text."""
    if config.get("clientCert"):
        curl.setopt(pycurl.SSLCERT_BLOB, _bytes(config["clientCert"]))
        curl.setopt(pycurl.SSLKEY_BLOB, _bytes(config.get("clientKey") or config["clientCert"]))
        if config.get("clientKeyPassword"):
            curl.setopt(pycurl.KEYPASSWD, _bytes(config["clientKeyPassword"]))


def _bytes(text: Any) -> bytes:
    """pycurl takes text only where it is ASCII."""
    return str(text).encode("utf-8", "replace")


def _answer(transfer: Transfer, tls: bool) -> Answer:
    curl = transfer.curl
    text, location, charset = _headers(transfer.headers)
    connected, ready = curl.getinfo(pycurl.CONNECT_TIME), curl.getinfo(pycurl.PRETRANSFER_TIME)
    phases = {"dns": 0.0, "connect": round(connected * 1000, 3)}
    if tls:
        phases["tls"] = round(max(0.0, curl.getinfo(pycurl.APPCONNECT_TIME) - connected) * 1000, 3)
    phases["firstByte"] = round(max(0.0, curl.getinfo(pycurl.STARTTRANSFER_TIME) - ready) * 1000, 3)
    status = curl.getinfo(pycurl.RESPONSE_CODE)
    return Answer(status, text, location, bytes(transfer.body), charset, transfer.cut, phases, transfer.headers)


def _headers(lines: list[bytes]) -> tuple[str, str | None, str]:
    """Reason phrase, Location and charset of the last head among the lines: proxies and 1xx send theirs before."""
    text, location, charset = "", None, "utf-8"
    for line in lines:
        start = line[:9].lower()
        if start.startswith(b"http/"):
            text, location, charset = line.rstrip().partition(b" ")[2][4:].decode("latin-1"), None, "utf-8"
        elif start == b"location:":
            location = line[9:].strip().decode("utf-8", "replace")
        elif start == b"content-t" and (found := _CHARSET.search(line)) is not None and b"ype:" in line[:14].lower():
            charset = found[1].decode()
    return text, location, charset
