"""The pages for users hold all there is (flags, variables, settings, filters, names); their links lead somewhere."""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import reconciler
from reconciler.cli.main import cli
from reconciler.flows import settings
from reconciler.flows.policy_inputs import PRESET
from reconciler.kinds.table import COLLECTORS, KINDS, STRATEGIES
from reconciler.plan.safety import Limits
from reconciler.render.filters import FILTERS
from tests.packaging.pages import (
    DOCUMENTS,
    PAGES,
    POLICIES,
    README,
    REFERENCE,
    ROOT,
    anchors,
    every_command,
    prose,
    rows,
    screens,
    section,
    text_of,
)

_COMMAND = re.compile(r"(?:^\s*(?:\$ |run |- run: )?|`)(gitops [a-z][^`\n|>;&#]*)", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:)([^)\s]*)\)")
_VARIABLE = re.compile(r"\bGITOPS_[A-Z_]*[A-Z]\b")
_TOLD = [README, *PAGES]


def _named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _commands() -> Iterator[tuple[str, list[str]]]:
    """Each command that stands in a document, with the document's name."""
    for document in (*DOCUMENTS, ROOT / "examples" / "try"):
        for text in _COMMAND.findall(text_of(document)):
            yield _named(document), shlex.split(text.replace("[", " ").replace("]", " "))


def test_commands_and_their_flags_exist() -> None:
    seen = set()
    with click.Context(cli) as ctx:
        for document, (_, name, *arguments) in _commands():
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


@pytest.mark.parametrize("page", _TOLD, ids=_named)
def test_flags_that_stand_alone_exist(page: Path) -> None:
    known = {o for _, command in every_command() for p in command.params for o in p.opts} | {"--help"}
    assert set(re.findall(r"`(--[a-z-]+)", prose(page))) <= known


def test_the_table_of_settings_is_complete() -> None:
    by_key = {row[0]: row for row in rows(section(REFERENCE / "settings.md", "gitops.yaml"))}
    keys = {"source", "include", "exclude", "store", "deletion", "external", "policies.preset"}
    keys |= {"limits.deletePercent", "limits.minResources"}
    assert set(by_key) == keys
    assert {k.partition(".")[0] for k in keys} == {f.name for f in dataclasses.fields(settings.Settings)}
    options = _options("plan")
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


def _options(path: str) -> dict[str, click.Parameter]:
    command = dict(every_command())[path]
    return {option: p for p in command.params for option in p.opts}


