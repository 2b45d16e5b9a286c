"""tcp, tls, dns and ping through the executor: a slice's body in, an observation out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reconciler.base.canonical import dumps
from reconciler.execute.egress import Guard
from reconciler.execute.executor import Executor
from reconciler.kinds.table import COLLECTORS, STRATEGIES
from reconciler.model.run import Observation
from tests.servers.ca import Authority
from tests.servers.nameserver import nameserver, zone
from tests.servers.peers import SUBJECT, complete, peer, saying, server_context

LOCAL = "127.0.0.1"
ZONE = zone("$TTL 60\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n")


def body(collector: str, config: dict[str, Any], own: dict[str, Any], assertions: Sequence[dict[str, Any]]) -> bytes:
    """A slice's body with one collector, named as in ``tcp.banner``."""
    strategy, _, bare = collector.partition(".")
    return dumps(
        {
            "assignment": {},
            "check": {
                "interval": 60_000,
                "strategy": {"type": f"{strategy}@1", "config": complete(STRATEGIES[strategy], config)},
                "collectors": [
                    {"type": f"{bare}@1", "config": complete(COLLECTORS[collector], own), "assertions": assertions}
                ],
            },
        }
    )


async def observed(
    collector: str, config: dict[str, Any], own: dict[str, Any], *assertions: tuple[str, str, Any]
) -> Observation:
    """One run through an executor."""
    judged = [{"field": f, "operator": o, **({} if v is None else {"value": v})} for f, o, v in assertions]
    executor = Executor(None, Guard())
    try:
        return await executor.run(executor.prepare(body(collector, config, own, judged)), SUBJECT, {})
    finally:
        await executor.aclose()


def test_a_banner_is_asserted_on_and_not_stored() -> None:
    async def run() -> Observation:
        async with peer(saying(b"220 ready\r\n")) as server:
            config = {"host": LOCAL, "port": server.port}
            return await observed(
                "tcp.banner", config, {}, ("banner", "startsWith", "220"), ("hasBanner", "isTrue", None)
            )

    found = asyncio.run(run())
    assert (found.outcome, found.error) == ("healthy", None)
    assert "banner" not in found.collectors[0].result


def test_a_certificate_is_asserted_on(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    async def run(days: int) -> Observation:
        async with peer(saying(), tls=server_context(authority.issue([LOCAL], days=days))) as server:
            config = {"host": LOCAL, "port": server.port, "caCert": authority.ca_text}
            return await observed("tls.certificate", config, {}, ("daysRemaining", "greaterThan", 14))

    assert asyncio.run(run(30)).outcome == "healthy"
    found = asyncio.run(run(10))
    assert (found.outcome, found.reason) == ("unhealthy", "daysRemaining greaterThan 14 (found 9)")


def test_records_are_asserted_on() -> None:
    async def run(name: str) -> Observation:
        async with nameserver(ZONE) as server:
            config = {"nameserver": LOCAL, "port": server.port}
            asking = {"hostname": name}
            return await observed("dns.lookup", config, asking, ("records", "includes", "192.0.2.1"))

    assert asyncio.run(run("ns.example.net")).outcome == "healthy"
    assert asyncio.run(run("gone.example.net")).outcome == "unhealthy"


def test_a_lookup_without_an_answer_has_no_time_to_live_to_compare() -> None:
    async def run() -> Observation:
        async with nameserver(ZONE) as server:
            config = {"nameserver": LOCAL, "port": server.port}
            return await observed("dns.lookup", config, {"hostname": "gone.example.net"}, ("ttl", "lessThan", 100))

    assert asyncio.run(run()).outcome == "unhealthy"


def test_a_ping_may_take_longer_than_the_limit_of_one_reply() -> None:
    own = {"host": LOCAL, "count": 4, "interval": "100ms", "timeout": "100ms"}
    found = asyncio.run(observed("ping.ping", {}, own, ("packetLoss", "equals", 0)))
    # Where this process may not ping, it says so, and nothing of the target.
    assert found.outcome in ("healthy", "degraded")
    assert found.outcome == "degraded" or found.collectors[0].result["packetsReceived"] == 4


def test_the_limit_of_the_run_is_told_in_the_strategys_own_words() -> None:
    async def run() -> Observation:
        async with peer(saying()) as server:
            return await observed("tls.certificate", {"host": LOCAL, "port": server.port, "timeout": 150}, {})

    found = asyncio.run(run())
    assert (found.outcome, found.timed_out) == ("unhealthy", True)
    assert (found.error or "").startswith("the TLS handshake with 127.0.0.1:")
