"""The strategy tcp against servers that greet, keep silent, reset, flood and hang."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from reconciler.execute.egress import Address, Guard, Resolved
from reconciler.execute.port import Collected, Failed
from reconciler.execute.reach import Limit, connect
from reconciler.execute.tcp import Tcp, readable
from tests.servers.peers import closed_port, observe, observe_all, open_sockets, peer, resetting, saying

LOCAL = "127.0.0.1"


def banner(talk: Any, own: dict[str, Any] | None = None, **config: Any) -> Collected:
    """What a run against this server finds; the connection is closed by the end of it."""

    async def run() -> Collected:
        async with peer(talk) as server:
            found = await observe(Tcp(), "tcp.banner", {"host": LOCAL, "port": server.port, **config}, own)
            await server.idle()
            return found

    return asyncio.run(run())


def failure(run: Callable[[], Awaitable[Any]]) -> Failed:
    """What it fails with."""
    with pytest.raises(Failed) as caught:
        asyncio.run(run())  # type: ignore[arg-type]  # coroutines only
    return caught.value


def test_a_banner_is_read_with_its_phases() -> None:
    found = banner(saying(b"220 mail.example.net ESMTP\r\n"))
    assert found.error is None
    assert found.result["banner"] == "220 mail.example.net ESMTP"
    assert found.result["hasBanner"] is True
    assert found.result["success"] is True
    phases = found.phases or {}
    assert set(phases) == {"dns", "connect", "firstByte", "total"}
    assert phases["dns"] == 0
    assert 0 < found.result["connectTimeMs"] == phases["connect"] < phases["total"]
    assert 0 < phases["firstByte"] <= found.result["readTimeMs"] < phases["total"]


def test_a_banner_in_pieces_is_put_together() -> None:
    found = banner(saying(b"220-first\r\n", b"220-sec", b"ond\r\n220 last\r\n"))
    assert found.result["banner"] == "220-first\r\n220-second\r\n220 last"


def test_the_time_of_the_pause_that_ends_a_banner_is_not_counted() -> None:
    assert banner(saying(b"hello")).result["readTimeMs"] < 90


def test_a_server_that_says_nothing_is_a_result() -> None:
    found = banner(saying(), {"timeout": 100})
    assert (found.error, found.timed_out, found.result["hasBanner"], found.result["banner"]) == (None, False, False, "")
    assert found.result["success"] is True
    assert "firstByte" not in (found.phases or {})


def test_a_server_that_closes_at_once_is_a_result_with_a_note() -> None:
    found = banner(saying(end=True))
    assert (found.error, found.result["hasBanner"]) == (None, False)
    assert found.notes[0].endswith("closed the connection without saying anything")


def test_a_half_closed_connection_ends_the_banner_at_once() -> None:
    found = banner(saying(b"bye", end=True))
    assert (found.result["banner"], found.notes) == ("bye", ())


def test_what_is_sent_gets_an_answer_and_collectors_go_on_where_the_last_one_stopped() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        heard = await reader.readline()
        writer.write(b"250 " + heard)
        await reader.read()

    async def run() -> list[Collected]:
        async with peer(talk) as server:
            owns: list[dict[str, Any]] = [{}, {"send": "EHLO grüße\r\n"}]
            return await observe_all(Tcp(), "tcp.banner", {"host": LOCAL, "port": server.port}, owns)

    first, second = asyncio.run(run())
    assert first.result["banner"] == "220 ready"
    assert second.result["banner"] == "250 EHLO grüße"


def test_a_flood_is_cut_at_max_bytes() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    found = banner(flood, {"maxBytes": 1000})
    assert found.result["banner"] == "x" * 1000


def test_a_trickle_ends_with_the_time_limit_and_is_a_banner() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.01)

    found = banner(trickle, {"timeout": 150})
    assert found.error is None
    assert set(found.result["banner"]) == {"."}
    assert found.result["readTimeMs"] < 1000


def test_binary_banners_can_be_read() -> None:
    found = banner(saying(b"J\x00\x00\x00\n8.0.36\x00\xff\xfe\x1b[31m\x7f\xc3\xa9"))
    assert found.result["banner"] == "J\\x00\\x00\\x00\n8.0.36\\x00\\xff\\xfe\\x1b[31m\\x7fé"


def test_readable_leaves_no_character_that_a_terminal_or_a_store_would_stumble_on() -> None:
    every = bytes(range(256))
    text = readable(every)
    assert all(c.isprintable() or c in "\r\n\t" for c in text)
    assert readable("\u202eevil\ud7ff".encode()) == "\\u202eevil\\ud7ff"


def test_a_reset_before_the_banner_is_an_error() -> None:
    found = banner(resetting())
    assert found.error is not None
    assert found.error.endswith("gave no banner: the connection is reset")


def test_what_came_before_a_reset_counts() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        await reader.readline()
        await resetting()(reader, writer)

    async def run() -> list[Collected]:
        async with peer(talk) as server:
            owns: list[dict[str, Any]] = [{}, {"send": "QUIT\r\n"}]
            return await observe_all(Tcp(), "tcp.banner", {"host": LOCAL, "port": server.port}, owns)

    first, second = asyncio.run(run())
    assert (first.error, first.result["banner"]) == (None, "220 hi")
    assert second.error is not None


def test_a_closed_port_is_a_failure_that_says_where() -> None:
    port = closed_port()
    failed = failure(lambda: observe(Tcp(), "tcp.banner", {"host": LOCAL, "port": port}))
    assert failed.sentence == f"can't connect to {LOCAL}:{port}: the connection is refused"
    assert failed.timed_out is False


def test_a_name_that_leads_to_several_addresses_tries_them_in_order() -> None:
    async def run() -> tuple[Collected, str]:
        async with peer(saying(b"hi")) as server:
            # The name leads to ::1 too, where nobody listens.
            found = await observe(Tcp(), "tcp.banner", {"host": "localhost", "port": server.port})
            addresses = [Address(socket.AF_INET6, "::1", server.port), Address(socket.AF_INET, LOCAL, server.port)]
            reached = await connect(addresses, "twice.example.net", server.port, limit=Limit(1000))
            reached.sock.close()
            return found, reached.address.ip

    found, ip = asyncio.run(run())
    assert found.result["banner"] == "hi"
    assert ip == LOCAL


def test_every_address_that_refused_is_named() -> None:
    port = closed_port()
    addresses = [Address(socket.AF_INET, LOCAL, port), Address(socket.AF_INET, "127.0.0.2", port)]

    async def run() -> None:
        await connect(addresses, "twice.example.net", port, limit=Limit(1000))

    refused = "the connection is refused"
    assert failure(run).sentence == (
        f"can't connect to twice.example.net:{port}: {refused} (127.0.0.1); {refused} (127.0.0.2)"
    )


def full() -> tuple[socket.socket, list[socket.socket]]:
    """A listener whose queue is full, so that further connections get no answer."""
    listener = socket.socket()
    listener.bind((LOCAL, 0))
    listener.listen(0)
    waiting = []
    for _ in range(4):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(listener.getsockname())
        waiting.append(sock)
    return listener, waiting


def test_a_black_hole_ends_with_the_limit_and_leaves_time_for_the_next_address() -> None:
    listener, waiting = full()
    try:
        hole = listener.getsockname()[1]

        async def swallowed() -> None:
            await observe(Tcp(), "tcp.banner", {"host": LOCAL, "port": hole, "timeout": 150})

        failed = failure(swallowed)
        assert failed.sentence == f"connecting to {LOCAL}:{hole} took longer than 150ms"
        assert failed.timed_out is True

        async def second() -> str:
            async with peer(saying(b"hi")) as server:
                addresses = [
                    Address(socket.AF_INET, LOCAL, hole),
                    Address(socket.AF_INET, LOCAL, server.port),
                ]
                reached = await connect(addresses, "twice.example.net", 1, limit=Limit(300))
                reached.sock.close()
                return str(reached.address.port == server.port)

        assert asyncio.run(second()) == "True"
    finally:
        for sock in (listener, *waiting):
            sock.close()


def test_a_cancelled_run_leaves_no_socket() -> None:
    listener, waiting = full()
    try:

        async def run() -> None:
            before = open_sockets()
            config = {"host": LOCAL, "port": listener.getsockname()[1]}
            for _ in range(5):
                task = asyncio.create_task(observe(Tcp(), "tcp.banner", config))
                while open_sockets() == before:
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert open_sockets() == before

        asyncio.run(run())
    finally:
        for sock in (listener, *waiting):
            sock.close()


def test_a_run_that_is_cancelled_while_it_waits_closes_its_connection() -> None:
    async def run() -> None:
        async with peer(saying()) as server:
            config = {"host": LOCAL, "port": server.port}
            task = asyncio.create_task(observe(Tcp(), "tcp.banner", config))
            while not server.talking:
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await server.idle()

    asyncio.run(run())


def test_the_limit_of_the_whole_run_ends_a_wait_as_well() -> None:
    async def run() -> None:
        async with peer(saying()) as server:
            await observe(Tcp(), "tcp.banner", {"host": LOCAL, "port": server.port, "timeout": 120})

    failed = failure(run)
    assert failed.timed_out is True
    assert failed.sentence.startswith("waiting for the banner of 127.0.0.1:")


def test_denied_addresses_are_not_connected_to() -> None:
    async def run() -> None:
        async with peer(saying(b"hi")) as server:
            config = {"host": LOCAL, "port": server.port}
            try:
                await observe(Tcp(), "tcp.banner", config, guard=Guard(["127.0.0.0/8"]))
            finally:
                assert server.accepted == 0

    assert "may not be connected to" in failure(run).sentence


def test_a_name_that_resolves_to_nothing_is_a_failure() -> None:
    class Slow(Guard):
        async def resolve(self, host: str, port: int) -> Resolved:
            await asyncio.Event().wait()
            raise AssertionError

    config = {"host": "slow.example.net", "port": 25, "timeout": 100}
    failed = failure(lambda: observe(Tcp(), "tcp.banner", config, guard=Slow()))
    assert (failed.timed_out, failed.sentence) == (True, "resolving the name slow.example.net took longer than 100ms")


def test_it_connects_over_ipv6() -> None:
    async def run() -> Collected:
        async with peer(saying(b"six"), host="::1") as server:
            return await observe(Tcp(), "tcp.banner", {"host": "::1", "port": server.port})

    assert asyncio.run(run()).result["banner"] == "six"


def test_runs_that_send_are_not_repeatable() -> None:
    assert Tcp().repeatable({}, (("banner", {"maxBytes": 1}),))
    assert not Tcp().repeatable({}, (("banner", {"maxBytes": 1, "send": "DELETE\r\n"}),))


def test_many_runs_at_once_do_not_wait_for_each_other() -> None:
    async def run() -> None:
        async with peer(saying()) as server:
            config = {"host": LOCAL, "port": server.port}
            own = {"timeout": 200}
            began = time.perf_counter()
            await asyncio.gather(*(observe(Tcp(), "tcp.banner", config, own) for _ in range(50)))
            assert time.perf_counter() - began < 3

    asyncio.run(run())
