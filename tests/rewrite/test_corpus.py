"""Deliberately ugly version 1 files: every line that no step requires stays as it was, comments and all.

Which lines a step requires is worked out here a second time, from paths alone and without the code that edits: by
:mod:`reconciler.versioning.trace`, which knows where each value of the migrated document came from.
``GITOPS_UPDATE_GOLDENS=1`` writes the expected files anew; read them then.
"""

from __future__ import annotations

import difflib
import io
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from ruamel.yaml import YAML

from reconciler.flows.migrate_file import FileChange, migrate_file
from reconciler.flows.migrate_read import Wanted
from reconciler.source.outline import Node, outline
from reconciler.source.parsers import pure_parser
from reconciler.source.yaml import load
from reconciler.versioning.trace import trace
from reconciler.versioning.upgrade import upgrade

GOLDEN = Path(__file__).parent.parent / "golden"
UPDATE = bool(os.environ.get("GITOPS_UPDATE_GOLDENS"))
UGLY = sorted(GOLDEN.glob("migrate/*.in.yaml"))
STEPS = sorted(GOLDEN.glob("migrations/**/*.in.yaml"))
EXAMPLE = sorted((GOLDEN.parent.parent / "examples/03-version-1/.checkstack").glob("*.yaml"))
WANTED = Wanted("test", False)
_BREAK = re.compile(r"\r\n|\n|\r")
_COMMENT = re.compile(r"(?:^|\s)#.*$", re.MULTILINE)


def name(path: Path) -> str:
    return path.name.removesuffix(".in.yaml")


def changed(path: Path) -> FileChange:
    return migrate_file(path.name, path.read_bytes(), WANTED)


def lines(data: bytes) -> list[str]:
    return _BREAK.split(data.decode().removeprefix("\ufeff"))


def needless(change: FileChange) -> list[str]:
    """The lines that no step requires to change and that aren't in the new text, in their order."""
    if change.new is None:
        return []
    must = required(change)
    stay = [line for number, line in enumerate(lines(change.old)) if number not in must]
    kept = iter(lines(change.new))
    return [line for line in stay if line not in kept]


def touched(old: bytes, new: bytes) -> set[int]:
    """The lines of the old text (from 0) that aren't in the new one."""
    blocks = difflib.SequenceMatcher(None, lines(old), lines(new), autojunk=False).get_opcodes()
    return {line for tag, start, end, _, _ in blocks if tag != "equal" for line in range(start, end)}


def test_there_are_enough_files() -> None:
    assert len(UGLY) >= 60


@pytest.mark.parametrize("path", UGLY, ids=name)
def test_expected_text(path: Path) -> None:
    change = changed(path)
    assert change.failed == []
    expected = path.with_name(path.name.replace(".in.", ".out."))
    new = change.old if change.new is None else change.new
    if UPDATE:
        expected.write_bytes(new)
    assert new == expected.read_bytes()


@pytest.mark.parametrize("path", [*UGLY, *STEPS, *EXAMPLE], ids=name)
def test_only_required_lines_change(path: Path) -> None:
    change = changed(path)
    assert change.failed == []
    assert needless(change) == []


@pytest.mark.parametrize("path", [*UGLY, *EXAMPLE], ids=name)
def test_comments_blank_lines_and_line_ends_survive(path: Path) -> None:
    change = changed(path)
    old, new = change.old, change.new or change.old
    text = new.decode()
    assert [c for c, n in comments(old).items() if text.count(c) < n] == []
    assert blank(old) == blank(new)
    assert old.startswith(b"\xef\xbb\xbf") == new.startswith(b"\xef\xbb\xbf")
    assert old.endswith((b"\n", b"\r")) == new.endswith((b"\n", b"\r"))
    if b"\r\n" not in old or b"\n" not in old.replace(b"\r\n", b""):
        assert (b"\r\n" in old) == (b"\r\n" in new)
        assert (b"\n" in old.replace(b"\r\n", b"")) == (b"\n" in new.replace(b"\r\n", b""))


@pytest.mark.parametrize("path", [*UGLY, *STEPS, *EXAMPLE], ids=name)
def test_twice_changes_nothing(path: Path) -> None:
    change = changed(path)
    if change.new is not None:
        assert migrate_file(path.name, change.new, WANTED).new is None


@pytest.mark.parametrize("path", UGLY, ids=name)
def test_a_comment_anywhere_survives_once(path: Path) -> None:
    old = path.read_bytes()
    values = [parsed.value for parsed in load(old)[0]]
    pieces = re.split(rb"(\r\n|\n|\r)", old)
    places = list(range(0, len(pieces) - 1, 2))
    for at in Random(path.name).sample(places, min(8, len(places))):
        blanks = pieces[at][: len(pieces[at]) - len(pieces[at].lstrip(b" "))]
        for line in (pieces[at] + b" # put here;", pieces[at] + pieces[at + 1] + blanks + b"  # put here;"):
            text = b"".join([*pieces[:at], line, *pieces[at + 1 :]])
            documents, faults = load(text)
            if faults or [parsed.value for parsed in documents] != values:
                continue  # it would be no comment there
            change = migrate_file(path.name, text, WANTED)
            assert change.failed == []
            assert change.new is None or change.new.count(b"# put here;") == 1, text.decode()


