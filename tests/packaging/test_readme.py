"""What README.md promises: every command in one line each, screens as they really are, and no more than is read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from reconciler.cli.main import cli
from tests.packaging.pages import PAGES, README, REFERENCE, ROOT, rows, screens, section, text_of

HOSTS = {
    "https://orders.staging.example.net": "staging",
    "https://orders.next.example.net": "standby",
    "https://orders.example.net": "production",
}
"""What the README says instead of a server of this machine, and which of its answers that is."""


def test_it_stays_short() -> None:
    assert text_of(README).count("\n") <= 170, "what a reader looks up belongs in examples/reference/"


def test_all_commands_are_told() -> None:
    told = rows(section(README, "Commands"))
    with click.Context(cli) as ctx:
        assert sorted(row[0].removeprefix("gitops ") for row in told) == sorted(cli.list_commands(ctx))
    assert all(len(row) == 2 and len(row[1]) <= 110 for row in told), "one short line each"


def test_all_pages_are_led_to() -> None:
    text = text_of(README)
    led = [page for page in PAGES if f"]({page.relative_to(ROOT).as_posix()})" in text]
    assert led == PAGES


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The quickstart as a repository, and the server that pretends to be its API with its address."""
    shutil.copytree(ROOT / "examples" / "01-quickstart", tmp_path / "work")
    work = tmp_path / "work"
    pretend = [sys.executable, str(work / "pretend.py")]
    environment = {**os.environ, "GITOPS_SECRET_PROBE_KEY": "open-sesame"}
    process = subprocess.Popen(pretend, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        yield work, f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap isn't installed")
def test_the_whole_way_is_true(orders: tuple[Path, str], tmp_path: Path) -> None:
    """Every command of the screen, one after the other; true but for times, of course, and for the hosts."""
    work, url = orders
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "GITOPS_"))} | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
        "GITOPS_SECRET_PROBE_KEY": "open-sesame",
        "GITOPS_STORE": str(tmp_path / "store.db"),
        "NO_COLOR": "1",
    }

    def said(*command: str, code: int = 0) -> str:
        done = subprocess.run(command, cwd=work, capture_output=True, encoding="utf-8", env=environment)
        assert (done.returncode, done.stderr) == (code, ""), done.stdout
        return done.stdout

    def gitops(*arguments: str, code: int = 0) -> str:
        return said(sys.executable, "-m", "reconciler", *arguments, code=code)

    def commit() -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        said("git", "add", "-A")
        said("git", *identity, "commit", "-q", "-m", "edit")

    file = work / "monitoring" / "environments.yaml"
    text = text_of(file)
    for host, answer in HOSTS.items():
        text = text.replace(host, f"{url}/{answer}")
    file.write_text(text, encoding="utf-8")
    said("git", "init", "-q", "-b", "main")
    commit()
    gitops("apply", "--yes", "--quiet")
    gitops("run", "orders-disk")
    file.write_text(text.replace(f"{url}/staging", f"{url}/standby"), encoding="utf-8")
    commit()

    (screen,) = screens(README)
    found = ""
    for line in re.findall(r"^\$ gitops (.*)", screen, re.MULTILINE):
        shown = gitops(*line.split(), code=1 if line.startswith("run ") else 0)
        if line == "status":
            shown = "...\n" + shown[shown.index("SYSTEM ") :]
        found += f"$ gitops {line}\n{shown}"
    for host, answer in HOSTS.items():
        found = found.replace(f"{url}/{answer}", host)
    assert _timeless(found) == _timeless(screen)


def _timeless(text: str) -> str:
    """Without what differs from run to run: times, the widths they make, phases too short to be told, commits."""
    text = re.sub(r"phases: .*", "phases:", re.sub(r" at (?:COMMIT|[0-9a-f]{7,40}), ", " at COMMIT, ", text))
    return re.sub(r" {2,}", "  ", re.sub(r"\b[\d.]+ (ms|s|min)\b|(?<=1500: found )[\d.]+", "N", text))


def test_the_pages_exist() -> None:
    """A guard against a README that leads to all pages because none was found."""
    assert len(PAGES) >= 16
    assert (REFERENCE / "settings.md") in PAGES
