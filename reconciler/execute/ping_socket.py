"""One socket's echo requests and the replies to them."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time

from icmplib import (  # type: ignore[import-untyped]  # it has no annotations
    ICMPRequest,
    ICMPSocketError,
    ICMPv4Socket,
    ICMPv6Socket,
    SocketAddressError,
    SocketPermissionError,
)

from reconciler.execute.egress import Address
from reconciler.execute.port import Unobservable
from reconciler.execute.reach import words

FORBIDDEN = (
    "this process may not send pings: allow its group with `sysctl net.ipv4.ping_group_range='0 2147483647'`, "
    "or give it the capability CAP_NET_RAW"
)

_SO_TIMESTAMPNS = 35
"""Linux: the kernel says when a packet came, so that latencies are those of the network and not of a busy loop."""
_TIMESPEC = struct.Struct("ll")
_TOKEN = 8
_REPLY: dict[int, int] = {socket.AF_INET: 0, socket.AF_INET6: 129}
_BURST = 64
"""Packets that are read in one go: a flood must not keep others, and the limit, waiting."""


class Echo:
    """A socket that is connected to one address, so that the kernel drops what others send. ``sent`` are the numbers
    of packets on their way or lost, ``latencies`` those that came back, in milliseconds; ``trouble`` is what the kernel
    last said against it."""

    def __init__(self, address: Address, size: int) -> None:
        """Raises ``OSError`` where there is no way to the address, :class:`Unobservable` where pings are forbidden."""
        self.address = address
        self.sent: dict[int, tuple[float, float]] = {}
        self.latencies: dict[int, float] = {}
        self.trouble: str | None = None
        token = os.urandom(_TOKEN)
        self._payload = (token * (size // _TOKEN + 1))[:size]
        self._id = int.from_bytes(os.urandom(2), "big")
        self._icmp = _socket(address.family)
        self._sock: socket.socket = self._icmp.sock
        try:
            self._sock.setblocking(False)
            self._sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self._sock.connect((address.ip, 0))
        except BaseException:
            self.close()
            raise

    def send(self) -> None:
        """Send the next packet. What the kernel refuses counts as lost, as later ones may get through."""
        number = len(self.sent)
        request = ICMPRequest(self.address.ip, self._id, number, self._payload, len(self._payload))
        began = time.perf_counter()
        try:
            self._icmp.send(request)
        except ICMPSocketError as error:
            # The library puts errors of its own in the kernel's place.
            cause = error.__context__
            self.trouble = words(cause) if isinstance(cause, OSError) else str(error)
        # The library notes the moment right before it sends, after all its own work.
        self.sent[number] = began, request.time

    async def receive(self, patience: float) -> None:
        """Wait for something to come and take what there is. Replies later than ``patience`` seconds are lost."""
        await self._readable()
        for _ in range(_BURST):
            try:
                data, ancillary, _, _ = self._sock.recvmsg(256, 128)
            except BlockingIOError:
                return
            except OSError as error:
                # An answer of the network to one of the packets; which one, isn't told.
                self.trouble = words(error)
                return
            self._take(data, _arrived(ancillary), patience)

    def close(self) -> None:
        """Close the socket."""
        self._icmp.close()

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._sock, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._sock)

    def _take(self, data: bytes, arrived: float | None, patience: float) -> None:
        now = time.perf_counter()
        number = self._number(data)
        if number is None or number not in self.sent or number in self.latencies:
            return
        sent, sent_by_wall = self.sent[number]
        latency = now - sent
        # The kernel counts in wall time, which may have been set in between.
        if arrived is not None and 0 <= arrived - sent_by_wall <= latency:
            latency = arrived - sent_by_wall
        if latency <= patience:
            self.latencies[number] = latency * 1000

    def _number(self, data: bytes) -> int | None:
        """The number of our packet that this is the reply to; None for anything else."""
        if self._icmp.is_privileged and self.address.family == socket.AF_INET:
            data = data[(data[0] & 0x0F) * 4 :] if data else data
        if len(data) < 8 or data[0] != _REPLY[self.address.family]:
            return None
        # A ping socket's number is the kernel's, which has looked at it already.
        if self._icmp.is_privileged and int.from_bytes(data[4:6], "big") != self._id:
            return None
        if data[8 : 8 + _TOKEN] != self._payload[:_TOKEN]:
            return None
        return int.from_bytes(data[6:8], "big")


async def pinging(echo: Echo, *, count: int, interval: float, patience: float, until: float) -> None:
    """Send ``count`` packets, one each ``interval`` seconds, and return when all came back, when the last has had
    ``patience`` seconds, or at ``until`` by the loop's clock, whichever is first."""
    loop = asyncio.get_running_loop()
    due = last = loop.time()
    while True:
        now = loop.time()
        if now >= until:
            return
        if len(echo.sent) < count:
            if now >= due:
                echo.send()
                last = now
                due = max(due + interval, now)
                continue
            wake = due
        elif len(echo.latencies) == count:
            return
        else:
            wake = last + patience
            if now >= wake:
                return
        try:
            async with asyncio.timeout_at(min(wake, until)):
                await echo.receive(patience)
        except TimeoutError:
            continue


def _socket(family: int) -> ICMPv4Socket | ICMPv6Socket:
    kind: type[ICMPv4Socket | ICMPv6Socket] = ICMPv4Socket if family == socket.AF_INET else ICMPv6Socket
    for privileged in (False, True):
        try:
            return kind(privileged=privileged)
        except SocketPermissionError:
            continue
        except (ICMPSocketError, SocketAddressError) as error:
            raise error.__context__ or OSError(str(error)) from None
    raise Unobservable(FORBIDDEN)


def _arrived(ancillary: list[tuple[int, int, bytes]]) -> float | None:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack(data[: _TIMESPEC.size])
            return float(seconds) + float(nanoseconds) / 1e9
    return None
