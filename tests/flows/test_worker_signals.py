"""Signals of a worker that come while its loop is busy."""

from __future__ import annotations

import asyncio
import os
import signal

from reconciler.flows.work.worker import Signals


def test_none_is_lost_while_other_threads_have_much_to_say() -> None:
    """Each of their calls is a byte in the loop's pipe, which is full at some hundreds."""

    async def main() -> Signals:
        signals, loop = Signals(), asyncio.get_running_loop()
        before = signal.getsignal(signal.SIGTERM)
        with signals.installed(loop):
            for _ in range(100_000):
                loop.call_soon_threadsafe(int)
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(signals.asked.wait(), 5)
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.wait_for(signals.at_once.wait(), 5)
        assert signal.getsignal(signal.SIGTERM) is before
        return signals

    assert asyncio.run(main()).first == signal.SIGTERM
