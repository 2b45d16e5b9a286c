"""Markdown in which what a document says can't leave its place.

Whoever opens a pull request writes the names, paths and values that a comment shows. Text in a line stands in ``code``
with its punctuation as numbers, which neither Markdown nor HTML takes for structure; there forges look for no mentions
and references either. Values stand in fences longer than any row of backticks in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from reconciler.report.style import safe

_TICKS = re.compile(r"`+")
_MARKED = re.compile(r"[^A-Za-z0-9 /-]")
_LONGEST = 200


def code(text: str) -> str:
    """Text in a line, a table or a summary: shown as it is, and nothing else."""
    text = safe(text).replace("\t", " ")
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return f"<code>{_MARKED.sub(_number, cut)}</code>"


def _number(found: re.Match[str]) -> str:
    char = found[0]
    # A code point of its own after it: an address that forges find in text is none then.
    return f"&#{ord(char)};&#8203;" if char == "@" else f"&#{ord(char)};" if char.isascii() else char


def link(text: str, url: str) -> str:
    """A link; ``url`` is made of a trusted base and of percent-encoded parts."""
    if not url:
        return code(text)
    return f'<a href="{url.replace("&", "&amp;").replace(chr(34), "%22").replace("<", "%3C")}">{code(text)}</a>'


def fence(lines: Iterable[str], language: str = "") -> list[str]:
    """Lines as they are, control characters apart."""
    inside = [safe(line) for line in lines]
    longest = max((len(ticks) for line in inside for ticks in _TICKS.findall(line)), default=0)
    bar = "`" * max(3, longest + 1)
    return [f"{bar}{language}", *inside, bar]


def folded(summary: str, body: Iterable[str]) -> str:
    """A part that is unfolded by a click. ``summary`` is Markdown made here; the empty lines end what is HTML."""
    return "\n".join([f"<details><summary>{summary}</summary>", "", *body, "", "</details>"])


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Cells are Markdown made here; the first column is text, the others are numbers."""
    titles = list(head)
    lines = ["| " + " | ".join(titles) + " |", "| --- |" + " ---: |" * (len(titles) - 1)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows)]


def marker(kind: str, source: str) -> str:
    """The line by which a bot finds its comment again; whatever the source is called, it stays one comment."""
    name = quote(source, safe="/._~").replace("-", "%2D") if "--" in source else quote(source, safe="/._~-")
    return f"<!-- gitops:{kind}:{name} -->"
