"""The strategy http against real servers: what is measured, what is sent, what ends a request."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reconciler.execute.egress import Guard
from reconciler.execute.http import Http
from reconciler.execute.names import Names
from reconciler.execute.port import Collected, Context, Failed
from tests.servers.http import Site, raw, site
from tests.servers.peers import SUBJECT, closed_port


@pytest.fixture(scope="module")
def web() -> Iterator[Site]:
    with site() as running:
        yield running


def request(url: str, *, config: dict[str, Any] | None = None, guard: Guard | None = None, **own: Any) -> Collected:
    """What one request comes to."""
    return asyncio.run(_request(Context(SUBJECT, {}, guard or Guard()), config or {}, {"url": url, **own}))


async def _request(context: Context, config: dict[str, Any], own: dict[str, Any]) -> Collected:
    strategy = Http()
    try:
        connection = await strategy.open(config, context)
        try:
            return await connection.collect("request", own)
        finally:
            await connection.close()
    finally:
        await strategy.aclose()


def failure(url: str, **options: Any) -> Failed:
    """What it fails with, in one sentence without an end."""
    with pytest.raises(Failed) as caught:
        request(url, **options)
    assert caught.value.sentence.isprintable()
    assert not caught.value.sentence.endswith(".")
    return caught.value


def test_an_answer_with_its_phases(web: Site) -> None:
    found = request(f"{web.base}/json")
    assert found.error is None
    assert found.result | {"responseTimeMs": 0} == {
        "statusCode": 200,
        "statusText": "OK",
        "responseTimeMs": 0,
        "body": '{"ready": true, "items": [1, 2, 3]}',
        "bodyLength": 35,
        "success": True,
    }
    phases = found.phases or {}
    assert list(phases) == ["dns", "connect", "firstByte", "total"]
    assert phases["dns"] == 0
    assert 0 < phases["connect"] < phases["total"]
    assert 0 < phases["firstByte"] < phases["total"] == found.result["responseTimeMs"]


def test_a_name_is_looked_up(web: Site) -> None:
    found = request(f"http://localhost:{web.port}/json")
    assert found.result["statusCode"] == 200
    assert (found.phases or {})["dns"] > 0
    assert web.asked[-1].header("Host") == f"localhost:{web.port}"


@pytest.mark.parametrize(
    ("status", "text", "success"),
    [
        (204, "No Content", True),
        (299, "Just So", True),
        (304, "Not Modified", True),
        (399, "", True),
        (404, "Not Found", False),
        (503, "Service Unavailable", False),
    ],
)
def test_any_answer_is_a_result(web: Site, status: int, text: str, success: bool) -> None:
    found = request(f"{web.base}/status/{status}")
    assert found.error is None
    assert (found.result["statusCode"], found.result["statusText"]) == (status, text)
    assert found.result["success"] is success


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_methods_and_bodies(web: Site, method: str) -> None:
    for body in (None, "", "né: 1\n"):
        found = request(f"{web.base}/echo?a=b%20c", method=method, body=body)
        said = json.loads(found.result["body"])
        assert (said["method"], said["path"], said["body"]) == (method, "/echo?a=b%20c", body or "")
        assert "Expect" not in said["headers"]
        if body is None:
            assert said["headers"].get("Content-Length") == ("0" if method in ("POST", "PUT") else None)
            assert "Content-Type" not in said["headers"]


def test_head_has_no_body(web: Site) -> None:
    found = request(f"{web.base}/json", method="HEAD")
    assert (found.result["statusCode"], found.result["body"], found.result["bodyLength"]) == (200, "", 0)
    assert web.asked[-1].method == "HEAD"


def test_headers_are_sent_as_they_are(web: Site) -> None:
    headers = [
        {"name": "X-Probe", "value": "orders; né"},
        {"name": "X-Empty", "value": ""},
        {"name": "user-agent", "value": "mine"},
        {"name": "X-Twice", "value": "1"},
        {"name": "X-Twice", "value": "2"},
        {"name": "Content-Type", "value": "application/json"},
    ]
    request(f"{web.base}/echo", method="POST", body="{}", headers=headers)
    asked = web.asked[-1]
    sent = [(n, v) for n, v in asked.headers if n in {h["name"] for h in headers}]
    expected = [(h["name"], h["value"]) for h in headers]
    assert [(n, v.encode("latin-1").decode()) for n, v in sent] == expected


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\0b"])
def test_headers_cant_be_smuggled_in(web: Site, value: str) -> None:
    before = len(web.asked)
    found = failure(f"{web.base}/echo", headers=[{"name": "X-A", "value": value}])
    assert found.sentence == "the value of the header X-A holds a line break or a zero byte"
    assert len(web.asked) == before


def test_credentials(web: Site) -> None:
    basic = {"authType": "basic", "authUsername": "probe", "authPassword": "s3cret:ü"}
    token = {"authType": "token", "authToken": "t0ken"}
    request(f"{web.base}/echo", config=basic)
    assert web.asked[-1].header("Authorization") == "Basic cHJvYmU6czNjcmV0OsO8"
    request(f"{web.base}/echo", config=token)
    assert web.asked[-1].header("Authorization") == "Bearer t0ken"
    request(f"{web.base}/echo", config=token, headers=[{"name": "AUTHORIZATION", "value": "own"}])
    assert [v for n, v in web.asked[-1].headers if n.lower() == "authorization"] == ["own"]
    request(f"{web.base}/echo")
    assert web.asked[-1].header("Authorization") is None, "nothing is left in a handle that is used again"


@pytest.mark.parametrize(
    "url",
    [
        "ready",
        "/ready",
        "ftp://example.net/",
        "http://",
        "http:///x",
        "http://exa mple.net/",
        "http://user:pass@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
        "http://127.0.0.1:0/",
        "http://[::1",
        "http://127.0.0.1\\@example.net/",
        "http://a%00b/",
        "http://127.0.0.1/\r\nX: y",
        "file:///etc/passwd",
        "",
    ],
)
def test_bad_urls_are_a_result_with_an_error(url: str) -> None:
    found = request(url)
    assert (found.result["statusCode"], found.result["statusText"]) == (0, "Invalid URL")
    assert found.error is not None
    assert "is no URL" in found.error


def test_urls_are_encoded(web: Site) -> None:
    found = request(f"{web.base}/echo/né ü?q=ä&b=%C3%A4#part".replace(" ", "%20"))
    assert json.loads(found.result["body"])["path"] == "/echo/n%C3%A9%20%C3%BC?q=%C3%A4&b=%C3%A4"
    assert json.loads(request(f"{web.base}/echo/../echo/./x").result["body"])["path"] == "/echo/../echo/./x"


def test_bodies_are_decoded(web: Site) -> None:
    assert request(f"{web.base}/gzip").result["body"] == '{"packed": true}'
    assert request(f"{web.base}/latin").result["body"] == "née"
    assert request(f"{web.base}/chunked").result["body"] == "one two"
    assert request(f"{web.base}/binary").result["body"] == "\0\ufffd\ufffd\0"
    found = request(f"{web.base}/hundred")
    assert (found.result["statusCode"], found.result["body"]) == (200, "after")


def test_bodies_are_cut(web: Site) -> None:
    whole = request(f"{web.base}/size/{1 << 20}")
    assert (whole.result["bodyLength"], whole.notes) == (1 << 20, ())
    for path in ("flood", "bomb", f"size/{(1 << 20) + 1}"):
        found = request(f"{web.base}/{path}")
        assert found.error is None
        assert (found.result["statusCode"], found.result["bodyLength"]) == (200, 1 << 20)
        assert found.notes == ("the body is cut after 1048576 bytes",)


def test_time_limits_name_the_phase(web: Site) -> None:
    began = time.perf_counter()
    found = failure(f"{web.base}/hang", timeout=200)
    assert found.timed_out
    assert found.sentence == f"no answer from 127.0.0.1:{web.port} within 200ms"
    found = failure(f"{web.base}/drip", timeout=200)
    assert found.timed_out
    assert found.sentence == f"the answer of 127.0.0.1:{web.port} had no end within 200ms"
    found = failure(f"{web.base}/hang", config={"timeout": 150}, timeout=5000)
    assert found.sentence == f"no answer from 127.0.0.1:{web.port} within 150ms"
    with full_backlog() as port:
        found = failure(f"http://127.0.0.1:{port}/", timeout=200)
        assert found.sentence == f"connecting to 127.0.0.1:{port} timed out after 200ms"
    with raw(_silent) as port:
        assert failure(f"https://127.0.0.1:{port}/", timeout=200).sentence.startswith("the TLS handshake with")
    assert time.perf_counter() - began < 3


def _silent(client: socket.socket) -> None:
    while client.recv(10_000):
        pass


class full_backlog:
    """A port that accepts nothing any more: its queue is full."""

    def __enter__(self) -> int:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        port = self._listener.getsockname()[1]
        self._clients = []
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            self._clients.append(client)
        return int(port)

    def __exit__(self, *_: object) -> None:
        for sock in (*self._clients, self._listener):
            sock.close()


def _reset(client: socket.socket) -> None:
    client.recv(10_000)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(
    ("talk", "sentence"),
    [
        (lambda client: client.recv(10_000), "127.0.0.1:{} closed the connection without an answer"),
        (_reset, "127.0.0.1:{} reset the connection"),
        (lambda c: c.recv(10_000) and c.sendall(b"SSH-2.0-x\r\n\r\n"), "127.0.0.1:{} answered with what is no HTTP"),
        (
            lambda c: c.recv(10_000) and c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
            "the answer of 127.0.0.1:{} ended before its end",
        ),
        (
            lambda c: (
                c.recv(10_000)
                and c.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope")
            ),
            "the answer of 127.0.0.1:{} can't be decompressed",
        ),
        (
            lambda c: c.recv(10_000) and c.sendall(b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"y" * 400_000 + b"\r\n\r\n"),
            "the answer of 127.0.0.1:{} has too large a head",
        ),
    ],
)
def test_bad_servers(talk: Callable[[socket.socket], object], sentence: str) -> None:
    with raw(talk) as port:
        assert failure(f"http://127.0.0.1:{port}/", timeout=3000).sentence.startswith(sentence.format(port))


def test_headers_without_end(web: Site) -> None:
    began = time.perf_counter()
    assert "has too large a head" in failure(f"{web.base}/headers", timeout=5000).sentence
    assert time.perf_counter() - began < 4


def test_refused() -> None:
    port = closed_port()
    assert (
        failure(f"http://127.0.0.1:{port}/").sentence == f"can't connect to 127.0.0.1:{port}: the connection is refused"
    )


def test_the_next_address_is_tried(web: Site) -> None:
    names = Names(lambda host: [(socket.AF_INET, "127.0.0.2"), (socket.AF_INET, "127.0.0.1")])
    found = request(f"http://orders.example.net:{web.port}/json", guard=Guard(names=names))
    assert found.result["statusCode"] == 200
    assert web.asked[-1].header("Host") == f"orders.example.net:{web.port}"


def test_cancelled_requests_leave_nothing(web: Site) -> None:
    async def run() -> None:
        strategy = Http()
        connection = await strategy.open({}, Context(SUBJECT, {}, Guard()))
        task = asyncio.create_task(connection.collect("request", {"url": f"{web.base}/hang/cancelled"}))
        await until(lambda: web.asked[-1].path == "/hang/cancelled")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: "/hang/cancelled" in web.left)
        assert (await connection.collect("request", {"url": f"{web.base}/json"})).result["statusCode"] == 200
        await strategy.aclose()

    asyncio.run(run())


def test_closing_ends_requests_that_run(web: Site) -> None:
    async def run() -> None:
        strategy = Http()
        connection = await strategy.open({}, Context(SUBJECT, {}, Guard()))
        url = f"{web.base}/hang/closed"
        tasks = [asyncio.create_task(connection.collect("request", {"url": url})) for _ in range(3)]
        await until(lambda: sum(asked.path == "/hang/closed" for asked in web.asked) == 3)
        await strategy.aclose()
        await asyncio.wait(tasks, timeout=5)
        assert all(task.cancelled() for task in tasks)
        await until(lambda: web.left.count("/hang/closed") == 3)

    asyncio.run(run())


async def until(holds: Callable[[], bool]) -> None:
    """Wait for it, five seconds at most."""
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


def test_what_may_be_repeated() -> None:
    strategy = Http()
    assert strategy.repeatable({}, (("request", {"method": "GET"}), ("request", {"method": "HEAD"})))
    assert not strategy.repeatable({}, (("request", {"method": "GET"}), ("request", {"method": "POST"})))
