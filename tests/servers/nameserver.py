"""A DNS server on loopback by UDP, TCP and TLS, that answers from a zone or misbehaves as a test wants it to."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone

from tests.servers.peers import peer

Answering = Callable[[dns.message.Message, str], Iterable[bytes]]
"""A question and how it came (``udp``, ``tcp``, ``tls``) to the messages to send back."""


class Nameserver:
    """A running server. ``port`` is that of UDP and TCP; ``asked`` has how each question came."""

    def __init__(self) -> None:
        self.port = 0
        self.tls_port = 0
        self.asked: list[str] = []
        self.questions: list[dns.message.Message] = []


@asynccontextmanager
async def nameserver(
    answering: Answering, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Nameserver]:
    """Serves for as long as the block lasts."""
    state = Nameserver()

    def respond(data: bytes, via: str) -> Iterable[bytes]:
        query = dns.message.from_wire(data)
        state.asked.append(via)
        state.questions.append(query)
        return answering(query, via)

    def talker(via: str) -> Any:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            length = int.from_bytes(await reader.readexactly(2), "big")
            for message in respond(await reader.readexactly(length), via):
                writer.write(len(message).to_bytes(2, "big") + message)
                await writer.drain()

        return talk

    class Datagrams(asyncio.DatagramProtocol):
        transport: asyncio.DatagramTransport

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            for message in respond(data, "udp"):
                self.transport.sendto(message, addr)

    async with contextlib.AsyncExitStack() as stack:
        loop = asyncio.get_running_loop()
        while True:
            served = await stack.enter_async_context(peer(talker("tcp"), host=host))
            try:
                transport, _ = await loop.create_datagram_endpoint(Datagrams, (host, served.port))
            except OSError:
                # The port is taken for datagrams; the next one may be free for both.
                continue
            break
        stack.callback(transport.close)
        state.port = served.port
        if tls is not None:
            state.tls_port = (await stack.enter_async_context(peer(talker("tls"), host=host, tls=tls))).port
        yield state


def zone(text: str, *, origin: str = "example.net.") -> Answering:
    """Answers from a zone in its text form, as an authoritative server does. What doesn't fit is truncated."""
    known = dns.zone.from_text(text, origin=origin, relativize=False)

    def answering(query: dns.message.Message, via: str) -> Iterable[bytes]:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        asked = query.question[0]
        _fill(response, known, asked.name, asked.rdtype)
        wire = response.to_wire(max_size=65_535)
        most = max(512, query.payload if query.edns >= 0 else 0)
        if via == "udp" and len(wire) > most:
            response.answer = []
            response.flags |= dns.flags.TC
            wire = response.to_wire()
        return (wire,)

    return answering


def _fill(
    response: dns.message.Message, known: dns.zone.Zone, name: dns.name.Name, kind: dns.rdatatype.RdataType
) -> None:
    while True:
        node = known.get_node(name)
        if node is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
            return
        found = node.get_rdataset(known.rdclass, kind)
        if found is not None:
            response.answer.append(dns.rrset.from_rdata_list(name, found.ttl, list(found)))
            return
        alias = node.get_rdataset(known.rdclass, dns.rdatatype.CNAME)
        if alias is None:
            return
        response.answer.append(dns.rrset.from_rdata_list(name, alias.ttl, list(alias)))
        name = alias[0].target
        if not name.is_subdomain(known.origin or name):
            return


def code(rcode: dns.rcode.Rcode) -> Answering:
    """Answers everything with this code."""

    def answering(query: dns.message.Message, via: str) -> Iterable[bytes]:
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        return (response.to_wire(),)

    return answering


def silent(query: dns.message.Message, via: str) -> Iterable[bytes]:
    """Answers nothing."""
    return ()
