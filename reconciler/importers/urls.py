"""A plain list of URLs: one a line, with a name behind it where somebody gave one.

``#`` begins a comment. Blank lines part blocks; a block that begins with one line of comment is a group by that title.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reconciler.importers.names import slug
from reconciler.importers.places import address, family, shown
from reconciler.importers.port import File, Imported, Notes
from reconciler.importers.probe import At, Measure, Probe
from reconciler.importers.secrets import Keeper, clean_url

_COMMENT = re.compile(r"(?:^|\s)#+\s?(.*)$")
_HOST = re.compile(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\.)+[A-Za-z]{2,}(?::[0-9]{1,5})?(?:[/?]\S*)?\Z|localhost\b"
)
_TITLE = 60


class _Line(NamedTuple):
    number: int
    url: str
    name: str
    comments: list[str]


class _Block(NamedTuple):
    heading: str | None
    lines: list[_Line]


def read(files: Sequence[File], notes: Notes) -> Imported:
    """Every URL of the files."""
    found, keeper = Imported(), Keeper(notes)
    for file in files:
        for block in _blocks(file.text):
            for line in block.lines:
                probe = _probe(line, block.heading, At(file.name, "", line.number), keeper, notes)
                if probe is not None:
                    found.probes.append(probe)
    return found


def _blocks(text: str) -> Iterator[_Block]:
    pending: list[str] = []
    loose: list[str] = []
    block = _Block(None, [])
    for number, raw in enumerate(text.splitlines(), 1):
        match = _COMMENT.search(raw)
        content, comment = (raw[: match.start()].strip(), match[1].strip()) if match else (raw.strip(), "")
        if not content:
            if match:
                pending.append(comment)
                continue
            loose, pending = [*loose, *pending], []
            if block.lines:
                yield block
                block = _Block(None, [])
            continue
        if not block.lines and len(pending) == 1 and 0 < len(pending[0]) <= _TITLE:
            block, pending = _Block(pending[0].rstrip(":"), []), []
        url, _, name = content.partition(" ")
        block.lines.append(
            _Line(number, url.rstrip(",;"), name.strip(" \t,;|-"), [*filter(None, [*loose, *pending, comment])])
        )
        loose, pending = [], []
    if block.lines:
        yield block


def _probe(line: _Line, group: str | None, at: At, keeper: Keeper, notes: Notes) -> Probe | None:
    url = line.url
    if "://" not in url and _HOST.match(url):
        url = f"https://{url}"
        notes.changed(at, f"{shown(line.url)} has no scheme; https is assumed")
    parts = address(url)
    if parts is None or not parts.host:
        notes.left(at, f"{shown(line.url)} is no URL", "write it as in https://www.example.net/health")
        return None
    measure = _measure(url, line.name or parts.host, at, keeper, notes)
    if measure is None:
        return None
    whole = family(parts.host)[0]
    # A name belongs to what is watched; without one, all URLs of a host are parts of one system.
    title = line.name or f"{whole} {measure.part or ''}".strip()
    shared = measure.part or {"ping": "ping", "tcp": "port"}.get(measure.strategy, "http")
    system, alone = (None, None) if line.name else (whole, parts.host)
    return Probe(title, at, [measure], group, system, alone, shared, comments=line.comments)


def _measure(url: str, title: str, at: At, keeper: Keeper, notes: Notes) -> Measure | None:
    scheme = url.partition("://")[0].lower()
    parts = address(url)
    if parts is None:
        return None
    if scheme in ("http", "https"):
        cleaned = clean_url(url, title, at, keeper, notes)
        if cleaned is None:
            return None
        path = slug(parts.rest.partition("?")[0])
        target = cleaned[0] if parts.rest else f"{cleaned[0]}/"
        assertions = [{"field": "success", "operator": "isTrue"}]
        return Measure("http", cleaned[1], "request", {"url": target}, assertions, part=path or None)
    if scheme in ("icmp", "ping"):
        return Measure("ping", {}, "ping", {"host": parts.host}, [{"field": "success", "operator": "isTrue"}])
    if scheme == "tcp":
        port = parts.base.rpartition(":")[2]
        if port.isdigit() and 0 < int(port) < 65536:
            return Measure("tcp", {"host": parts.host, "port": int(port)})
    notes.left(
        at, f"{scheme}:// can't be checked as it stands", "write a Check with the strategy that fits (gitops explain)"
    )
    return None
