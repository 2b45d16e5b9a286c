"""The one thread that owns automations' connection to the store, and how everything else reaches it.

What several runs hand in while the disk is busy is kept in one transaction. While the store is away nobody loses what
they had: keeping is tried again until it succeeds, or until it is time to leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from reconciler.base.errors import StoreError
from reconciler.flows.acting.stores import Stores
from reconciler.store.automating import Kept
from reconciler.store.database import Database
from reconciler.store.sql_automating import SqlAutomating

T = TypeVar("T")
_AGAIN = 0.5
"""Seconds between two tries while the store is away."""


class Held:
    """Both sides of one connection."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.automating = SqlAutomating(db)
        self.stores = Stores(db)


class Desk:
    """Belongs to one event loop. ``opened`` opens the store, in the desk's thread, and again after each failure."""

    def __init__(self, opened: Callable[[], Database]) -> None:
        self._opened = opened
        self._held: Held | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="gitops-automations-store")
        self._pending: list[tuple[Kept, asyncio.Future[bool]]] = []
        self._flushing: asyncio.Task[None] | None = None
        self.leaving = False

    async def do(self, job: Callable[[Held], T]) -> T:
        """Have a job done in the desk's thread. Raises ``StoreError``."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, job)

    async def ask(self, question: Callable[[Stores], T]) -> T:
        """The same for actions: see :class:`reconciler.flows.acting.port.Asks`."""
        return await self.do(lambda held: question(held.stores))

    def at_once(self, job: Callable[[Held], T]) -> T:
        """The same for who can't wait otherwise; everything on the event loop stands still meanwhile."""
        return self._pool.submit(self._run, job).result()

    async def keep(self, kept: Kept) -> bool:
        """Durable when it returns; whether the run was ours still."""
        future = asyncio.get_running_loop().create_future()
        self._pending.append((kept, future))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return bool(await future)

    async def close(self) -> None:
        """Keep what was handed in, as far as the store is there, and close the connection."""
        self.leaving = True
        if self._flushing is not None and not self._flushing.done():
            await self._flushing
        await asyncio.get_running_loop().run_in_executor(self._pool, self._drop)
        self._pool.shutdown(wait=False)

    async def _flush(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            try:
                ours = await self._try([kept for kept, _ in batch])
            except Exception as error:
                if len(batch) > 1 and not isinstance(error, StoreError):
                    await self._one_by_one(batch)
                    continue
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, future), mine in zip(batch, ours, strict=True):
                    if not future.done():
                        future.set_result(mine)

    async def _one_by_one(self, batch: list[tuple[Kept, asyncio.Future[bool]]]) -> None:
        """What can't be kept mustn't take the others along."""
        for kept, future in batch:
            try:
                result = (await self._try([kept]))[0]
            except Exception as error:
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(result)

    async def _try(self, kept: list[Kept]) -> list[bool]:
        while True:
            try:
                return await self.do(lambda held: held.automating.keep(kept))
            except StoreError:
                if self.leaving:
                    raise
            await asyncio.sleep(_AGAIN)

    # -- the desk's own thread -----------------------------------------------------------------------------------------

    def _run(self, job: Callable[[Held], T]) -> T:
        if self._held is None:
            self._held = Held(self._opened())
        try:
            return job(self._held)
        except StoreError:
            self._drop()
            raise

    def _drop(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.automating.close()
