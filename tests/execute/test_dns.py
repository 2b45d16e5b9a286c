"""The strategy dns against a DNS server on loopback: all its ways to ask, and all the ways a server can fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import pytest

from reconciler.execute.dns import Dns
from reconciler.execute.egress import Guard
from reconciler.execute.port import Collected, Failed, Unobservable
from tests.servers.ca import Authority
from tests.servers.nameserver import Answering, code, nameserver, silent, zone
from tests.servers.peers import closed_port, observe, open_sockets, peer, saying, server_context, settled

LOCAL = "127.0.0.1"
ZONE = zone(
    """
$TTL 300
@           SOA   ns hostmaster 7 3600 600 86400 60
@           NS    ns
@           MX    20 backup
@           MX    5 mail
@           CAA   0 issue "ca.example.org"
@           TXT   "v=spf1 -all" "second part"
ns      120 A     192.0.2.1
www         A     192.0.2.20
www         A     192.0.2.3
www         AAAA  2001:db8::1
alias    60 CNAME www
away        CNAME elsewhere.example.org.
loop        CNAME pool
pool        CNAME loop
_sip._tcp   SRV   1 2 5060 sip
b\u00fccher    A     192.0.2.9
large       TXT   "{}"
"""
    # Names of the zone are plain text, so that the one with an umlaut stands in its coded form.
    .replace("b\u00fccher", "xn--bcher-kva").replace("{}", '" "'.join("x" * 200 for _ in range(20)))
)


def lookup(answering: Answering = ZONE, name: str = "www.example.net", kind: str = "A", **config: Any) -> Collected:
    """What a lookup at this server finds."""
    return looked_up(answering, name, kind, **config)[0]


def looked_up(
    answering: Answering, name: str, kind: str, *, own: dict[str, Any] | None = None, host: str = LOCAL, **config: Any
) -> tuple[Collected, list[str]]:
    """The same, with the ways in which the server was asked."""

    async def run() -> tuple[Collected, list[str]]:
        async with nameserver(answering, host=host) as server:
            before = open_sockets()
            asking = {"hostname": name, "recordType": kind, **(own or {})}
            where = {"nameserver": host, "port": server.port, **config}
            found = await observe(Dns(), "dns.lookup", where, asking)
            await settled(before)
            return found, server.asked

    return asyncio.run(run())


def failure(answering: Answering, *, timeout: int = 5000, **config: Any) -> Failed:
    """What a lookup at this server fails with."""
    with pytest.raises(Failed) as caught:
        looked_up(answering, "www.example.net", "A", own={"timeout": timeout}, **config)
    return caught.value


@pytest.mark.parametrize(
    ("name", "kind", "records"),
    [
        ("www.example.net", "A", ["192.0.2.3", "192.0.2.20"]),
        ("www.example.net.", "A", ["192.0.2.3", "192.0.2.20"]),
        ("WWW.Example.net", "AAAA", ["2001:db8::1"]),
        ("example.net", "MX", ["5 mail.example.net.", "20 backup.example.net."]),
        ("example.net", "NS", ["ns.example.net."]),
        ("example.net", "TXT", ['"v=spf1 -all" "second part"']),
        ("example.net", "CAA", ['0 issue "ca.example.org"']),
        ("example.net", "SOA", ["ns.example.net. hostmaster.example.net. 7 3600 600 86400 60"]),
        ("_sip._tcp.example.net", "SRV", ["1 2 5060 sip.example.net."]),
        ("alias.example.net", "CNAME", ["www.example.net."]),
        ("b\u00fccher.example.net", "A", ["192.0.2.9"]),
    ],
)
def test_every_type_of_record(name: str, kind: str, records: list[str]) -> None:
    found = lookup(name=name, kind=kind)
    assert found.error is None
    assert found.result["records"] == records
    assert found.result["recordCount"] == len(records)
    assert found.result["responseCode"] == "NOERROR"
    assert found.result["success"] is True
    assert found.result["resolutionTimeMs"] > 0
    assert set(found.phases or {}) == {"dns", "total"}


@pytest.mark.parametrize("name", ["192.0.2.1", "1.2.0.192.in-addr.arpa"])
def test_the_name_of_an_address(name: str) -> None:
    reverse = zone(
        "$TTL 300\n@ SOA ns.example.net. h.example.net. 1 1 1 1 1\n@ NS ns.example.net.\n1.2 PTR www.example.net.\n",
        origin="0.192.in-addr.arpa.",
    )
    assert lookup(reverse, name, "PTR").result["records"] == ["www.example.net."]


def test_the_name_of_an_ipv6_address() -> None:
    found = lookup(name="2001:db8::1", kind="PTR")
    assert found.result["responseCode"] == "NXDOMAIN"


def test_aliases_are_followed_within_the_answer_and_the_smallest_ttl_counts() -> None:
    found = lookup(name="alias.example.net")
    assert found.result["records"] == ["192.0.2.3", "192.0.2.20"]
    assert found.result["ttl"] == 60
    assert lookup().result["ttl"] == 300


def test_an_alias_that_leads_away_has_no_records() -> None:
    found = lookup(name="away.example.net")
    assert (found.result["records"], found.result["success"], "ttl" in found.result) == ([], False, False)


def test_aliases_in_a_circle_are_a_failure() -> None:
    def answering(query: dns.message.Message, via: str) -> Iterable[bytes]:
        response = dns.message.make_response(query)
        response.answer = [
            dns.rrset.from_text("www.example.net.", 1, "IN", "CNAME", "other.example.net."),
            dns.rrset.from_text("other.example.net.", 1, "IN", "CNAME", "www.example.net."),
        ]
        return (response.to_wire(),)

    assert "makes no sense" in failure(answering).sentence


def test_a_name_that_is_not_there_is_a_result() -> None:
    found = lookup(name="gone.example.net")
    assert found.error is None
    assert found.result["responseCode"] == "NXDOMAIN"
    assert (found.result["recordCount"], found.result["records"], found.result["success"]) == (0, [], False)
    assert "ttl" not in found.result


def test_a_name_without_such_records_is_a_result() -> None:
    found = lookup(name="ns.example.net", kind="AAAA")
    assert (found.result["responseCode"], found.result["success"]) == ("NOERROR", False)


@pytest.mark.parametrize("text", ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR"])
def test_codes_of_failure_are_results(text: str) -> None:
    found = lookup(code(dns.rcode.from_text(text)))
    assert (found.error, found.result["responseCode"], found.result["success"]) == (None, text, False)


def test_a_server_that_does_not_know_the_extension_is_asked_without_it() -> None:
    def answering(query: dns.message.Message, via: str) -> Iterable[bytes]:
        if query.edns >= 0:
            response = dns.message.Message(query.id)
            response.flags = dns.flags.QR
            response.set_rcode(dns.rcode.FORMERR)
            return (response.to_wire(),)
        return ZONE(query, via)

    found, asked = looked_up(answering, "www.example.net", "A")
    assert found.result["success"] is True
    assert asked == ["udp", "udp"]


def test_what_is_truncated_is_asked_for_by_tcp() -> None:
    found, asked = looked_up(ZONE, "large.example.net", "TXT")
    assert asked == ["udp", "tcp"]
    assert len(found.result["records"][0]) > 4000
    assert found.notes == ("the answer didn't fit into a datagram and was asked for by TCP",)
    assert (found.phases or {})["connect"] > 0


def test_tcp_alone() -> None:
    found, asked = looked_up(ZONE, "www.example.net", "A", protocol="tcp")
    assert (asked, found.result["recordCount"]) == (["tcp"], 2)


def test_over_ipv6() -> None:
    assert looked_up(ZONE, "www.example.net", "A", host="::1")[0].result["recordCount"] == 2
    assert looked_up(ZONE, "www.example.net", "A", host="::1", protocol="tcp")[0].result["recordCount"] == 2


def over_tls(authority: Authority, names: list[str], **config: Any) -> Collected:
    """A lookup over TLS."""

    async def run() -> Collected:
        async with nameserver(ZONE, tls=server_context(authority.issue(names))) as server:
            where = {"nameserver": LOCAL, "port": server.tls_port, "protocol": "tls", **config}
            found = await observe(Dns(), "dns.lookup", where, {"hostname": "www.example.net"})
            assert server.asked == ["tls"]
            return found

    return asyncio.run(run())


def test_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    found = over_tls(authority, [LOCAL], caCert=authority.ca_text)
    assert found.result["recordCount"] == 2
    assert set(found.phases or {}) == {"dns", "connect", "tls", "total"}
    named = over_tls(authority, ["dns.example.net"], caCert=authority.ca_text, servername="dns.example.net")
    assert named.result["recordCount"] == 2


def test_over_tls_the_server_has_to_be_the_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with pytest.raises(Failed, match="it isn't valid for this address"):
        over_tls(authority, ["dns.example.net"], caCert=authority.ca_text)
    with pytest.raises(Failed, match="an authority that isn't trusted"):
        over_tls(authority, [LOCAL])


def test_the_hosts_resolvers_are_asked_where_none_is_given(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"

    async def run(answering: Answering, text: str, guard: Guard | None = None) -> Collected:
        async with nameserver(answering) as server:
            conf.write_text(text)
            config = {"port": server.port}
            asking = {"hostname": "www.example.net", "timeout": 1500}
            return await observe(Dns(str(conf)), "dns.lookup", config, asking, guard=guard)

    found = asyncio.run(run(ZONE, f"search example.org\nnameserver {LOCAL}\n"))
    assert found.result["recordCount"] == 2
    # The first refuses connections, as nobody listens there; the second answers.
    assert asyncio.run(run(ZONE, f"nameserver 127.0.0.2\nnameserver {LOCAL}\n")).result["recordCount"] == 2
    # One that can't tell is passed over for one that can; what none can tell is a result.
    assert (
        asyncio.run(run(code(dns.rcode.SERVFAIL), f"nameserver {LOCAL}\nnameserver 127.0.0.2\n")).result["responseCode"]
        == "SERVFAIL"
    )
    # A port of the check's own choosing is no place that the host picked.
    with pytest.raises(Failed, match="may not be connected to"):
        asyncio.run(run(ZONE, f"nameserver {LOCAL}\n", Guard(["127.0.0.0/8"])))
    with pytest.raises(Unobservable, match="names no resolver"):
        asyncio.run(run(ZONE, "search example.org\n"))


def test_denied_servers_are_not_asked() -> None:
    async def run() -> None:
        async with nameserver(ZONE) as server:
            config = {"nameserver": LOCAL, "port": server.port}
            try:
                await observe(Dns(), "dns.lookup", config, {"hostname": "a.example.net"}, guard=Guard(["127.0.0.0/8"]))
            finally:
                assert server.asked == []

    with pytest.raises(Failed, match="may not be connected to"):
        asyncio.run(run())


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_silence_ends_with_the_limit(protocol: str) -> None:
    hanging: Answering = silent
    if protocol == "tcp":

        async def run() -> None:
            async with peer(saying()) as server:
                config = {"nameserver": LOCAL, "port": server.port, "protocol": "tcp"}
                await observe(Dns(), "dns.lookup", config, {"hostname": "www.example.net", "timeout": 150})

        with pytest.raises(Failed) as caught:
            asyncio.run(run())
        failed = caught.value
    else:
        failed = failure(hanging, timeout=150)
    assert failed.timed_out is True
    assert failed.sentence.startswith(f"www.example.net A can't be looked up: {LOCAL}:")
    assert "didn't answer within 150ms" in failed.sentence


def test_the_limit_of_the_run_counts_too() -> None:
    began = time.perf_counter()
    assert failure(silent, timeout=60_000, port=closed_port()).timed_out is False
    with pytest.raises(Failed) as caught:
        looked_up(silent, "www.example.net", "A", own={"timeout": "1m"}, timeout=150)
    assert caught.value.timed_out is True
    assert time.perf_counter() - began < 5


def test_a_lost_question_is_asked_again() -> None:
    seen: list[int] = []

    def answering(query: dns.message.Message, via: str) -> Iterable[bytes]:
        seen.append(query.id)
        return ZONE(query, via) if len(seen) > 1 else ()

    found = lookup(answering)
    assert found.result["recordCount"] == 2
    assert len(seen) == 2
    assert seen[0] == seen[1]
    assert found.result["resolutionTimeMs"] > 900


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_a_closed_port_is_a_failure(protocol: str) -> None:
    failed = failure(silent, port=closed_port(), protocol=protocol)
    assert "the connection is refused" in failed.sentence
    assert failed.timed_out is False


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
@pytest.mark.parametrize(
    "tail", [b"", b"\x81\x80\x00\x01\x00\xff\x00\x00\x00\x00", b"\x81\x80\x00\x00\x00\x01\x00\x00\x00\x00\xc0\x0c"]
)
def test_malformed_answers_are_failures(protocol: str, tail: bytes) -> None:
    def answering(query: dns.message.Message, via: str) -> Iterable[bytes]:
        return (query.id.to_bytes(2, "big") + tail,)

    failed = failure(answering, timeout=150, protocol=protocol)
    if tail or protocol == "tcp":
        assert "answers with what is no answer" in failed.sentence
    else:
        # Two bytes are no message at all, and could come from anybody.
        assert failed.timed_out is True


def test_an_answer_to_another_question_is_a_failure() -> None:
    def answering(query: dns.message.Message, via: str) -> Iterable[bytes]:
        other = dns.message.make_query("evil.example.org", "A", id=query.id)
        return (dns.message.make_response(other).to_wire(),)

    assert "it belongs to another question" in failure(answering).sentence


def test_datagrams_with_another_number_are_passed_over() -> None:
    def answering(query: dns.message.Message, via: str) -> Iterable[bytes]:
        good = next(iter(ZONE(query, via)))
        return (b"", b"\x00", bytes([good[0] ^ 1]) + good[1:], good)

    assert lookup(answering).result["recordCount"] == 2


def test_a_flood_of_foreign_datagrams_ends_with_the_limit() -> None:
    stop = False

    async def run() -> None:
        nonlocal stop

        def answering(query: dns.message.Message, via: str) -> Iterable[bytes]:
            wrong = (query.id ^ 1).to_bytes(2, "big") + bytes(10)
            return (wrong for _ in range(20_000) if not stop)

        async with nameserver(answering) as server:
            config = {"nameserver": LOCAL, "port": server.port}
            await observe(Dns(), "dns.lookup", config, {"hostname": "www.example.net", "timeout": 100})

    with pytest.raises(Failed) as caught:
        asyncio.run(run())
    assert caught.value.timed_out is True


def test_a_connection_that_ends_in_the_middle_is_a_failure() -> None:
    def talk_of(data: bytes) -> Any:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(data)
            writer.write_eof()
            await reader.read()

        return talk

    async def run(data: bytes) -> None:
        async with peer(talk_of(data)) as server:
            config = {"nameserver": LOCAL, "port": server.port, "protocol": "tcp"}
            await observe(Dns(), "dns.lookup", config, {"hostname": "www.example.net"})

    for data in (b"", b"\x00", b"\xff\xff\x00\x00"):
        with pytest.raises(Failed, match="it closed the connection without an answer"):
            asyncio.run(run(data))


@pytest.mark.parametrize("protocol", ["udp", "tcp", "tls"])
def test_a_cancelled_lookup_leaves_no_socket(protocol: str) -> None:
    async def run() -> None:
        async with peer(saying()) as server:
            before = open_sockets()
            config = {"nameserver": LOCAL, "port": server.port, "protocol": protocol}
            if protocol == "udp":
                async with nameserver(silent) as quiet:
                    before_asking = open_sockets()
                    await cancelled({**config, "port": quiet.port}, before_asking)
                    assert open_sockets() == before_asking
            else:
                await cancelled(config, before)
                await server.idle()
            await settled(before)

    async def cancelled(config: dict[str, Any], before: int) -> None:
        task = asyncio.create_task(observe(Dns(), "dns.lookup", config, {"hostname": "www.example.net"}))
        while open_sockets() == before and not task.done():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_names_that_cannot_be_asked_for() -> None:
    with pytest.raises(Failed, match="is no name that can be looked up"):
        lookup(name="\u00e4" + "b" * 62 + ".example.net")


def test_the_servers_name_is_resolved_and_all_its_addresses_are_tried() -> None:
    # localhost may lead to ::1 first, where nobody listens.
    async def run() -> Collected:
        async with nameserver(ZONE) as server:
            config = {"nameserver": "localhost", "port": server.port}
            return await observe(Dns(), "dns.lookup", config, {"hostname": "www.example.net"})

    found = asyncio.run(run())
    assert found.result["recordCount"] == 2
    assert (found.phases or {})["dns"] > 0


def test_lookups_are_repeatable() -> None:
    assert Dns().repeatable({}, ())
