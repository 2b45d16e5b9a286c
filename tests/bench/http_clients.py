"""Which client costs least for one request over a connection of its own: CPU µs a request of the client's process.

``python tests/bench/http_clients.py [requests] [at once]``. The server runs on the last core, the clients on the
first. Wall time says little on a machine that does something else; CPU time is what one worker's core is divided by.

On a quiet core of 2026: libcurl in a thread of its own 56 µs, before anything is handed over; libcurl in the event loop
80; asyncio's streams, without any HTTP, 120; aiohttp 220. A whole run as the worker does it is 175.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import orjson
import pycurl  # type: ignore[import-untyped]

from reconciler.execute.egress import Guard
from reconciler.execute.executor import Executor
from reconciler.execute.http.engine import Engine, Transfer
from reconciler.sandbox.runners.variables import Subject
from tests.servers.http_fast import BODY, fast_server

_SUBJECT = Subject("check", "Check", 60, "system", "System")


def main() -> None:
    """Measure all, one after the other."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    at_once = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    print(f"{count} requests, {at_once} at once")
    with fast_server({cores[-1]}) as base:
        for name, measure in _CLIENTS.items():
            measure(base, min(count, 500), at_once)
            cpu, wall = time.process_time(), time.perf_counter()
            measure(base, count, at_once)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            print(f"{name:<34} {cpu / count * 1e6:7.0f} µs CPU {count / wall:8.0f} requests/s", flush=True)


async def _spread(one: Callable[[], Awaitable[None]], count: int, at_once: int) -> None:
    left = count

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await one()

    await asyncio.gather(*(worker() for _ in range(at_once)))


def _executor(base: str, count: int, at_once: int) -> None:
    body = {
        "assignment": {},
        "check": {
            "interval": 60_000,
            "strategy": {"type": "http@3", "config": {"timeout": 5000}},
            "collectors": [
                {
                    "type": "request@1",
                    "config": {"url": f"{base}/ready", "method": "GET", "headers": [], "timeout": 5000},
                    "assertions": [
                        {"field": "statusCode", "operator": "equals", "value": 200},
                        {"field": "body", "jsonPath": "$.ready", "operator": "equals", "value": True},
                    ],
                }
            ],
        },
    }

    async def go() -> None:
        executor = Executor(None, Guard())
        prepared = executor.prepare(orjson.dumps(body))

        async def one() -> None:
            observation = await executor.run(prepared, _SUBJECT, {})
            if observation.outcome != "healthy":
                raise SystemExit(f"not healthy: {observation.reason}")
            orjson.dumps(observation.detail())

        await _spread(one, count, at_once)
        await executor.aclose()

    asyncio.run(go())


def _options(curl: pycurl.Curl, url: str) -> None:
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)


def _engine(base: str, count: int, at_once: int) -> None:
    async def go() -> None:
        engine = Engine()

        def finish(transfer: Transfer, code: int) -> None:
            if code or bytes(transfer.body) != BODY:
                raise SystemExit(f"libcurl says {code}")

        async def one() -> None:
            await engine.perform(lambda curl: _options(curl, base), finish)

        await _spread(one, count, at_once)
        engine.close()

    asyncio.run(go())


def _thread(base: str, count: int, at_once: int) -> None:
    """One thread owns a multi handle, and waits in libcurl's own poll; results would have to be handed over."""

    def go() -> None:
        multi = pycurl.CurlMulti()
        idle = [Transfer() for _ in range(at_once)]
        running: dict[pycurl.Curl, Transfer] = {}
        begun = ended = 0
        while ended < count:
            while idle and begun < count:
                transfer = idle.pop()
                _options(transfer.begin(), base)
                running[transfer.curl] = transfer
                multi.add_handle(transfer.curl)
                begun += 1
            multi.perform()
            _, good, bad = multi.info_read()
            if bad:
                raise SystemExit(f"libcurl says {bad[0]}")
            for curl in good:
                multi.remove_handle(curl)
                curl.reset()
                idle.append(running.pop(curl))
                ended += 1
            if not good:
                multi.select(0.1)
        multi.close()

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()


def _aiohttp(base: str, count: int, at_once: int) -> None:
    import aiohttp

    async def go() -> None:
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def one() -> None:
                async with session.get(base) as response:
                    if await response.read() != BODY:
                        raise SystemExit("another body")

            await _spread(one, count, at_once)

    asyncio.run(go())


def _streams(base: str, count: int, at_once: int) -> None:
    """No client at all, as a lower bound of what asyncio itself costs: no redirect, no chunk, no phase, no proxy."""
    host, _, port = base.removeprefix("http://").partition(":")

    async def go() -> None:
        async def one() -> None:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            if not (await reader.read()).endswith(BODY):
                raise SystemExit("another body")
            writer.close()

        await _spread(one, count, at_once)

    asyncio.run(go())


_CLIENTS: dict[str, Callable[[str, int, int], None]] = {
    "asyncio streams, by hand": _streams,
    "pycurl, multi.perform in a thread": _thread,
    "pycurl, socket_action in asyncio": _engine,
    "aiohttp": _aiohttp,
    "executor: prepared, run, judged": _executor,
}

if __name__ == "__main__":
    main()
