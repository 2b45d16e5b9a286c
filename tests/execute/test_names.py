"""Looking names up where more of them hang than there are threads."""

from __future__ import annotations

import asyncio
import socket
import threading

from reconciler.execute.names import Found, Names

GOOD = [(socket.AF_INET, "192.0.2.1")]


class Resolver:
    """A system's resolver that hangs at some names until it is released."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.patience = 0.1
        self.released = threading.Event()

    def __call__(self, host: str) -> Found:
        self.asked.append(host)
        if host.startswith("dead"):
            self.released.wait(self.patience)
        return GOOD


def test_names_known_to_be_slow_leave_threads_to_the_others() -> None:
    resolver = Resolver()
    dead = [f"dead{n}" for n in range(10)]

    async def run() -> None:
        names = Names(resolver, threads=4, slow=0.05)
        await asyncio.gather(*(names.find(host) for host in dead))
        resolver.patience = 20
        resolver.asked.clear()
        waiting = [asyncio.create_task(names.find(host)) for host in dead]
        async with asyncio.timeout(5):
            for n in range(20):
                assert await names.find(f"alive{n}") == GOOD
        assert sum(host in dead for host in resolver.asked) <= 2
        resolver.released.set()
        assert await asyncio.gather(*waiting) == [GOOD] * len(dead)
        # What is quick again is treated as it.
        await asyncio.gather(*(names.find(host) for host in dead))
        assert names._known_slow == {}

    asyncio.run(run())


def test_what_nobody_waits_for_is_not_looked_up() -> None:
    resolver = Resolver()
    resolver.patience = 20

    async def run() -> None:
        names = Names(resolver, threads=1)
        first = asyncio.create_task(names.find("dead"))
        while not resolver.asked:
            await asyncio.sleep(0)
        given_up = [asyncio.create_task(names.find(f"late{n}")) for n in range(50)]
        kept = [asyncio.create_task(names.find("late7")) for _ in range(2)]
        await asyncio.sleep(0)
        for task in (*given_up, kept[0]):
            task.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        again = asyncio.create_task(names.find("late9"))
        await asyncio.sleep(0)
        resolver.released.set()
        async with asyncio.timeout(5):
            assert list(await asyncio.gather(first, kept[1], again)) == [GOOD] * 3
        assert sorted(resolver.asked) == ["dead", "late7", "late9"]
        assert names._asked == {}

    asyncio.run(run())


def test_a_lookup_that_has_begun_answers_who_asks_meanwhile() -> None:
    resolver = Resolver()
    resolver.patience = 20

    async def run() -> None:
        names = Names(resolver)
        first = asyncio.create_task(names.find("dead"))
        while not resolver.asked:
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        second = asyncio.create_task(names.find("dead"))
        await asyncio.sleep(0)
        resolver.released.set()
        assert await second == GOOD
        assert resolver.asked == ["dead"]

    asyncio.run(run())
