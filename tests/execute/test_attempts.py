"""Several addresses of one name: each gets its share, and whoever fails tells of all."""

from __future__ import annotations

import asyncio
import socket

import pytest

from reconciler.execute.attempts import Unreached, first
from reconciler.execute.egress import Address
from reconciler.execute.port import Failed
from reconciler.execute.reach import Limit

HERE, THERE, NOWHERE = (Address(socket.AF_INET, f"127.0.0.{n}", 7) for n in (1, 2, 3))


async def attempt(address: Address) -> str:
    if address == THERE:
        await asyncio.Event().wait()
    if address == NOWHERE:
        raise Unreached("the connection is refused")
    return address.ip


def run(*addresses: Address, host: str = "db.example.net", ms: float = 300) -> str:
    async def main() -> str:
        return await first(addresses, attempt, host, 7, limit=Limit(ms))

    return asyncio.run(main())


def test_goes_on_to_the_next() -> None:
    assert run(NOWHERE, HERE) == run(THERE, HERE) == run(HERE, THERE) == "127.0.0.1"


def test_tells_of_all() -> None:
    with pytest.raises(Failed) as raised:
        run(THERE, NOWHERE)
    assert raised.value.sentence == (
        "can't connect to db.example.net:7: nothing answers (127.0.0.2); the connection is refused (127.0.0.3)"
    )
    with pytest.raises(Failed, match=r"^can't connect to 127\.0\.0\.3:7: the connection is refused$"):
        run(NOWHERE, host="127.0.0.3")


def test_the_last_one_ends_with_the_limit() -> None:
    with pytest.raises(Failed, match="took longer than 100ms") as raised:
        run(NOWHERE, THERE, ms=100)
    assert raised.value.timed_out


def test_a_servers_own_word_is_final() -> None:
    tried = []

    async def refused(address: Address) -> str:
        tried.append(address)
        raise Unreached("wrong password", final=True)

    async def main() -> str:
        return await first((HERE, THERE), refused, "db", 7, limit=Limit(300))

    with pytest.raises(Failed, match="wrong password"):
        asyncio.run(main())
    assert tried == [HERE]
