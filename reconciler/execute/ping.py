"""Ping: echo requests at a steady pace, whether or not the ones before were answered.

The kernel's own ping sockets are used where it lets us (``net.ipv4.ping_group_range``), else raw ones, which take
CAP_NET_RAW. icmplib makes sockets and packets; replies are read here, because it takes the wall clock for latencies,
and doesn't tell who replied.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from reconciler.base.durations import format_duration
from reconciler.execute.egress import Address
from reconciler.execute.ping_socket import Echo, pinging
from reconciler.execute.port import Collected, Context, Failed
from reconciler.execute.reach import Limit, ours, since, words


class Ping:
    """The strategy ping."""

    async def open(self, config: Mapping[str, Any], context: Context) -> PingConnection:
        """There is nothing to connect to; each collector has a host of its own."""
        return PingConnection(context, Limit(config["timeout"]))

    def repeatable(self, config: Mapping[str, Any], collectors: tuple[tuple[str, Mapping[str, Any]], ...]) -> bool:
        """A ping changes nothing."""
        return True

    async def aclose(self) -> None:
        """Nothing is open."""


class PingConnection:
    """Knows the limit of the run."""

    def __init__(self, context: Context, limit: Limit) -> None:
        self._context = context
        self._limit = limit

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        """Send the packets and wait for their replies. That none came back is an error with a result."""
        host = config["host"]
        began = time.perf_counter()
        async with self._limit.during(f"resolving the name {host}"):
            resolved = await self._context.guard.resolve(host, 0)
        echo = _open(resolved.addresses, host, config["packetSize"])
        try:
            await pinging(
                echo,
                count=config["count"],
                interval=config["interval"] / 1000,
                patience=config["timeout"] / 1000,
                until=self._limit.at,
            )
        finally:
            echo.close()
        phases = {"dns": round(resolved.took_ms, 3), "total": since(began)}
        return self._collected(echo, config, phases)

    async def close(self) -> None:
        """Every collector closes its socket itself."""

    def _collected(self, echo: Echo, config: Mapping[str, Any], phases: dict[str, float]) -> Collected:
        where = config["host"] if config["host"] == echo.address.ip else f"{config['host']} ({echo.address.ip})"
        result = summary(len(echo.sent), [echo.latencies[n] for n in sorted(echo.latencies)])
        notes: tuple[str, ...] = ()
        if len(echo.sent) < config["count"]:
            limit = format_duration(round(self._limit.ms))
            notes = (f"the limit of {limit} ended it after {len(echo.sent)} of {config['count']} packets",)
        if echo.latencies:
            return Collected(result, None, phases, notes=notes)
        patience = format_duration(round(min(config["timeout"], self._limit.ms)))
        why = f": {echo.trouble}" if echo.trouble else f" within {patience}"
        count = "a packet" if len(echo.sent) == 1 else f"{len(echo.sent)} packets"
        return Collected(
            result, f"no reply from {where} to {count}{why}", phases, notes=notes, timed_out=echo.trouble is None
        )


def _open(addresses: tuple[Address, ...], host: str, size: int) -> Echo:
    """A socket to the first address that this host has a way to. Raises :class:`Failed` where there is none."""
    failures = []
    for address in addresses:
        try:
            return Echo(address, size)
        except OSError as error:
            ours(error)
            failures.append(f"{words(error)} ({address.ip})" if address.ip != host else words(error))
    raise Failed(f"can't ping {host}: {'; '.join(failures)}")


def summary(sent: int, latencies: list[float]) -> dict[str, Any]:
    """The result of latencies in milliseconds, in the order their packets were sent. Without any, fields that would
    have to be made up aren't there."""
    received = len(latencies)
    found: dict[str, Any] = {
        "packetsSent": sent,
        "packetsReceived": received,
        "packetLoss": round(100 * (sent - received) / sent, 2) if sent else 100.0,
        "success": received > 0,
    }
    if latencies:
        steps = [abs(b - a) for a, b in pairwise(latencies)]
        found |= {
            "minLatencyMs": round(min(latencies), 3),
            "avgLatencyMs": round(sum(latencies) / received, 3),
            "maxLatencyMs": round(max(latencies), 3),
            "jitterMs": round(sum(steps) / len(steps), 3) if steps else 0.0,
        }
    return found
