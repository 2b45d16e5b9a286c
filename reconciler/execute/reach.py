"""What strategies over plain sockets share: one deadline for a run, and connecting to checked addresses.

Sockets are used as they are, without transports: closing one takes effect at once, so that a run which is cancelled
leaves nothing open behind it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from reconciler.base.durations import format_duration
from reconciler.execute.egress import Address
from reconciler.execute.port import Failed, Unobservable

_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""What stands in the way is on our side, and says nothing of the target."""

_WORDS = {
    errno.ECONNREFUSED: "the connection is refused",
    errno.ECONNRESET: "the connection is reset",
    errno.ECONNABORTED: "the connection is aborted",
    errno.EPIPE: "the connection is closed",
    errno.ETIMEDOUT: "nothing answers",
    errno.EHOSTUNREACH: "the host is unreachable",
    errno.ENETUNREACH: "there is no route to its network",
    errno.EADDRNOTAVAIL: "this host has no address to connect from",
    errno.EAFNOSUPPORT: "this host doesn't speak its protocol",
    errno.EPERM: "a firewall of this host forbids it",
    errno.EACCES: "a firewall of this host forbids it",
}


class Limit:
    """A moment by the event loop's clock at which a run ends. Make one where the run starts."""

    def __init__(self, ms: float) -> None:
        self.ms = ms
        self.at = asyncio.get_running_loop().time() + ms / 1000

    @property
    def left(self) -> float:
        """Seconds until then, 0 when it has passed."""
        return max(0.0, self.at - asyncio.get_running_loop().time())

    @asynccontextmanager
    async def during(self, doing: str) -> AsyncIterator[None]:
        """Ends what is inside when the moment comes, with a sentence that says what was being done."""
        try:
            async with asyncio.timeout_at(self.at) as timeout:
                yield
        except TimeoutError as error:
            # Any other one is the kernel's word for a peer that stopped answering.
            if not timeout.expired():
                raise
            raise Failed(f"{doing} took longer than {format_duration(round(self.ms))}", timed_out=True) from error


class Reached(NamedTuple):
    """A connected socket, not blocking; the caller closes it."""

    sock: socket.socket
    address: Address
    took_ms: float


def named(host: str, port: int | None = None) -> str:
    """Host and port as messages show them."""
    shown = f"[{host}]" if ":" in host and not host.startswith("[") and port is not None else host
    return shown if port is None else f"{shown}:{port}"


def since(began: float) -> float:
    """Milliseconds since a ``time.perf_counter()``."""
    return round((time.perf_counter() - began) * 1000, 3)


def words(error: OSError) -> str:
    """What the kernel says, so that it follows a colon."""
    if error.errno in _WORDS:
        return _WORDS[error.errno]
    text = os.strerror(error.errno) if error.errno is not None else str(error)
    return text[:1].lower() + text[1:]


def ours(error: OSError) -> None:
    """Raises :class:`Unobservable` where the kernel's refusal has its cause in this process or host."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise Unobservable("no further socket can be opened: raise the limit of open files (ulimit -n)") from error
    if error.errno in _OURS:
        raise Unobservable(f"no further socket can be opened: {words(error)}") from error


def open_socket(family: int, kind: int, proto: int = 0) -> socket.socket:
    """A socket that doesn't block. Raises :class:`Unobservable`, or ``OSError`` for what this host doesn't speak."""
    try:
        sock = socket.socket(family, kind, proto)
    except OSError as error:
        ours(error)
        raise
    sock.setblocking(False)
    return sock


async def connect(addresses: Sequence[Address], host: str, port: int, *, limit: Limit) -> Reached:
    """To the first of the addresses that lets us. Each but the last gets its even share of the time that is left, so
    that one which swallows everything can't use it up alone. Raises :class:`Failed` that tells of all of them."""
    began = time.perf_counter()
    failures: list[str] = []
    for index, address in enumerate(addresses):
        left = len(addresses) - index
        try:
            async with asyncio.timeout(limit.left / left if left > 1 else None):
                sock = await _connected(address)
        except TimeoutError:
            failures.append(_failure("nothing answers", address, host))
        except OSError as error:
            ours(error)
            failures.append(_failure(words(error), address, host))
        else:
            return Reached(sock, address, since(began))
    raise Failed(f"can't connect to {named(host, port)}: {'; '.join(dict.fromkeys(failures))}")


async def _connected(address: Address) -> socket.socket:
    sock = open_socket(address.family, socket.SOCK_STREAM)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (address.ip, address.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _failure(what: str, address: Address, host: str) -> str:
    return what if address.ip == host.strip("[]") else f"{what} ({address.ip})"
