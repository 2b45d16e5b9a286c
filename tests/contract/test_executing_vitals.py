"""What the metrics tell of the store as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.conftest import Rig

pytestmark = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)


def test_vitals(rig: Rig) -> None:
    rig.apply(systems=[f"s{n}" for n in range(5)], environments=["production"])
    rig.step(40)
    assert rig.hands.vitals()[:2] == (5, 0)
    assert rig.hands.vitals(regions=["eu"])[:2] == (0, 0)
    rig.finish(rig.claim())
    keys = [s.key for s in rig.hands.states()]
    rig.hands.pause([(key, "") for key in keys[:3]], actor="a", reason="r")
    rig.sql("update schedule set paused = 2 where place = (select min(place) from schedule where paused = 1)")
    found = rig.hands.vitals()
    assert (found.paused, found.set_aside, found.unseen) == (2, 1, {})
    assert (found.most_connections is not None) == bool(found.connections)
