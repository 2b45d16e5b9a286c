"""Faults planted into valid documents of every kind: each is told at its place, once, and nothing beside it.

The rows of ``table.txt`` were made by mutation; where a fault has to be told follows from the mutation, and was not
taken from what the tool says.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import InvalidDocuments
from reconciler.flows.check_changed import check
from reconciler.flows.plan import Options, make_plan
from reconciler.flows.settings import Settings
from reconciler.kinds.table import ACTIONS, COLLECTORS, KINDS, STRATEGIES, TRIGGERS
from reconciler.source.delta import TreeDelta
from reconciler.store.open import open_store

if TYPE_CHECKING:
    from tests.conftest import Files, Kit

HERE = Path(__file__).parent
VALID = {path.name: path.read_bytes() for path in sorted((HERE / "valid").iterdir())}


class Row(NamedTuple):
    """One planted fault."""

    file: str
    line: int
    place: str
    code: str
    text: str

    def planted(self) -> bytes:
        """The file with the fault in it."""
        lines = VALID[self.file].decode().split("\n")
        lines[self.line - 1 : self.line] = [] if self.text == "(gone)" else self.text.split("\\n")
        return "\n".join(lines).encode()


def rows() -> list[Row]:
    """The table, without its head."""
    found = []
    for text in (HERE / "table.txt").read_text(encoding="utf-8").splitlines():
        if not text.startswith("#"):
            file, line, place, code, new = text.split(" | ", 4)
            found.append(Row(file, int(line), place, code, new))
    return found


ROWS = rows()


def told(files: Files) -> tuple[Diagnostic, ...]:
    store = open_store(":memory:")
    try:
        return make_plan(files, Settings(), store, options=Options(force=True, trust_external=True)).warnings
    except InvalidDocuments as invalid:
        return invalid.diagnostics
    finally:
        store.close()


def test_the_documents_are_valid_and_have_everything(kit: Kit) -> None:
    assert told(kit.files(VALID)) == ()
    text = b"\n".join(VALID.values()).decode()
    assert all(f"kind: {kind}" in text for kind in KINDS)
    words = [
        *(f"type: {name}@" for name in STRATEGIES),
        *(f"type: {name.partition('.')[2]}@" for name in COLLECTORS),
        *(f"event: {name}@" for name in TRIGGERS),
        *(f"action: {name}@" for name in ACTIONS),
    ]
    assert not [word for word in words if word not in text]


def test_there_are_enough_of_them() -> None:
    assert len(ROWS) >= 200
    assert len(set(ROWS)) == len(ROWS)
    assert {row.file for row in ROWS} == set(VALID)
    assert len({row.code for row in ROWS}) >= 30


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.file}:{row.line}-{row.code}")
def test_told_at_its_place_once_and_nothing_beside_it(row: Row, kit: Kit) -> None:
    planted = kit.files({**VALID, row.file: row.planted()})
    found = told(planted)
    assert [(d.code, str(d.place)) for d in found] == [(row.code, f"{row.file}:{row.place}")]
    changed = check(TreeDelta(kit.files(VALID), planted), Settings(), name="shop").diagnostics
    # Names that are near are looked for among what was read, so that a hint may miss there.
    assert [replace(d, hint=None) for d in changed] == [replace(d, hint=None) for d in found]
