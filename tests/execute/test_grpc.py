"""gRPC's health protocol against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reconciler.execute.grpc import Grpc as Strategy
from reconciler.execute.port import Collected
from tests.servers import runs
from tests.servers.ca import Authority
from tests.servers.grpc import Grpc
from tests.servers.rude import MANNERS, Manner, rude

# Its core closes sockets in threads of its own.
collect = partial(runs.collect, patience=5)
failure = partial(runs.failure, patience=5)
cancelled = partial(runs.cancelled, patience=5)


@pytest.fixture(scope="session")
def server() -> Iterator[Grpc]:
    with Grpc() as started:
        yield started


def config(port: int, **changes: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "tls": False, "timeout": 5000, **changes}


def health(service: str | None = None, *, timeout: int = 5000) -> tuple[str, dict[str, Any]]:
    named = {} if service is None else {"service": service}
    return "health", {"timeout": timeout, **named}


def ask(port: int, *services: str | None, **changes: Any) -> list[Collected]:
    return collect(Strategy, config(port, **changes), *(health(service) for service in services))


def test_statuses(server: Grpc) -> None:
    found = ask(server.port, None, "orders", "down", "odd", "nowhere")
    assert [f.result["status"] for f in found] == ["SERVING", "SERVING", "NOT_SERVING", "UNKNOWN", "SERVICE_UNKNOWN"]
    assert [f.result["success"] for f in found] == [True, True, False, False, False]
    assert [f.error for f in found] == [
        *(None, None),
        "the service down says NOT_SERVING",
        "the service odd says UNKNOWN",
        "the service nowhere says SERVICE_UNKNOWN",
    ]
    assert set(found[0].phases or ()) == {"dns", "connect", "call", "total"}


def test_server_without_health(server: Grpc) -> None:
    (found,) = ask(server.bare_port, None)
    assert found.error == f"127.0.0.1:{server.bare_port} has no health service (grpc.health.v1)"
    assert found.result["status"] == "UNKNOWN"


def test_call_that_takes_too_long(server: Grpc) -> None:
    slow, after = collect(Strategy, config(server.port), health("slow", timeout=200), health())
    assert (slow.timed_out, slow.error) == (True, "the call took longer than 200ms")
    assert after.result["status"] == "SERVING"


def test_tls(server: Grpc, tmp_path: Path) -> None:
    secure = config(server.tls_port, tls=True, host="localhost", caCert=server.authority.ca_text)
    (found,) = collect(Strategy, secure, health())
    assert found.result["status"] == "SERVING"
    assert "isn't trusted" in failure(Strategy, {**secure, "caCert": Authority(tmp_path).ca_text}).sentence
    assert "isn't trusted" in failure(Strategy, {**secure, "caCert": None}).sentence
    wrong_name = failure(Strategy, {**secure, "host": "127.0.0.1"})
    assert wrong_name.sentence.endswith(": its certificate is for another name")
    assert failure(Strategy, {**secure, "port": server.port}).sentence.endswith(
        "the server doesn't speak TLS (127.0.0.1)"
    )
    assert failure(Strategy, config(server.tls_port)).sentence.endswith(": the server closed the connection")


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("tls", [False, True])
def test_strangers(manner: Manner, tls: bool) -> None:
    with rude(manner) as port:
        failed = failure(Strategy, config(port, tls=tls, timeout=500), within=3)
        assert f"127.0.0.1:{port}" in failed.sentence
        assert failed.timed_out == (manner == "silent")


@pytest.mark.parametrize("tls", [False, True])
def test_cancelled(server: Grpc, tls: bool) -> None:
    with rude("silent") as port:
        assert cancelled(Strategy, config(port, tls=tls, timeout=1000)) < 2
    assert cancelled(Strategy, config(server.port), health("slow")) < 2


def test_nobody_listens() -> None:
    with rude("closing") as port:
        pass
    assert failure(Strategy, config(port)).sentence == f"can't connect to 127.0.0.1:{port}: the connection is refused"


def test_proxy_of_the_environment_is_not_used(server: Grpc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("grpc_proxy", "http://127.0.0.1:1")
    assert ask(server.port, None, host="localhost")[0].result["status"] == "SERVING"


def test_denied_address(server: Grpc) -> None:
    assert "may not be connected to" in failure(Strategy, config(server.port), deny=["127.0.0.0/8"]).sentence


def test_server_that_goes_away() -> None:
    with Grpc() as own:
        own_port = own.port
        (found,) = ask(own_port, None)
        assert found.error is None
    assert failure(Strategy, config(own_port)).sentence.startswith(f"can't connect to 127.0.0.1:{own_port}: ")
