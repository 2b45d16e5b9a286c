"""What tests of automations share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.acting import Acting
from tests.servers.http import Site, site

if TYPE_CHECKING:
    from tests.conftest import Kit


@pytest.fixture
def acting(kit: Kit, tmp_path: Path) -> Iterator[Acting]:
    """An automation whose actions can be performed, and a store behind it."""
    found = Acting(kit, tmp_path / "store.db")
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def web() -> Iterator[Site]:
    """A server that keeps what it is asked."""
    with site() as running:
        yield running
