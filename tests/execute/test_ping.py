"""The strategy ping in network namespaces of the tests' own: both kinds of sockets, and all ways to get no reply."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler.execute.egress import Guard
from reconciler.execute.ping import Ping, summary
from reconciler.execute.port import Failed
from tests.servers.peers import observe
from tests.servers.pingspace import ping

BOTH = pytest.mark.parametrize("mode", ["kernel", "raw"])
QUICK = {"host": "127.0.0.1", "count": 3, "interval": "20ms", "timeout": "300ms"}


@BOTH
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_replies_are_counted_and_timed(mode: str, host: str) -> None:
    found = ping(mode, "kernel", {**QUICK, "host": host, "timeout": "5s"})
    result = found["result"]
    assert found["error"] is None
    assert found["kernel"] is (mode == "kernel")
    assert (result["packetsSent"], result["packetsReceived"], result["packetLoss"]) == (3, 3, 0)
    assert result["success"] is True
    assert 0 < result["minLatencyMs"] <= result["avgLatencyMs"] <= result["maxLatencyMs"] < 1000
    assert result["jitterMs"] >= 0
    assert set(found["phases"]) == {"dns", "total"}
    assert 40 <= found["phases"]["total"] < 2000


@BOTH
@pytest.mark.parametrize("size", [0, 3, 8, 1400, 65_507])
def test_packets_of_every_size(mode: str, size: int) -> None:
    assert ping(mode, "kernel", {**QUICK, "packetSize": size, "timeout": "5s"})["result"]["packetLoss"] == 0


@BOTH
def test_silence_is_an_error_with_a_result(mode: str) -> None:
    found = ping(mode, "none", QUICK)
    assert found["error"] == "no reply from 127.0.0.1 to 3 packets within 300ms"
    assert found["timed_out"] is True
    assert found["result"] == {"packetsSent": 3, "packetsReceived": 0, "packetLoss": 100.0, "success": False}
    # The last packet gets its whole time.
    assert 340 <= found["phases"]["total"] < 2000


def test_silence_of_ipv6() -> None:
    assert ping("raw", "none", {**QUICK, "host": "::1"})["result"]["packetsReceived"] == 0


@BOTH
def test_some_loss_is_a_result_without_an_error(mode: str) -> None:
    found = ping(mode, "even", {**QUICK, "count": 5})
    assert found["error"] is None
    assert (found["result"]["packetsReceived"], found["result"]["packetLoss"]) == (3, 40.0)


@BOTH
def test_duplicates_count_once(mode: str) -> None:
    assert ping(mode, "twice", QUICK)["result"]["packetsReceived"] == 3


@BOTH
@pytest.mark.parametrize("replies", ["other-id", "other-data", "other-number", "short", "flood"])
def test_replies_to_others_do_not_count(mode: str, replies: str) -> None:
    found = ping(mode, replies, QUICK)
    assert (found["result"]["packetsReceived"], found["timed_out"]) == (0, True)


def test_the_limit_of_the_run_ends_it_in_the_middle() -> None:
    found = ping("raw", "kernel", {**QUICK, "count": 100, "interval": "100ms"}, timeout=250)
    sent = found["result"]["packetsSent"]
    assert found["notes"] == [f"the limit of 250ms ended it after {sent} of 100 packets"]
    assert found["error"] is None
    assert found["result"]["packetLoss"] == 0
    assert 2 <= sent <= 3


def test_the_limit_of_the_run_ends_a_wait() -> None:
    found = ping("raw", "none", {**QUICK, "timeout": "1m"}, timeout=150)
    assert found["error"] == "no reply from 127.0.0.1 to 3 packets within 150ms"
    assert found["phases"]["total"] < 1000


def test_a_host_that_there_is_no_way_to() -> None:
    found = ping("raw", "kernel", {**QUICK, "host": "192.0.2.1"})
    assert found["kind"] == "Failed"
    assert found["failure"] == "can't ping 192.0.2.1: there is no route to its network"


def test_what_to_do_where_pings_are_forbidden() -> None:
    found = ping("neither", "kernel", QUICK)
    assert found["kind"] == "Unobservable"
    assert "net.ipv4.ping_group_range" in found["failure"]
    assert "CAP_NET_RAW" in found["failure"]


def test_the_first_address_that_there_is_a_way_to_is_taken() -> None:
    # In a namespace of its own, localhost leads to both families.
    found = ping("kernel", "kernel", {**QUICK, "host": "localhost"})
    assert found["result"]["packetLoss"] == 0
    assert found["phases"]["dns"] > 0


@BOTH
def test_a_cancelled_ping_leaves_no_socket(mode: str) -> None:
    assert ping(mode, "none", {**QUICK, "timeout": "1m"}, cancel=True) == {"kernel": mode == "kernel"}


def test_denied_addresses_get_no_packet() -> None:
    with pytest.raises(Failed, match="may not be connected to"):
        asyncio.run(observe(Ping(), "ping.ping", {}, QUICK, guard=Guard(["127.0.0.0/8"])))


@pytest.mark.parametrize(
    ("sent", "latencies", "expected"),
    [
        (4, [1.0, 3.0, 2.0], {"minLatencyMs": 1.0, "avgLatencyMs": 2.0, "maxLatencyMs": 3.0, "jitterMs": 1.5}),
        (1, [2.0], {"minLatencyMs": 2.0, "avgLatencyMs": 2.0, "maxLatencyMs": 2.0, "jitterMs": 0.0}),
        (0, [], {"packetLoss": 100.0, "success": False}),
    ],
)
def test_the_figures(sent: int, latencies: list[float], expected: dict[str, Any]) -> None:
    found = summary(sent, latencies)
    assert {key: found[key] for key in expected} == expected
    assert summary(3, [1.0, 2.0])["packetLoss"] == 33.33


def test_pings_are_repeatable() -> None:
    assert Ping().repeatable({}, ())
