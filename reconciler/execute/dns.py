"""DNS: what a server answers to a question. The answer is a result whatever its code; that there is none is a failure.

Only the server is connected to, and its address is checked. What the answer points to is never touched.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.reversename

from reconciler.execute.dns_exchange import Exchange, Servers
from reconciler.execute.egress import Address, Resolved
from reconciler.execute.handshake import Trust
from reconciler.execute.port import Collected, Context, Failed, Unobservable
from reconciler.execute.reach import Limit, named, since

RESOLV_CONF = "/etc/resolv.conf"

_PORTS = {"udp": 53, "tcp": 53, "tls": 853}
_PAYLOAD = 1232
"""Bytes of an answer by UDP that pass everywhere without being split."""


class Dns:
    """The strategy dns."""

    def __init__(self, resolv_conf: str = RESOLV_CONF) -> None:
        """``resolv_conf`` names the resolvers of the host."""
        self._resolv_conf = resolv_conf
        self._trust = Trust()

    async def open(self, config: Mapping[str, Any], context: Context) -> DnsConnection:
        """Find out whom to ask. Nothing is sent before the first lookup."""
        limit = Limit(config["timeout"])
        protocol, host = config["protocol"], config.get("nameserver")
        port = _PORTS["tls"] if protocol == "tls" and config["port"] == 53 else config["port"]
        if host is None:
            resolved = self._own(port, context, trusted=port == _PORTS[protocol])
        else:
            async with limit.during(f"resolving the name {host}"):
                resolved = await context.guard.resolve(host, port)
        servers = Servers(
            resolved.addresses,
            host or resolved.addresses[0].ip,
            protocol,
            host is not None,
            config.get("servername"),
            config.get("caCert"),
        )
        return DnsConnection(servers, self._trust, round(resolved.took_ms, 3), limit=limit)

    def repeatable(self, config: Mapping[str, Any], collectors: tuple[tuple[str, Mapping[str, Any]], ...]) -> bool:
        """A question changes nothing."""
        return True

    async def aclose(self) -> None:
        """Nothing is open."""

    def _own(self, port: int, context: Context, *, trusted: bool) -> Resolved:
        """The host's resolvers. At their own port they may be wherever the host has them, link-local ones included,
        since all of its name resolution goes there; at any other port the author of the check picked what is asked."""
        try:
            found = dns.resolver.Resolver(self._resolv_conf).nameservers
        except (dns.exception.DNSException, ValueError, OSError) as error:
            raise Unobservable(
                f"{self._resolv_conf} names no resolver: name one there, or give the check a nameserver"
            ) from error
        addresses = []
        for ip in (str(server) for server in found):
            if not trusted:
                context.guard.check(ip)
            family = ipaddress.ip_address(ip.partition("%")[0]).version
            addresses.append(Address(socket.AF_INET if family == 4 else socket.AF_INET6, ip, port))
        return Resolved(tuple(addresses), 0.0)


class Question(NamedTuple):
    """A name and the type of its records."""

    name: dns.name.Name
    type: dns.rdatatype.RdataType

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Question:
        """What a lookup asks. The name is taken as it is, without the search list of the host; an address whose PTR
        is asked for is turned around. Raises :class:`Failed` for what is no name."""
        text, kind = config["hostname"], dns.rdatatype.from_text(config["recordType"])
        try:
            if kind == dns.rdatatype.PTR and (address := _address(text)) is not None:
                return cls(dns.reversename.from_address(address), kind)
            return cls(dns.name.from_text(text, idna_codec=dns.name.IDNA_2003), kind)
        except (dns.exception.DNSException, UnicodeError) as error:
            raise Failed(f"{text} is no name that can be looked up: {error}") from error

    def query(self) -> dns.message.QueryMessage:
        """A message that asks it."""
        return dns.message.make_query(self.name, self.type, use_edns=0, payload=_PAYLOAD)


class DnsConnection:
    """Knows whom to ask."""

    def __init__(self, servers: Servers, trust: Trust, took_ms: float, *, limit: Limit) -> None:
        self._servers = servers
        self._trust = trust
        self._took_ms = took_ms
        self._limit = limit

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        """Ask once."""
        question = Question.of(config)
        own = Limit(config["timeout"])
        limit = own if own.at <= self._limit.at else self._limit
        exchange = Exchange(self._servers, self._trust, limit, {"dns": self._took_ms})
        began = time.perf_counter()
        try:
            answer = await exchange.ask(question.query())
        except Failed as failure:
            what = f"{config['hostname']} {config['recordType']} can't be looked up: {failure.sentence}"
            raise Failed(what, timed_out=failure.timed_out) from failure
        took = since(began)
        exchange.phases["total"] = round(took + self._took_ms, 3)
        result = {"resolutionTimeMs": took, **_found(answer, question, self._where())}
        return Collected(result, None, exchange.phases, notes=tuple(exchange.notes))

    async def close(self) -> None:
        """Every lookup closes what it opened."""

    def _where(self) -> str:
        return named(self._servers.host, self._servers.addresses[0].port)


def _found(answer: dns.message.QueryMessage, question: Question, where: str) -> dict[str, Any]:
    """The fields of the result that the answer decides. Aliases are followed within it. ``ttl`` isn't there where
    nothing has one: 0 would be a claim."""
    found: dict[str, Any] = {
        "records": [],
        "recordCount": 0,
        "responseCode": dns.rcode.to_text(answer.rcode()),
        "success": False,
    }
    if answer.rcode() != dns.rcode.NOERROR:
        return found
    try:
        chain = answer.resolve_chaining()
    except dns.exception.DNSException as error:
        raise Failed(f"{where} gives an answer that makes no sense: {error}") from error
    if chain.answer is not None:
        # In the order of the DNS itself, as servers turn theirs around with every answer.
        found["records"] = [record.to_text() for record in sorted(chain.answer)]
        found["recordCount"] = len(chain.answer)
        found["ttl"] = min(rrset.ttl for rrset in (chain.answer, *chain.cnames))
        found["success"] = True
    return found


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
