"""JSON as it is written: the same facts on every stream, and nothing that steers a terminal."""

from __future__ import annotations

import io
import json
import sys

import pytest

from reconciler.report.output import Output

SAID = {"a": "\x1b[2J \x9b31m \u202egnp\u2028 ünïcode 🙂"}


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_json_is_the_same_on_every_stream_and_steers_no_terminal(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    written = io.BytesIO()
    with io.TextIOWrapper(written, encoding=encoding) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        Output("json").data(SAID)
        Output("json").line_of_data(SAID)
        monkeypatch.undo()
        text = written.getvalue().decode(encoding)
    assert json.loads(text[: text.index("}") + 1]) == json.loads(text[text.index("}") + 1 :]) == SAID
    assert not set("\x1b\x9b\u202e\u2028") & set(text)
    assert ("ünïcode 🙂" in text) == (encoding == "utf-8")
