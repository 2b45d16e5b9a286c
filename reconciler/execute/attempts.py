"""Trying one address after the other, for libraries that make their connections themselves."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from reconciler.execute.egress import Address
from reconciler.execute.port import Failed
from reconciler.execute.reach import Limit, named

T = TypeVar("T")


class Unreached(Exception):
    """Why it didn't work at one address. ``final``: the server's own word, which another address wouldn't change."""

    def __init__(self, sentence: str, *, final: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.final = final


async def first(
    addresses: Sequence[Address], attempt: Callable[[Address], Awaitable[T]], host: str, port: int, *, limit: Limit
) -> T:
    """What the first attempt that works gives. Each address but the last has its even share of the time that is left,
    so that one which swallows everything can't use it up alone. Raises :class:`Failed` that tells of all of them."""
    failures: list[str] = []
    async with limit.during(f"connecting to {named(host, port)}"):
        for index, address in enumerate(addresses):
            left = len(addresses) - index
            try:
                async with asyncio.timeout(limit.left / left if left > 1 else None):
                    return await _let_go(attempt(address))
            except TimeoutError:
                failures.append(_told("nothing answers", address, host))
            except Unreached as error:
                failures.append(_told(error.sentence, address, host))
                if error.final:
                    break
    raise Failed(f"can't connect to {named(host, port)}: {'; '.join(dict.fromkeys(failures))}")


async def _let_go(attempt: Awaitable[T]) -> T:
    """What a failed or cancelled attempt held is given back at once: exceptions keep frames, frames keep half-open
    connections, and circles of them would do so until the garbage collector comes by."""
    try:
        return await attempt
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)
        raise


def _told(what: str, address: Address, host: str) -> str:
    return what if address.ip == host.strip("[]") else f"{what} ({address.ip})"
