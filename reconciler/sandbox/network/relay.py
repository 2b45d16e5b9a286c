"""Bytes between two sockets, for many pairs in one selector; half-closed connections stay half open."""

from __future__ import annotations

import selectors
import socket
from contextlib import suppress
from typing import Final

_MOST: Final = 1 << 16
_NOTHING: Final = 0


class Pair:
    """``inner`` is the sandbox's side. Ends when both directions are done, or either fails."""

    def __init__(self, selector: selectors.BaseSelector, inner: socket.socket, outer: socket.socket) -> None:
        self._selector = selector
        self._peer = {inner: outer, outer: inner}
        self._waiting = {inner: bytearray(), outer: bytearray()}
        """What is still to be written to that socket."""
        self._ended = {inner: False, outer: False}
        """Whether that socket will say no more."""
        self._shut = {inner: False, outer: False}
        self._interest = {inner: _NOTHING, outer: _NOTHING}
        self.closed = False
        for side in self._peer:
            side.setblocking(False)
        self._watch()

    def ready(self, side: socket.socket, events: int) -> None:
        """Called with what the selector saw on one of the two."""
        try:
            if events & selectors.EVENT_READ:
                self._read(side)
            if events & selectors.EVENT_WRITE:
                self._write(side)
            self._finish()
        except OSError:
            self.close()
        if not self.closed:
            self._watch()

    def close(self) -> None:
        """Both sides, at once."""
        if self.closed:
            return
        self.closed = True
        for side, interest in self._interest.items():
            if interest:
                with suppress(KeyError, ValueError):
                    self._selector.unregister(side)
            side.close()

    def _read(self, side: socket.socket) -> None:
        try:
            data = side.recv(1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._ended[side] = True
            return
        peer = self._peer[side]
        self._waiting[peer] += data
        self._write(peer)

    def _write(self, side: socket.socket) -> None:
        waiting = self._waiting[side]
        with suppress(BlockingIOError):
            while waiting:
                del waiting[: side.send(waiting)]

    def _finish(self) -> None:
        for side, peer in self._peer.items():
            if self._ended[side] and not self._waiting[peer] and not self._shut[peer]:
                self._shut[peer] = True
                peer.shutdown(socket.SHUT_WR)
        if all(self._shut.values()):
            self.close()

    def _watch(self) -> None:
        """Read only while the other side keeps up."""
        for side, peer in self._peer.items():
            wanted = _NOTHING
            if not self._ended[side] and len(self._waiting[peer]) < _MOST:
                wanted |= selectors.EVENT_READ
            if self._waiting[side]:
                wanted |= selectors.EVENT_WRITE
            if wanted == self._interest[side]:
                continue
            if not self._interest[side]:
                self._selector.register(side, wanted, self)
            elif wanted:
                self._selector.modify(side, wanted, self)
            else:
                self._selector.unregister(side)
            self._interest[side] = wanted