def test_beside_a_round_trip_of_ruamel() -> None:
    """How many needless lines an emitter changes that is said to keep everything; printed with ``pytest -s``."""
    ours = theirs = files = 0
    for path in UGLY:
        change = changed(path)
        if change.new is None:
            continue
        ours += len(needless(change))
        rewritten = round_trip(change.old)
        theirs += len(touched(change.old, rewritten)) if rewritten is not None else 0
        files += rewritten is not None
    print(f"\nneedless lines: {ours} of ours in {len(UGLY)} files; {theirs} of a round trip in the {files} it can read")
    assert ours == 0
    assert theirs > 0


def round_trip(data: bytes) -> bytes | None:
    """The file read and written by ruamel.yaml in its most careful mode, nothing changed; None where it can't."""
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 1_000_000
    out = io.BytesIO()
    try:
        yaml.dump_all(list(yaml.load_all(data.decode())), out)
    except Exception:
        return None
    return out.getvalue()


def comments(data: bytes) -> Counter[str]:
    """Everything that looks like a comment; what stands in block scalars counts on both sides alike."""
    return Counter(found.group().strip() for found in _COMMENT.finditer(data.decode().replace("\r\n", "\n")))


def blank(data: bytes) -> int:
    return sum(not line.strip() for line in lines(data))


def required(change: FileChange) -> set[int]:
    """The lines of the old text that have to change, or to move, for its documents to be what steps make of them."""
    found: set[int] = set()
    rewritten = {document.nth for document in change.documents}
    text = change.old.decode()
    for parsed in load(change.old)[0]:
        if parsed.index in rewritten:
            root = outline(pure_parser()(text), parsed.index)
            head = upgrade(parsed.value).data
            assert root is not None
            assert head is not None
            found |= Required(parsed.value, head, root, lines(change.old)).lines
    return found


class Required:
    """The lines of one document. ``head of`` a value is where it stands in the migrated document."""

    def __init__(self, original: Any, head: Any, root: Node, text: list[str]) -> None:
        locate = trace(original)
        self.original, self.head, self.text = original, head, text
        self.head_of: dict[tuple[Any, ...], tuple[Any, ...]] = {(): ()}
        for path, value in walk(head):
            origin = locate(path)
            if origin not in self.head_of and shape(get(original, origin)) is shape(value):
                self.head_of[origin] = path
        self.lines: set[int] = set()
        self.paths: dict[int, tuple[Any, ...]] = {}
        self.aliases: list[tuple[Node, tuple[Any, ...]]] = []
        self._node(root, ())
        self._aliases()

    def _aliases(self) -> None:
        """An alias whose anchor no longer stands for its value has to be written out."""
        for alias, at in self.aliases:
            anchor = self.head_of.get(self.paths.get(id(alias.target), ("gone",)))
            mine = self.head_of.get(at)
            if mine is not None and (anchor is None or get(self.head, anchor) != get(self.head, mine)):
                self.lines.add(alias.line)

    def _node(self, node: Node, at: tuple[Any, ...]) -> None:
        for key, value in node.pairs or ():
            step = key.target.text if key.target is not None else key.text
            self._entry(key, value, (*at, step))
        for index, item in enumerate(node.items or ()):
            self._entry(item, item, (*at, index))
        head = self.head_of.get(at)
        if head is not None and node.pairs and node.line == node.end[0]:
            old, new = get(self.original, at), get(self.head, head)
            if isinstance(new, dict) and new.keys() - old.keys():  # a key comes into braces on one line
                self.lines.add(node.line)

    def _entry(self, key: Node, value: Node, at: tuple[Any, ...]) -> None:
        head = self.head_of.get(at)
        self.paths[id(value)] = at
        if value.target is not None:
            self.aliases.append((value, at))
        stays = head is not None and self.head_of.get(at[:-1]) == head[:-1]
        if not stays or head is None:
            last = value.end[0] if value.end[1] or value.end[0] == value.line else value.end[0] - 1
            self.lines.update(range(key.line, last + 1))
            moves = head is not None or any(old[: len(at)] == at for old in self.head_of)
            if moves:  # and the comments above it go along
                self.lines.update(self._comments_above(key.line))
            self.lines.update(self._comments_below(key, last))
            return
        if isinstance(head[-1], str) and head[-1] != at[-1]:
            self.lines.add(key.line)
        if value.text is not None and get(self.head, head) != get(self.original, at):
            self.lines.update(range(value.line, value.end[0] + 1))
        if value.target is None:
            self._node(value, at)

    def _comments_above(self, line: int) -> Iterator[int]:
        while line > 0 and self.text[line - 1].lstrip(" \t").startswith("#"):
            line -= 1
            yield line

    def _comments_below(self, key: Node, line: int) -> Iterator[int]:
        """Deeper comments behind a value belong to it."""
        while line + 1 < len(self.text):
            following = self.text[line + 1]
            if not following.lstrip().startswith("#") or len(following) - len(following.lstrip()) <= key.column:
                return
            line += 1
            yield line


def walk(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if at:
        yield at, value
    for step, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from walk(item, (*at, step))


def shape(value: Any) -> type[Any]:
    return dict if isinstance(value, dict) else list if isinstance(value, list) else str


def get(value: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        value = value[part]
    return value
