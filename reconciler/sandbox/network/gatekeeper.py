"""The supervisor's side of the gate: one thread for a run, that connects first and lets the script's call go on after.

So a script sees the error of the real destination, and never holds a socket of the host.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import threading
import time
from collections import Counter, defaultdict, deque
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Final

from reconciler.sandbox.network import notify
from reconciler.sandbox.network.notify import Question, Target
from reconciler.sandbox.network.ranges import Address, Standing, judge
from reconciler.sandbox.network.relay import Pair
from reconciler.sandbox.network.resolve import Resolution

CONNECT_LIMIT: Final = 30.0
"""Seconds for one connection to come about; then the script sees ETIMEDOUT."""
_MOST: Final = 128
"""Connections of one run at a time; further ones fail with EMFILE, as they would without descriptors."""


class _Attempt:
    """A connection that is under way for a script that waits."""

    def __init__(self, question: Question, target: Target, outer: socket.socket, label: str) -> None:
        self.question, self.target, self.outer, self.label = question, target, outer, label
        self.until = time.monotonic() + CONNECT_LIMIT


class Gatekeeper:
    """``channel`` is our end of the socket that the launcher inside talks to."""

    def __init__(self, channel: socket.socket, resolution: Resolution) -> None:
        self._channel, self._resolution = channel, resolution
        self._selector = selectors.DefaultSelector()
        self._stopped, self._stop = os.pipe2(os.O_CLOEXEC)
        self._notify = -1
        self._listeners: list[socket.socket] = []
        self._attempts: set[_Attempt] = set()
        self._pairs: set[Pair] = set()
        self._connected: defaultdict[tuple[Address, int], deque[socket.socket]] = defaultdict(deque)
        self._counters: Counter[str] = Counter(
            dict.fromkeys([*(p.label for p in resolution.pins), "denied", "denied-always"], 0)
        )
        self._thread = threading.Thread(target=self._serve, daemon=True, name="gate")

    def start(self) -> None:
        """The launcher may come any time from now on."""
        self._selector.register(self._channel, selectors.EVENT_READ, self._greet)
        self._selector.register(self._stopped, selectors.EVENT_READ, None)
        self._thread.start()

    def end(self) -> dict[str, int]:
        """Close everything; connection attempts by the label of what they were for."""
        os.close(self._stop)
        self._thread.join(5)
        return dict(self._counters)

    def _serve(self) -> None:
        try:
            while True:
                for key, events in self._selector.select(0.25 if self._attempts else None):
                    if key.fileobj == self._stopped:
                        return
                    self._handle(key, events)
                self._expire()
        finally:
            self._close()

    def _handle(self, key: selectors.SelectorKey, events: int) -> None:
        if isinstance(key.data, Pair):
            side: Any = key.fileobj
            key.data.ready(side, events)
            if key.data.closed:
                self._pairs.discard(key.data)
        elif isinstance(key.data, _Attempt):
            self._connect_ended(key.data)
        else:
            try:
                key.data(key.fileobj)
            except OSError:
                with suppress(KeyError, ValueError):
                    self._selector.unregister(key.fileobj)

    def _greet(self, channel: socket.socket) -> None:
        """The launcher hands out its filter and listeners, or says why it can't."""
        data, fds, _, _ = socket.recv_fds(channel, 512, 253)
        self._selector.unregister(channel)
        if data != b"+" or not fds:
            for fd in fds:
                os.close(fd)
            return
        self._notify = fds[0]
        self._selector.register(self._notify, selectors.EVENT_READ, self._asked)
        for fd in fds[1:]:
            listener = socket.socket(fileno=fd)
            listener.setblocking(False)
            self._listeners.append(listener)
            self._selector.register(listener, selectors.EVENT_READ, self._came)
        channel.sendall(b"+")

    def _asked(self, listener: int) -> None:
        if not notify.waits(listener):
            self._selector.unregister(listener)
            return
        question = notify.receive(listener)
        if question is None:
            return
        try:
            target = notify.target(listener, question)
        except (OSError, StopIteration, ValueError):
            notify.refuse(listener, question, errno.EACCES)
            return
        if target is None:
            notify.go_on(listener, question)
            return
        pin = self._resolution.permits(target.address, target.port)
        if pin is not None:
            self._counters[pin.label] += 1
            self._connect(question, target, pin.label)
        elif judge(target.address).standing is Standing.LOOPBACK or target.address.is_unspecified:
            notify.go_on(listener, question)
        else:
            denied = judge(target.address).standing is Standing.DENIED
            self._counters["denied-always" if denied else "denied"] += 1
            notify.refuse(listener, question, errno.EHOSTUNREACH)

    def _connect(self, question: Question, target: Target, label: str) -> None:
        waiting = sum(len(outers) for outers in self._connected.values())
        if len(self._attempts) + len(self._pairs) + waiting >= _MOST:
            notify.refuse(self._notify, question, errno.EMFILE)
            return
        outer = socket.socket(socket.AF_INET6 if target.address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
        outer.setblocking(False)
        attempt = _Attempt(question, target, outer, label)
        code = outer.connect_ex((str(target.address), target.port))
        if code in (0, errno.EINPROGRESS):
            self._attempts.add(attempt)
            self._selector.register(outer, selectors.EVENT_WRITE, attempt)
        else:
            outer.close()
            notify.refuse(self._notify, question, code)

    def _connect_ended(self, attempt: _Attempt, code: int | None = None) -> None:
        self._selector.unregister(attempt.outer)
        self._attempts.discard(attempt)
        if code is None:
            code = attempt.outer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            attempt.outer.close()
            notify.refuse(self._notify, attempt.question, code)
            return
        self._connected[attempt.target].append(attempt.outer)
        notify.go_on(self._notify, attempt.question)

    def _came(self, listener: socket.socket) -> None:
        """A call went on to us. Whoever comes without having asked (by a race, by fast open) finds nobody waiting."""
        with suppress(BlockingIOError):
            inner, _ = listener.accept()
            local = inner.getsockname()
            waiting = self._connected[Target(ip_address(local[0]), local[1])]
            if not waiting:
                inner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                inner.close()
                return
            pair = Pair(self._selector, inner, waiting.popleft())
            self._pairs.add(pair)

    def _expire(self) -> None:
        now = time.monotonic()
        for attempt in [a for a in self._attempts if a.until <= now]:
            self._connect_ended(attempt, errno.ETIMEDOUT)

    def _close(self) -> None:
        for pair in self._pairs:
            pair.close()
        for attempt in self._attempts:
            attempt.outer.close()
        for waiting in self._connected.values():
            for outer in waiting:
                outer.close()
        for listener in self._listeners:
            listener.close()
        if self._notify >= 0:
            os.close(self._notify)
        self._selector.close()
        os.close(self._stopped)
        self._channel.close()
