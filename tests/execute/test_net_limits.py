"""What stands in the way on our side says nothing of the target: tcp, tls, dns and ping without a file left to open."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reconciler.execute.dns import Dns
from reconciler.execute.ping import Ping
from reconciler.execute.port import Strategy, Unobservable
from reconciler.execute.tcp import Tcp
from reconciler.execute.tls import Tls
from reconciler.kinds.loaded import load
from reconciler.kinds.table import COLLECTORS, STRATEGIES
from tests.servers.peers import observe, peer, saying

LOCAL = "127.0.0.1"


@contextmanager
def nothing_left_to_open() -> Iterator[None]:
    """The limit of open files is where this process is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("strategy", "collector", "own"),
    [
        (Tcp(), "tcp.banner", {}),
        (Tls(), "tls.certificate", {}),
        (Dns(), "dns.lookup", {"hostname": "www.example.net"}),
        (Ping(), "ping.ping", {"host": LOCAL}),
    ],
)
def test_the_limit_of_open_files(strategy: Strategy, collector: str, own: dict[str, Any]) -> None:
    name = collector.partition(".")[0]
    # Models are loaded from files, too.
    load(STRATEGIES[name]), load(COLLECTORS[collector])

    async def run() -> None:
        async with peer(saying()) as server:
            where = {"dns": {"nameserver": LOCAL, "port": server.port}, "ping": {}}
            config = where.get(name, {"host": LOCAL, "port": server.port})
            # What is looked up once is there from then on.
            await asyncio.to_thread(int)
            with nothing_left_to_open():
                await observe(strategy, collector, config, own)

    # Where this process may not ping at all, that is what it is told.
    otherwise = "|this process may not send pings" if name == "ping" else ""
    with pytest.raises(Unobservable, match=f"raise the limit of open files{otherwise}"):
        asyncio.run(run())
