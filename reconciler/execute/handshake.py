"""TLS over a connected socket, and whom to trust in it.

The socket stays ours, so that a handshake which is cancelled or refused leaves nothing behind, and what the library
says of a peer isn't lost between transports.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeVar

from reconciler.execute.port import Failed, Unobservable
from reconciler.execute.reach import words

T = TypeVar("T")

_CHUNK = 16_384
_KEEP_SECONDS = 600.0
_KEEP = 64

_NO_TLS = {
    *("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "PACKET_LENGTH_TOO_LONG", "BAD_PACKET_LENGTH"),
    *("RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE", "UNKNOWN_PROTOCOL", "ENCRYPTED_LENGTH_TOO_LONG"),
    *("DATA_LENGTH_TOO_LONG", "NOT_SSLV3_OR_TLS", "BAD_RECORD_TYPE"),
}
_NO_VERSION = {
    *("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "VERSION_TOO_LOW", "NO_PROTOCOLS_AVAILABLE"),
    # Of the versions before 1.2, whose signatures OpenSSL's level of security forbids.
    *("WRONG_SSL_VERSION", "NO_SUPPORTED_VERSIONS_ENABLED", "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED"),
}

NOT_YET, EXPIRED, WRONG_NAME, WRONG_ADDRESS = 9, 10, 62, 64
_CHAIN = "its chain is incomplete, or ends at an authority that isn't trusted"
_VERDICTS = {
    2: _CHAIN,
    NOT_YET: "it isn't valid yet",
    EXPIRED: "it has expired",
    18: "it is self-signed, and not trusted",
    19: "its chain ends at a self-signed authority that isn't trusted",
    20: _CHAIN,
    21: _CHAIN,
    23: "it was revoked",
    26: "it isn't meant for servers",
    WRONG_NAME: "it isn't valid for this name",
    WRONG_ADDRESS: "it isn't valid for this address",
}
"""OpenSSL's codes of verification, in words that follow a colon."""


BLIND = "this host trusts no authority at all: install ca-certificates where the worker runs, or set caCert"


