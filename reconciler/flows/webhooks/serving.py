"""Serving webhooks, from the start to a signal. The store and the secrets are asked in one thread beside the loop."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from reconciler.flows.incidents import nothing_there
from reconciler.flows.secrets import make_resolver
from reconciler.flows.webhooks.events import Came, Ended, Event, Listening, Refused, Trouble
from reconciler.flows.webhooks.receiver import Answer, Receiver
from reconciler.flows.webhooks.server import Bounds, Server
from reconciler.flows.work.endpoint import PLAIN as TEXT
from reconciler.flows.work.endpoint import Endpoint
from reconciler.store.open import store_path, there
from reconciler.store.shared import SharedStore

T = TypeVar("T")
Tell = Callable[[Event], None]
_TELL_EVERY = 60.0
_AGAIN = 60.0
"""Seconds after which a complaint is told again."""
_GRACE = 10.0
_HEALTH_HOLDS = 1.0
_INTERRUPTED = 130


def serve(
    address: str, at: tuple[str, int], environ: Mapping[str, str], tell: Tell, *, metrics: tuple[str, int] | None = None
) -> int:
    """Serve until told to stop; returns the exit code. ``metrics``: where counts are told, not to be reached by
    everybody. Raises ``GitopsError`` where it can't begin."""
    if not there(address):
        raise nothing_there(store_path(address))
    return asyncio.run(Serving(address, environ, tell, Bounds()).live(at, metrics))


class Serving:
    """One server. Implements :class:`reconciler.flows.webhooks.server.Receives`."""

    def __init__(self, address: str, environ: Mapping[str, str], tell: Tell, bounds: Bounds) -> None:
        self._address, self._tell = address, tell
        self._secrets = SharedStore(address)
        self._receiver = Receiver(address, make_resolver(environ, lambda: self._secrets), self._complain)
        self._thread = ThreadPoolExecutor(1, "gitops-webhooks")
        self._server = Server(self, bounds)
        self._metrics = Endpoint({"/metrics": lambda: (200, TEXT, self._server.metrics())})
        self._told: dict[str, float] = {}
        self._health = (-1e9, False)
        self._taken = 0
        self._begun = False

    async def live(self, at: tuple[str, int], metrics: tuple[str, int] | None = None) -> int:
        """Start, serve until a signal comes, end."""
        stop: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, _stop, stop, number)
        try:
            await self.begin(at, metrics)
            came = await self._until(stop)
        finally:
            await self.end()
        return _INTERRUPTED if came == signal.SIGINT else 0

    async def begin(self, at: tuple[str, int], metrics: tuple[str, int] | None = None) -> str:
        """Listen; returns the address that can be called. Raises ``GitopsError``."""
        self._loop = asyncio.get_running_loop()
        hooks = await self._in_thread(self._receiver.count)
        url = await self._server.open(*at)
        told = None if metrics is None else await self._metrics.open(*metrics)
        self._tell(Listening(url, store_path(self._address), hooks, told))
        self._begun = True
        await self._in_thread(self._receiver.check)
        return url

    async def end(self) -> None:
        """Let what is there be answered, and give everything back."""
        await self._server.close(_GRACE)
        await self._metrics.close()
        if self._begun:
            self._tell(Ended(self._taken))
        await asyncio.to_thread(self._thread.submit(self._receiver.close).result)
        self._thread.shutdown()
        self._secrets.close()

    async def receive(self, hook: str, headers: Mapping[str, str], body: bytes, *, remote: str) -> Answer:
        """See the protocol."""
        answer = await self._in_thread(partial(self._receiver.receive, hook, headers, body, remote=remote))
        if answer.status in (200, 202):
            self._taken += answer.status == 202
            self._tell(Came(hook, remote, tuple(answer.told["events"]), answer.status == 200))
        return answer

    async def alive(self) -> bool:
        """See the protocol. Whoever asks again and again doesn't reach the store."""
        asked, found = self._health
        if time.monotonic() - asked > _HEALTH_HOLDS:
            found = await self._in_thread(self._receiver.alive)
            self._health = (time.monotonic(), found)
        return found

    async def _in_thread(self, ask: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._thread, ask)

    async def _until(self, stop: asyncio.Future[signal.Signals]) -> signal.Signals:
        """Until a signal comes; meanwhile what was refused is told now and then."""
        while True:
            done, _ = await asyncio.wait([stop], timeout=_TELL_EVERY)
            requests, addresses = self._server.refused.news()
            if requests:
                self._tell(Refused(requests, addresses))
            if done:
                return stop.result()

    def _complain(self, sentence: str) -> None:
        """In the store's thread. The same is told once a minute."""
        now = time.monotonic()
        if now - self._told.get(sentence, -1e9) >= _AGAIN:
            self._told = {s: at for s, at in self._told.items() if now - at < _AGAIN} | {sentence: now}
            self._loop.call_soon_threadsafe(self._tell, Trouble(sentence))


def _stop(stop: asyncio.Future[signal.Signals], number: signal.Signals) -> None:
    if not stop.done():
        stop.set_result(number)
