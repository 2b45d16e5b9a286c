"""Places of keys, values and characters."""

from __future__ import annotations

import pytest

from reconciler.base.diagnostics import Path
from reconciler.source.positions import positions
from reconciler.source.yaml import load

TEXT = """# c
a: 1
---
base: &b {x: 1, "y": 'it''s {{ q }}'}
m:
  <<: *b
  z: "a\\tb\\u00e9 {{ x }}"
lit: |
  one {{ a }}

    two {{ b }}
fold: >-
  one two
  three

  four
plain: one
  two

  three
al: *b
l: [1, {k: !!str v}]
dq: "one
  two \\
  three"
é: {ü: &n
  anchored}
deep: {<<: [*b, {w: 1}]}
"""


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ((), (4, 1), (4, 1)),
        (("base",), (4, 1), (4, 7)),
        (("base", "y"), (4, 17), (4, 22)),
        (("m", "x"), (6, 3), (6, 7)),
        (("m", "z"), (7, 3), (7, 6)),
        (("al", "x"), (21, 1), (21, 5)),
        (("l", 0), (22, 5), (22, 5)),
        (("l", 1, "k"), (22, 9), (22, 12)),
        (("é", "ü"), (26, 5), (26, 8)),
        (("deep", "w"), (28, 18), (28, 21)),
        (("deep", "y"), (28, 8), (28, 13)),
        (("l", 7), (22, 1), (22, 1)),
        (("nope",), (4, 1), (4, 1)),
        (("m", "nope", "more"), (5, 1), (5, 1)),
        (("m", 0), (5, 1), (5, 1)),
    ],
)
def test_keys_and_values(path: Path, key: tuple[int, int], value: tuple[int, int]) -> None:
    places = positions(TEXT.encode(), 1)
    assert (places.key(path), places.value(path)) == (key, value)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    "path", [("base", "y"), ("m", "z"), ("lit",), ("fold",), ("plain",), ("dq",), ("l", 1, "k"), ("é", "ü")]
)
def test_every_character_is_found_inside_its_scalar(path: Path, end: str, mark: str) -> None:
    data = (mark + TEXT.replace("\n", end)).encode()
    value = load(data)[0][1].value
    for step in path:
        value = value[step]
    places = positions(data, 1)
    lines = TEXT.split("\n")
    for offset, character in enumerate(value):
        line, column = places.inside(path, offset)
        there = (lines[line - 1] + "\n")[column - 1]
        assert there == character or (there in "\n\\" and not character.isalnum()) or there == "\\", (offset, character)
    assert places.inside(path, len(value) + 5) >= places.inside(path, len(value) - 1)


def test_a_mark_before_the_first_line_takes_no_column() -> None:
    assert positions("\ufeffa: 'xy'".encode(), 0).inside(("a",), 1) == (1, 6)


def test_places_beside_a_broken_document() -> None:
    data = b"a: [\n---\n\nb: 1\n--- \n---\nc: {d: [http://x]}\n"
    assert positions(data, 0).value(("a",)) == (1, 1)
    assert positions(data, 1).value(("b",)) == (4, 4)
    assert positions(data, 3).value(("c", "d", 0)) == (7, 9)
    assert positions(data, 9).value(("c",)) == (1, 1)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 100_000, b"a: &a [*a]", b"\x00"])
def test_what_cant_be_read_has_its_start(data: bytes) -> None:
    assert positions(data, 0).value(("a", 0, "b"))[0] == 1
    assert positions(data, 0).inside(("a",), 3)[0] == 1


def test_empty_and_other_values_have_a_place_inside() -> None:
    places = positions(b"a: ''\nb: [1]\nc: |\nd: x\n", 0)
    assert places.inside(("a",), 0) == (1, 5)
    assert places.inside(("b",), 4) == (2, 4)
    assert places.inside(("c",), 0)[0] in (3, 4)