def test_every_variable_is_told_and_no_other() -> None:
    """Of the code, by where they stand in it; of the scripts beside it, by their text."""
    files = (ROOT / "reconciler").rglob("*.py")
    texts = {
        node.value
        for file in files
        for node in ast.walk(ast.parse(text_of(file)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    known = {text for text in texts if _VARIABLE.fullmatch(text)}
    assert len(known) >= 30, "a guard against a list that is complete because nothing was found"
    told = {name for page in _TOLD for name in _VARIABLE.findall(text_of(page))}
    assert known <= told
    scripts = [
        ROOT / "tests/examples/test_examples.py",
        ROOT / "examples" / "try",
        ROOT / "action.yml",
        *(ROOT / "examples" / "ci").iterdir(),
    ]
    known |= {name for script in scripts for name in _VARIABLE.findall(text_of(script))}
    assert {name for name in told - known if not name.startswith("GITOPS_SECRET_")} == set()


def test_flags_stand_with_their_variables() -> None:
    """In every table with a flag and its variable."""
    with_one: dict[str, set[object]] = {}
    for _, command in every_command():
        for p in command.params:
            for option in p.opts:
                with_one.setdefault(option, set()).add(p.envvar)
    table = section(REFERENCE / "settings.md", "Variables")
    pairs: list[tuple[str, str]] = []
    for row in rows(table):
        flags = re.findall(r"--?[A-Za-z-]+", row[1].partition(" of ")[0]) if len(row) == 3 else []
        pairs += zip(flags, _VARIABLE.findall(row[0]), strict=True) if flags else []
    for page, title in (("running.md", "The worker"), ("sandbox.md", "Scripts and packages")):
        pairs += [(row[0], row[1]) for row in rows(section(REFERENCE / page, title)) if row[1]]
    assert len(pairs) >= 20
    assert [(flag, variable) for flag, variable in pairs if variable not in with_one[flag]] == []


def test_the_table_of_the_worker_is_complete() -> None:
    told = {row[0]: row for row in rows(section(REFERENCE / "running.md", "The worker"))}
    of_all = {"--help", "-h", "-C", "--directory", "--worktree", "--store", "--format", "--no-color"}
    options = {name: p for name, p in _options("worker").items() if name not in of_all}
    assert set(told) == set(options)
    for name, p in options.items():
        assert isinstance(p, click.Option)
        if p.show_default:
            assert told[name][2] == str(p.default)


def test_the_formats_of_validate_are_told() -> None:
    choices = _options("validate")["--format"].type
    assert isinstance(choices, click.Choice)
    text = text_of(REFERENCE / "commands.md")
    assert [f for f in choices.choices if f != "text" and f"`{f}`" not in text and f"--format {f}`" not in text] == []


def test_the_filters_are_those_there_are() -> None:
    told = re.findall(r"`([a-z_0-9]+)`", section(REFERENCE / "documents.md", "Template filters"))
    assert len(told) == len(set(told))
    assert set(told) == set(FILTERS)


def test_the_kinds_are_those_there_are() -> None:
    assert {row[0] for row in rows(section(REFERENCE / "documents.md", "Kinds"))} == set(KINDS)


def test_public_names_are_those_that_are_told() -> None:
    told = set(re.findall(r"`([A-Za-z_]+)`", text_of(REFERENCE / "python.md")))
    assert told == set(reconciler.__all__)


def test_the_table_of_strategies_is_complete() -> None:
    text = section(REFERENCE / "running.md", "Strategies")
    found = re.findall(r"^\| `([a-z]+)` \| (`[^|]*`) \|[^|]*\| ([^|]*) ?\|$", text, re.M)
    assert {name for name, _, _ in found} == set(STRATEGIES)
    collectors = {f"{name}.{c}" for name, told, _ in found for c in re.findall(r"`([a-z-]+)`", told)}
    assert collectors == set(COLLECTORS)
    extras = {name for name, _, needs in found if needs.startswith(f"`pip install gitops-reconciler[{name}]`")}
    told = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]["optional-dependencies"]
    assert extras == set(told) & set(STRATEGIES)


def test_the_importers_are_those_there_are() -> None:
    from reconciler.importers.table import importers

    told = {row[0].split()[2] for row in rows(section(REFERENCE / "migration.md", "Other tools"))}
    assert told == set(importers(search=[]))


def test_the_diagnostics_that_are_shown_are_true() -> None:
    told = text_of(ROOT / "examples/negative/undefined-variable/expected-diagnostics.txt")
    assert screens(REFERENCE / "diagnostics.md") == [f"$ gitops validate\n{told}"]


def test_the_files_that_are_shown_are_valid(tmp_path: Path) -> None:
    """The settings and the rule, in a repository that has what they name."""
    shutil.copytree(ROOT / "examples" / "01-quickstart", tmp_path / "work")
    (shown,) = _blocks(REFERENCE / "settings.md", "yaml")
    read = settings.resolve(shown.encode(), settings.Overrides())
    assert (read.source, read.policies, read.limits.max_delete_percent) == ("shop", "recommended", 20)
    (rule,) = _blocks(POLICIES, "yaml")
    (tmp_path / "work" / "policies").mkdir()
    (tmp_path / "work" / "policies" / "timeouts.yaml").write_text(rule, encoding="utf-8")
    check = tmp_path / "work" / "monitoring" / "orders.yaml"
    check.write_text(text_of(check).replace("timeout: 8s", "timeout: 30s"), encoding="utf-8")
    command = [sys.executable, "-m", "reconciler", "validate", "-C", str(tmp_path / "work"), "--no-color"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 1
    assert "error[policy/timeout-below-half-the-interval] the timeout is more than half of the interval" in done.stdout
    assert done.stdout.endswith("\n1 error in 1 file\n")


def test_the_python_that_is_shown_runs(tmp_path: Path) -> None:
    """In a folder with a repository named as it says."""
    shutil.copytree(ROOT / "examples" / "01-quickstart", tmp_path / "monitoring")
    git = ["git", "-C", str(tmp_path / "monitoring"), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], ["-c", "commit.gpgsign=false", "commit", "-q", "-m", "example"]):
        subprocess.run([*git, *arguments], check=True)
    (code,) = _blocks(REFERENCE / "python.md", "python")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GITOPS_")} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8")
    assert done.stdout.startswith("1 "), done.stdout + done.stderr


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap isn't installed")
def test_the_sandboxed_script_that_is_shown_is_true(tmp_path: Path) -> None:
    """But for the time it takes."""
    script = re.search(r"script\s+that\s+says\s+`([^`]*)`", text_of(REFERENCE / "sandbox.md"))
    assert script is not None
    (tmp_path / "disk.sh").write_text(f"{script[1]}\n", encoding="utf-8")
    (screen,) = screens(REFERENCE / "sandbox.md")
    command = [sys.executable, "-m", "reconciler", "sandbox", "run", "disk.sh"]
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", env=environment)
    assert done.returncode == 1, done.stderr
    shown = f"$ gitops sandbox run disk.sh\n{done.stdout}{done.stderr}"
    assert re.sub(r"in [\d.]+ m?s:", "in N:", shown) == re.sub(r"in [\d.]+ m?s:", "in N:", screen)


@pytest.mark.parametrize("document", DOCUMENTS, ids=_named)
def test_links_lead_to_a_file_and_a_headline(document: Path) -> None:
    for link in _LINK.findall(prose(document)):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.is_file(), f"{_named(document)} links to {link}"
        assert target.is_relative_to(ROOT), f"{_named(document)} links out of the repository: {link}"
        assert not anchor or anchor in anchors(target), f"{_named(document)} links to {link}"


def test_every_page_begins_with_what_it_answers() -> None:
    beside = [ROOT / "examples" / name / "README.md" for name in ("06-policies", "ci", "deploy")]
    for page in (*sorted(REFERENCE.glob("*.md")), *beside):
        assert re.match(r"# .*\n\nThis page says [^.]+(?:\.[a-z][^.]*)*\.\n\n", text_of(page)), _named(page)


def test_no_sentence_stands_twice() -> None:
    """Whoever changes one of two would leave the other untrue."""
    seen: Counter[str] = Counter()
    for page in _TOLD:
        lines = [line for line in prose(page).splitlines() if not line.startswith(("|", "#"))]
        seen.update(s for s in re.split(r"(?<=[.;])\s+", " ".join(" ".join(lines).split())) if len(s) > 40)
    assert len(seen) > 150
    assert [sentence for sentence, times in seen.items() if times > 1] == []


def test_what_is_to_be_typed_stands_on_one_line() -> None:
    """A command that is broken over two can't be copied, and the tests above would see half of it."""
    for document in DOCUMENTS:
        broken = [code for code in re.findall(r"`[^`]*`", prose(document)) if "\n" in code]
        assert broken == [], _named(document)


def test_nothing_names_a_machine() -> None:
    """What is read by strangers holds no paths of ours."""
    for document in DOCUMENTS:
        assert not re.search(r"/(?:home|root|work|Users)/", text_of(document))


def test_the_map_for_contributors_is_complete() -> None:
    """Every folder of the code, and every folder of tests."""
    text = text_of(ROOT / "CONTRIBUTING.md")
    folders = [p.name for p in (ROOT / "reconciler").iterdir() if (p / "__init__.py").exists()]
    assert len(folders) >= 16
    assert [name for name in folders if f"`reconciler/{name}`" not in text] == []
    tests = re.search(r"^\| `tests/` \|.*", text, re.M)
    assert tests is not None
    there = [p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and any(p.rglob("*.py"))]
    assert [name for name in there if f"`{name}`" not in tests[0]] == []
