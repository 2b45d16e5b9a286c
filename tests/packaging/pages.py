"""What is written for users: README.md, and the pages below examples/ that it leads to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from reconciler.cli.main import cli

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
REFERENCE = ROOT / "examples" / "reference"
POLICIES = ROOT / "examples" / "06-policies" / "README.md"
PAGES = [*sorted(REFERENCE.glob("*.md")), *sorted((ROOT / "examples").rglob("README.md"))]
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES]
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def text_of(page: Path) -> str:
    """The page as it lies on disk."""
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """The page without its blocks of code and terminals."""
    return _FENCE.sub("", text_of(page))


def section(page: Path, title: str) -> str:
    """The text below a headline of a page."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text_of(page), re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page.name} has no section {title}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of each row of a table that begins with code, without the backticks around a whole cell."""
    found = re.findall(r"^\| `.*", text, re.MULTILINE)
    return [[cell.strip().strip("`") for cell in row.strip("| \n").split("|")] for row in found]


def screens(page: Path) -> list[str]:
    """What a page shows of a terminal."""
    return re.findall(r"^```console\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What a link into a page may name behind the ``#``, as forges make it from headlines."""
    titles = re.findall(r"^#+ (.*)", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Each command with its path, those of groups too."""
    with click.Context(cli) as ctx:
        todo = [(name, cli.get_command(ctx, name)) for name in cli.list_commands(ctx)]
        while todo:
            path, command = todo.pop()
            assert command is not None
            yield path, command
            if isinstance(command, click.Group):
                todo += [(f"{path} {name}", command.get_command(ctx, name)) for name in command.list_commands(ctx)]
