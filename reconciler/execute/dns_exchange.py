"""One question to DNS servers and its answer: UDP with a fall back to TCP, TCP alone, or TLS.

dnspython makes and reads the messages. Sending them is done here, over sockets of our own, so that they go to checked
addresses only and none is left open by a run that was cancelled.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.rcode

from reconciler.base.durations import format_duration
from reconciler.execute.egress import Address
from reconciler.execute.handshake import BLIND, Secure, Trust, blind
from reconciler.execute.port import Failed, Unobservable
from reconciler.execute.reach import Limit, connect, named, open_socket, ours, since, words

_AGAIN = (1.0, 2.0, 4.0)
"""Seconds after which a question by UDP is sent again, each counted from the one before: packets do get lost."""
_MOST = 65_535

_ELSEWHERE = {dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP}
"""What a server says when another one may know better; asked for only where the host names several."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Whom to ask, and how. ``alike``: one server under several addresses, whose first answer counts."""

    addresses: tuple[Address, ...]
    host: str
    protocol: str
    alike: bool
    servername: str | None = None
    ca: str | None = None


@dataclass(slots=True)
class Exchange:
    """One lookup. ``phases`` are filled on the way."""

    servers: Servers
    trust: Trust
    limit: Limit
    phases: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    async def ask(self, query: dns.message.QueryMessage) -> dns.message.QueryMessage:
        """The answer. Each server but the last gets its even share of the time that is left. Raises :class:`Failed`
        where none of them answers, which tells of all."""
        last: dns.message.QueryMessage | None = None
        failures: list[Failed] = []
        for index, address in enumerate(self.servers.addresses):
            left = len(self.servers.addresses) - index
            share = self.limit if left == 1 else Limit(self.limit.left * 1000 / left)
            try:
                last = await self._asked(query, address, share)
            except Failed as failure:
                failures.append(failure)
                continue
            if self.servers.alike or last.rcode() not in _ELSEWHERE:
                return last
        if last is not None:
            return last
        sentences = "; ".join(dict.fromkeys(failure.sentence for failure in failures))
        raise Failed(sentences, timed_out=all(failure.timed_out for failure in failures))

    async def _asked(self, query: dns.message.QueryMessage, address: Address, limit: Limit) -> dns.message.QueryMessage:
        answer = await self._one(query, address, limit)
        if answer.rcode() == dns.rcode.FORMERR and answer.edns < 0 <= query.edns:
            # A server from before 1999 that stumbles over the extension it doesn't know.
            query.use_edns(False)
            answer = await self._one(query, address, limit)
        return answer

    async def _one(self, query: dns.message.QueryMessage, address: Address, limit: Limit) -> dns.message.QueryMessage:
        where = named(address.ip, address.port)
        ways: dict[str, Callable[[dns.message.QueryMessage, Address, Limit], Awaitable[dns.message.QueryMessage]]]
        ways = {"udp": self._udp, "tcp": self._tcp, "tls": self._tls}
        try:
            async with asyncio.timeout_at(limit.at) as timeout:
                return await ways[self.servers.protocol](query, address, limit)
        except TimeoutError as error:
            if not timeout.expired():
                raise Failed(f"{where} can't be asked: {words(error)}") from error
            raise Failed(f"{where} didn't answer within {format_duration(round(limit.ms))}", timed_out=True) from error
        except (OSError, EOFError) as error:
            what = words(error) if isinstance(error, OSError) else "it closed the connection without an answer"
            raise Failed(f"{where} can't be asked: {what}") from error
        except Unreadable as error:
            raise Failed(f"{where} answers with what is no answer: {error}") from error

    async def _udp(self, query: dns.message.QueryMessage, address: Address, limit: Limit) -> dns.message.QueryMessage:
        loop, wire = asyncio.get_running_loop(), query.to_wire()
        sock = open_socket(address.family, socket.SOCK_DGRAM)
        try:
            # Connected, so that the kernel drops what others send, and says when nobody listens.
            await loop.sock_connect(sock, (address.ip, address.port))
            waits = iter(_AGAIN)
            while True:
                await loop.sock_sendall(sock, wire)
                try:
                    async with asyncio.timeout(next(waits, None)) as pause:
                        data = await _datagram(sock, query)
                except TimeoutError:
                    if pause.expired():
                        continue
                    raise
                if data[2] & 0x02:
                    self.notes.append("the answer didn't fit into a datagram and was asked for by TCP")
                    return await self._tcp(query, address, limit)
                return read(data, query)
        except OSError as error:
            ours(error)
            raise
        finally:
            sock.close()

    async def _tcp(self, query: dns.message.QueryMessage, address: Address, limit: Limit) -> dns.message.QueryMessage:
        reached = await connect((address,), address.ip, address.port, limit=limit)
        self.phases["connect"] = reached.took_ms
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(reached.sock, query.to_wire(prepend_length=True))
            return read(await _framed(lambda most: loop.sock_recv(reached.sock, most)), query)
        finally:
            reached.sock.close()

    async def _tls(self, query: dns.message.QueryMessage, address: Address, limit: Limit) -> dns.message.QueryMessage:
        context = await self.trust.context(ca=self.servers.ca, verify=True)
        reached = await connect((address,), address.ip, address.port, limit=limit)
        self.phases["connect"] = reached.took_ms
        where, began = named(address.ip, address.port), time.perf_counter()
        try:
            secure = Secure(reached.sock, context, name=self.servers.servername or self.servers.host, where=where)
            doubt = await secure.handshake()
            if doubt is not None:
                if self.servers.ca is None and blind():
                    raise Unobservable(BLIND)
                raise Failed(f"the certificate of {where} can't be trusted: {doubt.words}")
            self.phases["tls"] = since(began)
            await secure.send(query.to_wire(prepend_length=True))
            answer = read(await _framed(secure.receive), query)
            secure.close()
            return answer
        finally:
            reached.sock.close()


class Unreadable(Exception):
    """What came is no message, or none that answers the question."""


def read(data: bytes, query: dns.message.QueryMessage) -> dns.message.QueryMessage:
    """The message. Raises :class:`Unreadable`."""
    try:
        answer = dns.message.from_wire(data, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, IndexError, KeyError) as error:
        # Not all that can be wrong in a message has an exception of the library.
        raise Unreadable(str(error).rstrip(".") or type(error).__name__) from error
    if not isinstance(answer, dns.message.QueryMessage) or not query.is_response(answer):
        raise Unreadable("it belongs to another question")
    return answer


async def _datagram(sock: socket.socket, query: dns.message.QueryMessage) -> bytes:
    """The first one with the question's number. Others aren't ours, or come too late from an earlier question."""
    loop = asyncio.get_running_loop()
    while True:
        data = await loop.sock_recv(sock, _MOST)
        if len(data) >= 12 and int.from_bytes(data[:2], "big") == query.id:
            return data
        # What is there already is handed out without a pause; a flood must not keep others, and the limit, waiting.
        await asyncio.sleep(0)


async def _framed(receive: Callable[[int], Awaitable[bytes]]) -> bytes:
    """A message after its length. Raises ``EOFError``."""
    length = int.from_bytes(await _exactly(receive, 2), "big")
    return await _exactly(receive, length)


async def _exactly(receive: Callable[[int], Awaitable[bytes]], count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        chunk = await receive(count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)
