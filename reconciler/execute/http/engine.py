"""libcurl's multi interface in the worker's event loop: transfers cost no threads, and libcurl says when it wants what.

Handles are pooled, since making one costs more than the transfer's Python. Every transfer gets a connection of its own
that ends with it, as a check is to measure connecting too; the multi handle is shared for what isn't measured, the
parsed certificates of authorities.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

import pycurl  # type: ignore[import-untyped]

BODY = 1 << 20
"""Bytes of a decompressed body that are read; then the transfer is ended."""
_POOLED = 256


class Transfer:
    """One pooled handle. ``headers`` are the raw header lines, the status lines among them."""

    def __init__(self) -> None:
        self.curl = pycurl.Curl()
        self.headers: list[bytes] = []
        self.body = bytearray()
        self.cut = False
        self.done: asyncio.Future[int] | None = None

    def begin(self) -> pycurl.Curl:
        """The handle with nothing but what every transfer wants; what the last one said is forgotten."""
        curl, self.cut = self.curl, False
        self.headers, self.body = [], bytearray()
        curl.setopt(pycurl.WRITEFUNCTION, self._write)
        curl.setopt(pycurl.HEADERFUNCTION, self.headers.append)
        for option, value in _ALWAYS:
            curl.setopt(option, value)
        return curl

    def _write(self, data: bytes) -> int:
        room = BODY - len(self.body)
        if len(data) > room:
            self.body += data[:room]
            self.cut = True
            return 0  # not what came: libcurl ends the transfer
        self.body += data
        return len(data)


_ALWAYS = (
    (pycurl.NOSIGNAL, 1),
    (pycurl.FRESH_CONNECT, 1),
    (pycurl.FORBID_REUSE, 1),
    (pycurl.DNS_CACHE_TIMEOUT, 0),
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    (pycurl.PROXY, ""),  # else http_proxy of the worker's environment would count
    (pycurl.ACCEPT_ENCODING, "gzip, deflate, br"),
)


class Engine:
    """The multi handle of one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, 16)
        self._idle: list[Transfer] = []
        self._running: dict[pycurl.Curl, Transfer] = {}
        # A set of our own, which the loop watches as one descriptor: registering with the loop itself costs more than
        # all else that a transfer needs of Python.
        self._selector: Any = selectors.DefaultSelector()  # epoll or kqueue: has a descriptor itself
        self._loop.add_reader(self._selector.fileno(), self._ready)
        self._watched: set[int] = set()
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None

    async def perform(self, prepare: Callable[[pycurl.Curl], None], finish: Callable[[Transfer, int], Any]) -> Any:
        """One transfer: ``prepare`` sets options, ``finish`` takes what is to be known from the handle, which is
        another one's afterwards; it gets libcurl's code, 0 for success. Its result is returned."""
        transfer = self._idle.pop() if self._idle else Transfer()
        curl = transfer.begin()
        added = False
        try:
            prepare(curl)
            transfer.done = self._loop.create_future()
            self._running[curl] = transfer
            self._multi.add_handle(curl)
            added = True
            return finish(transfer, await transfer.done)
        finally:
            self._running.pop(curl, None)
            if added and not self._closed:
                self._multi.remove_handle(curl)
            curl.reset()
            if len(self._idle) < _POOLED and not self._closed:
                self._idle.append(transfer)
            else:
                curl.close()

    def close(self) -> None:
        """End everything; transfers that still run end as cancelled."""
        for handle in (self._timer, self._soon):
            if handle is not None:
                handle.cancel()
        for curl, running in self._running.items():
            self._multi.remove_handle(curl)
            if running.done is not None:
                running.done.cancel()
        for transfer in self._idle:
            transfer.curl.close()
        self._idle.clear()
        self._closed = True
        self._multi.close()
        self._loop.remove_reader(self._selector.fileno())
        self._selector.close()

    def _watch(self, what: int, fd: int, multi: Any, data: Any) -> None:
        """libcurl says what it wants to know of a socket, in the bits of the selectors' own mask."""
        if what == pycurl.POLL_REMOVE:
            if fd in self._watched:
                self._watched.discard(fd)
                self._selector.unregister(fd)
        elif fd in self._watched:
            self._selector.modify(fd, what)
        else:
            self._watched.add(fd)
            self._selector.register(fd, what)

    def _ready(self) -> None:
        """Something happened on some sockets."""
        act = self._multi.socket_action
        for key, events in self._selector.select(0):
            act(key.fd, events)
        self._harvest()

    def _set_timer(self, ms: int) -> None:
        """libcurl wants to be called after so many milliseconds; -1 takes that back. Never called back from here:
        libcurl isn't to be entered from its own callbacks."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if ms == 0:
            if self._soon is None:
                self._soon = self._loop.call_soon(self._at_once)
        elif ms > 0:
            self._timer = self._loop.call_later(ms / 1000, self._timed)

    def _at_once(self) -> None:
        self._soon = None
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._harvest()

    def _timed(self) -> None:
        self._timer = None
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._harvest()

    def _harvest(self) -> None:
        """Wake those whose transfers have ended."""
        while True:
            left, good, bad = self._multi.info_read()
            for curl in good:
                self._finished(curl, 0)
            for curl, code, _ in bad:
                self._finished(curl, code)
            if not left:
                return

    def _finished(self, curl: pycurl.Curl, code: int) -> None:
        transfer = self._running.get(curl)
        if transfer is not None and transfer.done is not None and not transfer.done.done():
            transfer.done.set_result(code)
