"""From a generation to the line in git where a check stood in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.flows.origins import Origins

if TYPE_CHECKING:
    from tests.conftest import Kit


def test_each_generation_has_its_place_and_its_commit(memory: Any, kit: Kit) -> None:
    first = kit.files({"a.yaml": kit.check("ready")})
    second = kit.files({"b.yaml": [kit.check("other"), kit.check("ready", "https://y.example.net/")]})
    third = kit.files(
        {"b.yaml": [kit.check("other"), kit.check("ready", "https://y.example.net/")], "c.yaml": kit.check("c")}
    )
    for files in (first, second, third):
        kit.apply(memory, files)
    ready = kit.uids(memory)["Check ready"]
    asked: list[int] = []
    read = memory.resources_at

    def counted(generation: int) -> Any:
        asked.append(generation)
        return read(generation)

    memory.resources_at = counted
    origins = Origins(memory)
    assert origins.of(ready, 3) == ("shop", "b.yaml", 3, third.commit)
    assert origins.of(ready, 2) == ("shop", "b.yaml", 3, second.commit)
    assert asked == [], "it stands where it stood"
    assert origins.of(ready, 1) == ("shop", "a.yaml", 1, first.commit)
    assert origins.of(ready, 1) == ("shop", "a.yaml", 1, first.commit)
    assert asked == [1]
    assert origins.of(kit.uids(memory)["Check c"], 2) is None
    assert origins.of(999, 3) is None


def test_a_check_that_is_gone_is_found_where_it_was(memory: Any, kit: Kit) -> None:
    before = kit.files({"a.yaml": kit.check("ready"), "s.yaml": kit.system("shop")})
    kit.apply(memory, before)
    ready = kit.uids(memory)["Check ready"]
    kit.apply(memory, kit.files({"s.yaml": kit.system("shop")}), force=True)
    (orphan,) = memory.orphans()
    origins = Origins(memory)
    assert origins.of(ready, 1) == ("shop", "a.yaml", 1, before.commit)
    assert orphan.uid == ready
