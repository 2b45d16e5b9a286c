"""What checks look at: a web server that counts who asked for what, answers late where it is told to, or not at all."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Targets:
    """``delay`` in seconds by path, None for one that never answers; ``status`` by path, else 200.

    ``asked`` counts requests by path, ``answered`` those that got an answer, ``together`` how many of one path were
    there at once at most.
    """

    def __init__(self) -> None:
        self.url = ""
        self.delay: dict[str, float | None] = {}
        self.status: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.together: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self._over = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one answer."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            self.asked[path] += 1
            self._now[path] += 1
            self.together[path] = max(self.together[path], self._now[path])
            try:
                await self._answer(path, reader, writer)
            finally:
                self._now[path] -= 1
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        delay = self.delay.get(path, 0.0)
        if delay is None or delay > 0:
            gone = asyncio.create_task(reader.read(1))  # ends when the client hangs up
            over = asyncio.create_task(self._over.wait())
            await asyncio.wait((gone, over), timeout=delay, return_when=asyncio.FIRST_COMPLETED)
            hung_up = gone.done()
            for task in (gone, over):
                task.cancel()
            await asyncio.gather(gone, over, return_exceptions=True)
            if hung_up or delay is None:
                return
        status = self.status.get(path, 200)
        writer.write(b"HTTP/1.1 %d Whatever\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok" % status)
        await writer.drain()
        self.answered[path] += 1

    def end(self) -> None:
        """Let nobody wait any longer."""
        self._over.set()


@contextmanager
def targets() -> Iterator[Targets]:
    """Serves on a free port, in a thread, for as long as the block lasts."""
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    found: list[Targets] = []

    async def main() -> None:
        mine = Targets()
        server = await asyncio.start_server(mine.serve, "127.0.0.1", 0, backlog=4096)
        mine.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        found.append(mine)
        ready.set()
        await mine._over.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    ready.wait(10)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(found[0].end)
        thread.join()
        loop.close()
