"""Tables: whole where they are piped, folded where a terminal is narrower."""

from __future__ import annotations

import pytest

from reconciler.report.style import PLAIN, Style, width_of
from reconciler.report.table import table

HEADER = ["KIND", "PLACE", "SINCE"]
ROWS = [["Check", "monitoring/checks/website-http.yaml:2", "12"], ["System", "日本語日本語日本語日本語.yaml", "1"]]


def test_a_pipe_gets_a_line_for_each_row() -> None:
    assert [line.split() for line in table(HEADER, ROWS, PLAIN)] == [HEADER, *ROWS]


@pytest.mark.parametrize("width", [30, 40, 60])
def test_a_terminal_gets_lines_that_fit_and_lose_nothing(width: int) -> None:
    lines = list(table(HEADER, ROWS, Style(width=width)))
    assert max(sum(map(width_of, line)) for line in lines) <= width
    text = "".join(line[8:].split("  ")[0] for line in lines)
    assert "monitoring/checks/website-http.yaml:2" in text
    assert "日本語日本語日本語日本語.yaml" in text


def test_the_narrowest_terminal_still_gets_every_column() -> None:
    assert next(iter(table(HEADER, ROWS, Style(width=1)))).split() == HEADER
