"""The ticks of a slice."""

from __future__ import annotations

import pytest

from reconciler.store.grid import tick_after, tick_before


def test_the_grid() -> None:
    for now in (0.0, 1.0, 12.345, 1_800_000_000.123):
        before, after = tick_before(now, 5000, 1234), tick_after(now, 5000, 1234)
        assert before <= now < after
        assert after - before == pytest.approx(5)
        assert round(before * 1000 - 1234) % 5000 == 0
    assert tick_before(1.234, 5000, 1234) == 1.234
    assert tick_after(1.234, 5000, 1234) == 6.234
