"""Servers of a few lines, each a real one on loopback, and what drives a strategy against them."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from reconciler.execute.egress import Guard
from reconciler.execute.port import Collected, Context, Strategy
from reconciler.kinds.loaded import load
from reconciler.kinds.table import COLLECTORS, STRATEGIES, Entry
from reconciler.sandbox.runners.variables import Subject

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SUBJECT = Subject("check", "Check", 30.0, "system", "System")


class Peer:
    """A listening server: its port, and how many connections it had and has."""

    def __init__(self) -> None:
        self.port = 0
        self.accepted = 0
        self.talking: set[asyncio.Task[Any]] = set()

    async def idle(self) -> None:
        """Until every conversation has ended, which takes the client's closing its end where the server waits."""
        async with asyncio.timeout(5):
            while self.talking:
                await asyncio.wait(self.talking)


@asynccontextmanager
async def peer(talk: Talk, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Serves ``talk`` on a free port for as long as the block lasts."""
    state = Peer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        state.accepted += 1
        state.talking.add(task)
        try:
            await talk(reader, writer)
        except (OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            if tls is None:
                writer.transport.abort()
            state.talking.discard(task)

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in state.talking:
            task.cancel()
        if state.talking:
            await asyncio.wait(state.talking)


@contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[int]:
    """A TLS server in a thread, on OpenSSL alone: asyncio's swallows the alerts that tell a client why. Its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.settimeout(5)
            try:
                with context.wrap_socket(sock, server_side=True) as secure:
                    secure.recv(1)
            except OSError:
                sock.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def saying(*chunks: bytes, end: bool = False) -> Talk:
    """Sends the chunks, each in a packet of its own as far as the kernel allows; then waits for the client's end."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(0)
        if end:
            writer.write_eof()
        await reader.read()

    return talk


def resetting(*chunks: bytes) -> Talk:
    """Sends the chunks and resets the connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return talk


def closed_port() -> int:
    """A port of loopback at which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


def server_context(
    pair: tuple[Path, Path], *, least: ssl.TLSVersion | None = None, most: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate and its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    if least is not None:
        context.minimum_version = least
    if most is not None:
        context.maximum_version = most
    return context


def complete(entry: Entry, config: dict[str, Any]) -> dict[str, Any]:
    """The config as a slice's body holds it: validated, defaults filled in, nulls left out."""
    loaded = load(entry)
    return {key: value for key, value in loaded.dump(loaded.validate(config)).items() if value is not None}


async def observe(
    strategy: Strategy,
    collector: str,
    config: dict[str, Any],
    own: dict[str, Any] | None = None,
    *,
    guard: Guard | None = None,
) -> Collected:
    """One run with one collector, named as in ``tcp.banner``. Checks that the result has known fields only."""
    found = await observe_all(strategy, collector, config, [own or {}], guard=guard)
    return found[0]


async def observe_all(
    strategy: Strategy,
    collector: str,
    config: dict[str, Any],
    owns: Iterable[dict[str, Any]],
    *,
    guard: Guard | None = None,
) -> list[Collected]:
    """One run whose collectors are all of one kind."""
    context = Context(SUBJECT, {}, guard or Guard())
    name, _, bare = collector.partition(".")
    connection = await strategy.open(complete(STRATEGIES[name], config), context)
    try:
        found = [await connection.collect(bare, complete(COLLECTORS[collector], own)) for own in owns]
    finally:
        await connection.close()
    known = {field.name for field in load(COLLECTORS[collector]).results or ()}
    for each in found:
        assert set(each.result) <= known
    return found


def open_sockets() -> int:
    """How many sockets this process holds."""
    count = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
        except FileNotFoundError:
            continue
    return count


async def settled(count: int) -> None:
    """Until this process holds ``count`` sockets again: a server's side needs a few turns of the loop to notice."""
    async with asyncio.timeout(5):
        while open_sockets() > count:
            await asyncio.sleep(0)
