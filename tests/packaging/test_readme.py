"""What the documents promise is there: commands, flags, variables, settings, filters, public names, links."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import reconciler
from reconciler import api
from reconciler.cli.main import cli
from reconciler.flows import settings
from reconciler.flows.policy_inputs import PRESET
from reconciler.kinds.table import COLLECTORS, STRATEGIES
from reconciler.plan.safety import Limits
from reconciler.render.filters import FILTERS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/try")),
    *sorted((ROOT / "examples").rglob("README.md")),
]
_COMMAND = re.compile(r"(?:^\s*(?:\$ |run |- run: )?|`)(gitops [a-z][^`\n|>;&#]*)", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def section(title: str) -> str:
    """The text below a headline of the README."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found is not None, f"README.md has no section {title}"
    return found[1]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Each command that stands in a document, with the document's name."""
    for document in DOCUMENTS:
        for text in _COMMAND.findall(document.read_text(encoding="utf-8")):
            yield document.name, shlex.split(text.replace("[", " ").replace("]", " "))


def test_commands_and_their_flags_exist() -> None:
    seen = set()
    with click.Context(cli) as ctx:
        for document, (_, name, *arguments) in commands():
            command = cli.get_command(ctx, name)
            assert command is not None, f"{document} names gitops {name}"
            path = [name]
            while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
                path.append(arguments.pop(0).split("/")[0])
                command = command.get_command(ctx, path[-1])
                assert command is not None, f"{document} names gitops {' '.join(path)}"
            known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help", "-h"}
            for flag in (a.partition("=")[0] for a in arguments if a.startswith("-") and a != "-"):
                assert flag in known, f"{document} names gitops {' '.join(path)} {flag}"
            seen.add(name)
    assert {"validate", "plan", "apply", "render", "get", "history", "schema", "rollback"} <= seen


def test_all_commands_are_told() -> None:
    told = set(re.findall(r"`gitops ([a-z]+)", section("Commands")))
    with click.Context(cli) as ctx:
        assert told == set(cli.list_commands(ctx))


def test_the_table_of_settings_is_complete() -> None:
    text = section("Settings")
    rows = [
        [cell.strip().strip("`") for cell in row.strip("| \n").split("|")] for row in re.findall(r"^\| `.*", text, re.M)
    ]
    by_key = {row[0]: row for row in rows}
    keys = {
        "source",
        "include",
        "exclude",
        "store",
        "deletion",
        "limits.deletePercent",
        "limits.minResources",
        "external",
        "policies.preset",
    }
    assert set(by_key) == keys
    assert {k.partition(".")[0] for k in keys} == {f.name for f in dataclasses.fields(settings.Settings)}
    with click.Context(cli) as ctx:
        plan = cli.get_command(ctx, "plan")
    assert plan is not None
    options = {option: p for p in plan.params for option in p.opts}
    for key, (_, flag, variable, default, *_) in by_key.items():
        if key == "external":
            continue
        if key == "policies.preset":  # the operator's word can't be a flag of the job that a pull request edits
            assert (flag, variable, default) == ("", PRESET, settings.Settings().policies)
            continue
        assert options[flag].envvar == variable
        if key == "store":
            assert default == settings.DEFAULT_STORE
    assert float(by_key["limits.deletePercent"][3]) == Limits().max_delete_percent
    assert int(by_key["limits.minResources"][3]) == Limits().min_resources
    assert by_key["deletion"][3] == settings.Settings().deletion


def test_the_filters_are_those_there_are() -> None:
    told = re.findall(r"`([a-z_0-9]+)`", section("Template filters"))
    assert len(told) == len(set(told))
    assert set(told) == set(FILTERS)


def test_public_names_are_those_that_are_told() -> None:
    told = set(re.findall(r"`([A-Za-z_]+)`", section("From Python")))
    assert told == set(reconciler.__all__)


