"""How long results are kept: an option that nobody who doesn't use it sees in a slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reconciler.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.store.sql_writer import SqlStore
    from tests.conftest import Kit


@pytest.fixture
def store() -> Iterator[SqlStore]:
    store = open_store(":memory:")
    yield store
    store.close()


def shop(kit: Kit, **assignment: Any) -> dict[str, Any]:
    return {"s.yaml": [kit.check("c"), kit.system("s", [], [{"check": "c", **assignment}])]}


def test_who_says_nothing_gets_the_slice_of_before(kit: Kit, store: SqlStore) -> None:
    kit.apply(store, shop(kit))
    (row,) = store.slice_rows()
    assert row.body.startswith(
        b'{"assignment":{"thresholds":{"degraded":2,"healthy":1,"mode":"consecutive","unhealthy":5}},"check":{'
    )


def test_it_is_kept_in_milliseconds(kit: Kit, store: SqlStore) -> None:
    kit.apply(store, shop(kit, retention={"raw": "36h", "daily": "2d"}))
    (body,) = kit.slices(store).values()
    assert body["assignment"]["retention"] == {"raw": 129_600_000, "daily": 172_800_000}


@pytest.mark.parametrize(
    ("retention", "sentence"),
    [
        ({"raw": "59m"}, "has to be at least 1h, not 59m"),
        ({"hourly": "1h"}, "has to be at least 1d, not 1h"),
        ({"daily": 7}, "the duration 7 has no unit"),
        ({"weekly": "7d"}, "weekly"),
    ],
)
def test_what_makes_no_sense_is_refused(kit: Kit, store: SqlStore, retention: dict[str, Any], sentence: str) -> None:
    (fault,) = kit.faults(store, shop(kit, retention=retention))
    assert sentence in fault.message
