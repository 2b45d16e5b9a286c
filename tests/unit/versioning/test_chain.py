"""Chains without files: what is sound, and every way of being broken."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.versioning.chain import Chain, Migration, MigrationError, NewerVersion, check, relevant


def step(frm: int, to: int, file: str = "") -> Migration:
    def migrate(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "at": to}

    return Migration(frm, to, "a step", migrate, file or f"migrations/x/v{frm}_to_v{to}.py")


@pytest.mark.parametrize(
    ("steps", "first", "head"),
    [
        ((), 1, 1),
        ((), 2, 2),
        ((step(1, 2),), 1, 2),
        ((step(2, 3), step(1, 2)), 1, 3),
        ((step(0, 1), step(1, 2), step(2, 3)), 1, 2),
        ((step(1, 2), step(2, 3)), 2, 3),
        ((step(7, 9),), 1, 1),
    ],
)
def test_sound(steps: tuple[Migration, ...], first: int, head: int) -> None:
    assert check("x", steps, first=first, head=head) == []


@pytest.mark.parametrize(
    ("steps", "head", "sentences"),
    [
        ((), 2, ["x: Migration chain incomplete: reaches version 1, but target version is 2"]),
        ((step(1, 2),), 3, ["reaches version 2, but target version is 3; migrations/x/v2_to_v3.py is missing"]),
        ((step(1, 3),), 3, ["v1_to_v3.py: Migration must increment version by 1", "chain incomplete"]),
        ((step(2, 3),), 3, ["v2_to_v3.py: Migration chain broken: expected migration from version 1, but found"]),
        ((step(1, 2), step(3, 4)), 4, ["expected migration from version 2, but found one from version 3"]),
        (
            (step(1, 2, "b.py"), step(1, 2, "a.py")),
            2,
            [
                (
                    "b.py: Migration chain broken: expected migration from version 2, but found one from version 1,"
                    " which a.py starts from already"
                )
            ],
        ),
        (
            (step(1, 2), step(3, 4), step(5, 7)),
            7,
            ["version 2, but found one from version 3", "from 5 to 7", "version 4, but found one from", "incomplete"],
        ),
    ],
)
def test_broken(steps: tuple[Migration, ...], head: int, sentences: list[str]) -> None:
    faults = check("x", steps, first=1, head=head)
    assert len(faults) == len(sentences), faults
    for fault, sentence in zip(faults, sentences, strict=True):
        assert sentence in fault


def chain(*steps: Migration, head: int) -> Chain:
    return Chain("x", 1, head, relevant(steps, 1, head))


def test_walks_from_any_version() -> None:
    both = chain(step(2, 3), step(1, 2), head=3)
    assert [s.frm for s in both.path(1)] == [1, 2]
    assert both.migrate({}, 2) == {"at": 3}
    assert both.migrate({"a": 1}, 3) == {"a": 1}


def test_a_newer_version_has_no_way_down() -> None:
    with pytest.raises(NewerVersion, match="x version 5 was written for a newer release"):
        chain(step(1, 2), head=2).migrate({}, 5)
    with pytest.raises(ValueError, match="its first is 1"):
        chain(step(1, 2), head=2).migrate({}, 0)


def test_a_throwing_step_names_its_versions() -> None:
    def throws(data: dict[str, Any]) -> dict[str, Any]:
        return {"a": data["b"]}

    with pytest.raises(MigrationError, match="Migration from v1 to v2 failed: 'b'") as caught:
        chain(Migration(1, 2, "", throws, "f"), head=2).migrate({}, 1)
    assert caught.value.problems == ()
    assert isinstance(caught.value.__cause__, KeyError)