class Trust:
    """Contexts by what they trust. Reading the system's authorities takes tens of milliseconds, so they are kept; and
    read again after a while, as a system is given new ones."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str | None, bool, str | None], tuple[float, ssl.SSLContext]] = {}
        self._making = asyncio.Lock()

    async def context(self, *, ca: str | None, verify: bool, oldest: str | None = None) -> ssl.SSLContext:
        """``ca``: certificates as PEM, trusted beside those of the system. ``oldest``: as in ``minVersion``."""
        key = (ca if verify else None, verify, oldest)
        context = self._fresh(key)
        if context is not None:
            return context
        # One at a time: the runs that start together all want the same one.
        async with self._making:
            context = self._fresh(key)
            if context is None:
                context = await asyncio.to_thread(_context, ca=ca, verify=verify, oldest=oldest)
                if len(self._kept) >= _KEEP:
                    del self._kept[min(self._kept, key=lambda k: self._kept[k][0])]
                self._kept[key] = (time.monotonic(), context)
            return context

    def _fresh(self, key: tuple[str | None, bool, str | None]) -> ssl.SSLContext | None:
        made, context = self._kept.get(key, (0.0, None))
        return context if time.monotonic() - made <= _KEEP_SECONDS else None


def blind() -> bool:
    """Whether this host trusts no authority at all, as minimal containers do: then distrust says nothing of a peer."""
    paths = ssl.get_default_verify_paths()
    folder, file = paths.capath or "", paths.cafile or ""
    return not (os.path.isdir(folder) and os.listdir(folder)) and not (os.path.isfile(file) and os.path.getsize(file))


def _context(*, ca: str | None, verify: bool, oldest: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The same judgement under every Python: its own defaults for both differ between versions.
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.hostname_checks_common_name = False
    if verify:
        if ca is not None:
            try:
                context.load_verify_locations(cadata=ca)
            except (ssl.SSLError, ValueError) as error:
                raise Unobservable(f"caCert holds no certificate that can be read: {_reason(error)}") from error
        context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if oldest in ("TLSv1", "TLSv1.1"):
        # Both are forbidden by OpenSSL's level of security, and naming them warns; which of them was agreed on is
        # looked at after the handshake.
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    elif oldest is not None:
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if oldest == "TLSv1.3" else ssl.TLSVersion.TLSv1_2
    return context


class Doubt(NamedTuple):
    """Why a certificate doesn't hold: OpenSSL's code, and words that follow a colon."""

    code: int
    words: str


class Secure:
    """TLS as a client over a connected socket, which is closed with it."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, *, name: str, where: str) -> None:
        """``name`` is whom to expect there, ``where`` how messages call it."""
        self._sock = sock
        self._where = where
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self.tls = context.wrap_bio(self._in, self._out, server_hostname=name.strip("[]").rstrip("."))
        except (ValueError, ssl.SSLError) as error:
            raise Failed(f"{name} is no name that can be asked for in TLS: {_reason(error)}") from error

    async def handshake(self) -> Doubt | None:
        """None when it is done; else why the certificate doesn't hold. Raises :class:`Failed` where it can't be done
        for other reasons."""
        try:
            await self._pump(self.tls.do_handshake)
        except ssl.SSLCertVerificationError as error:
            return Doubt(error.verify_code, _VERDICTS.get(error.verify_code, error.verify_message.lower()))
        except ssl.SSLError as error:
            raise Failed(self._refusal(error)) from error
        except OSError as error:
            raise Failed(f"the TLS handshake with {self._where} failed: {words(error)}") from error
        return None

    async def send(self, data: bytes) -> None:
        """Send everything."""
        await self._pump(lambda: self.tls.write(data))

    async def receive(self, most: int) -> bytes:
        """What has come, at least one byte; empty at the end."""
        try:
            return await self._pump(lambda: self.tls.read(most))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def close(self) -> None:
        """Say goodbye, as far as that takes no waiting, and close the socket."""
        with suppress(OSError, ValueError):
            self.tls.unwrap()
        with suppress(OSError):
            self._sock.send(self._out.read())
        self._sock.close()

    async def _pump(self, step: Callable[[], T]) -> T:
        """Do a step of the library, and carry what it wants to say and to hear."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                await loop.sock_sendall(self._sock, self._out.read())
            except ssl.SSLError:
                # The peer is told why, if it still listens.
                with suppress(OSError):
                    self._sock.send(self._out.read())
                raise
            else:
                await loop.sock_sendall(self._sock, self._out.read())
                return done
            chunk = await loop.sock_recv(self._sock, _CHUNK)
            if chunk:
                self._in.write(chunk)
                # What is there already is handed out without a pause, and a peer can send for ever what the library
                # skips; a flood must not keep others, and the limit, waiting.
                await asyncio.sleep(0)
            else:
                self._in.write_eof()

    def _refusal(self, error: ssl.SSLError) -> str:
        reason = _reason(error).replace(" ", "_").upper()
        if reason in _NO_TLS:
            return f"{self._where} doesn't speak TLS"
        if reason in _NO_VERSION:
            return f"{self._where} offers no version of TLS that is accepted"
        if reason.endswith("ALERT_HANDSHAKE_FAILURE"):
            return f"{self._where} refuses the TLS handshake: it wants a certificate of the client, or other ciphers"
        if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "EOF" in reason:
            return f"{self._where} closed the connection during the TLS handshake"
        return f"the TLS handshake with {self._where} failed: {_reason(error)}"


def _reason(error: Exception) -> str:
    """The library's reason in small letters, without the place in its source. Reasons that this Python has no name for
    stand in the text alone."""
    reason = getattr(error, "reason", None)
    text = reason.replace("_", " ") if reason else str(error).partition(" (_ssl")[0].removeprefix("[SSL] ")
    return text.lower()