@pytest.mark.parametrize(
    "document", [d for d in DOCUMENTS if d.suffix == ".md"], ids=lambda d: str(d.relative_to(ROOT))
)
def test_links_lead_somewhere(document: Path) -> None:
    for link in _LINK.findall(document.read_text(encoding="utf-8")):
        assert (document.parent / link).exists(), f"{document.name} links to {link}"


def screens() -> list[str]:
    """What the README shows of a terminal."""
    return re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_plan_in_the_readme_is_true(tmp_path: Path) -> None:
    """The edit of examples/try, in the quickstart alone."""
    shutil.copytree(ROOT / "examples" / "01-quickstart", tmp_path / "work")
    work, store = tmp_path / "work", str(tmp_path / "store.db")
    api.apply(work, store, worktree=True)
    file = work / "monitoring" / "environments.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("orders.staging.example.net", "orders.next.example.net"), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "reconciler",
        "plan",
        "-C",
        str(work),
        "--worktree",
        "--store",
        store,
        "--no-color",
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert f"$ gitops plan\n{done.stdout.replace('from the working tree', 'at COMMIT')}" == screens()[0]


def test_the_diagnostics_in_the_readme_are_true() -> None:
    told = (ROOT / "examples/negative/undefined-variable/expected-diagnostics.txt").read_text(encoding="utf-8")
    assert f"$ gitops validate\n{told}" == screens()[1]


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """The quickstart over the server that pretends to be its API, applied; with the variables of who runs checks."""
    shutil.copytree(ROOT / "examples" / "01-quickstart", tmp_path / "work")
    environment = {**os.environ, "GITOPS_SECRET_PROBE_KEY": "open-sesame", "NO_COLOR": "1"}
    work = tmp_path / "work"
    process = subprocess.Popen(
        [sys.executable, str(work / "pretend.py")], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        file = work / "monitoring" / "environments.yaml"
        text = file.read_text(encoding="utf-8").replace("https://orders.staging.example.net", f"{url}/staging")
        file.write_text(text.replace("https://orders.example.net", f"{url}/production"), encoding="utf-8")
        api.apply(work, tmp_path / "store.db", worktree=True)
        yield work, environment
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap isn't installed")
def test_the_runs_in_the_readme_are_true(orders: tuple[Path, dict[str, str]]) -> None:
    """But for times, of course."""
    work, environment = orders

    def said(*arguments: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "reconciler", *arguments, "-C", str(work), "--worktree"]
        command += ["--store", str(work.parent / "store.db")]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)
        assert (done.returncode, done.stderr) == (code, ""), done.stdout
        return done.stdout

    def timeless(text: str) -> str:
        text = re.sub(r"phases: .*", "phases:", text.replace(" at COMMIT", ""))
        return re.sub(r" {2,}", "  ", re.sub(r"\b[\d.]+ (ms|s|min)\b|(?<=1500: found )[\d.]+", "N", text))

    run, status = screens()[2:4]
    assert timeless(run) == timeless("$ gitops run orders-http\n" + said("run", "orders-http", code=1))
    said("run", "orders-disk")
    assert timeless(status.removeprefix("$ gitops status\n...\n")) in timeless(said("status"))


def test_the_table_of_strategies_is_complete() -> None:
    rows = re.findall(r"^\| `([a-z]+)` \| (`[^|]*`) \|[^|]*\| ([^|]*) ?\|$", section("Running checks"), re.M)
    assert {name for name, _, _ in rows} == set(STRATEGIES)
    collectors = {f"{name}.{c}" for name, told, _ in rows for c in re.findall(r"`([a-z-]+)`", told)}
    assert collectors == set(COLLECTORS)
    extras = {name for name, _, needs in rows if needs.startswith(f"`pip install gitops-reconciler[{name}]`")}
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert extras == set(told) & set(STRATEGIES)


def test_nothing_names_a_machine() -> None:
    """What is read by strangers holds no paths of ours."""
    for document in DOCUMENTS:
        assert not re.search(r"/(?:home|root|work|Users)/", document.read_text(encoding="utf-8"))
