"""What ships: the wheel and the sdist, what they hold, what starting them costs, and how they are told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from reconciler import __version__

ROOT = Path(__file__).parents[2]
HEAVY = ("pydantic", "jinja2", "git", "rich", "ruamel", "jsonschema_rs", "sqlite3", "importlib.metadata")


def _run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def _below(folder: str, suffix: str) -> set[str]:
    files = (ROOT / folder).rglob(f"*{suffix}")
    return {f.relative_to(ROOT).as_posix() for f in files if "__pycache__" not in f.parts}


@pytest.mark.slow
def test_the_sdist_makes_a_wheel_that_holds_everything(tmp_path: Path) -> None:
    """``python -m build`` makes the wheel out of the sdist, so that one that lacks something fails here."""
    _run(sys.executable, "-m", "build", "--outdir", str(tmp_path), str(ROOT))
    (wheel,) = tmp_path.glob(f"gitops_reconciler-{__version__}-py3-none-any.whl")
    (sdist,) = tmp_path.glob(f"gitops_reconciler-{__version__}.tar.gz")

    names = set(zipfile.ZipFile(wheel).namelist())
    assert "reconciler/py.typed" in names
    assert _below("reconciler", ".py") <= names
    bundled = {name.removeprefix("reconciler/_bundled/") for name in names if name.startswith("reconciler/_bundled/")}
    assert _below("schemas", ".json") <= bundled
    assert _below("migrations", ".py") <= bundled
    assert {name.split("/")[0] for name in names} == {"reconciler", f"gitops_reconciler-{__version__}.dist-info"}

    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "examples/try", "tests/run"} <= inside
    assert _below("schemas", ".json") | _below("migrations", ".py") | _below("examples", ".md") <= inside
    assert not any(name.startswith((".venv", ".git/", "dist/")) for name in inside)


@pytest.mark.slow
def test_the_first_command_of_the_readme_works_twice(tmp_path: Path) -> None:
    """In a folder of its own, with the same lines both times."""
    environment = {**os.environ, "GITOPS_TRY_DIR": str(tmp_path / "try"), "PYTHON": sys.executable}
    before = _run("git", "status", "--porcelain", "examples").stdout
    commands = []
    for _ in range(2):
        done = _run_in(tmp_path, environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert str(tmp_path / "try") in done.stdout
        assert "Applied as generation 1" in done.stdout
        assert "\nNo changes. " in done.stdout
        assert "\nPlan: 1 to change\nSlices: 1 change\n" in done.stdout
        assert "    ✗ statusCode equals 200: found 503\n" in done.stdout
        assert "    sandbox: resources, filesystem, network, privilege held\n" in done.stdout
        assert "\n4 runs: 1 unhealthy, 3 healthy\n" in done.stdout
        assert re.search(
            r"^orders-api +production +! degraded .* orders-http: statusCode equals 200", done.stdout, re.M
        )
        assert re.search(r"^orders-api/orders-http/production: ✓ healthy", done.stdout, re.M)
        commands.append([line for line in done.stdout.splitlines() if line.startswith("$ gitops ")])
    assert commands[0] == commands[1]
    assert [c.split()[2] for c in commands[0]] == [
        *("validate", "plan", "apply", "get", "render", "render", "apply", "run", "status", "test"),
        *("plan", "apply", "run", "runs", "history"),
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["try"]
    assert not list((tmp_path / "try").glob("port")), "the server's port was read"
    assert _run("git", "status", "--porcelain", "examples").stdout == before


def test_the_first_command_leaves_a_folder_alone_that_isnt_its_own(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    done = subprocess.run(
        [str(ROOT / "examples" / "try")],
        env={**os.environ, "GITOPS_TRY_DIR": str(tmp_path), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "neither empty nor a folder of an earlier run" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["plan", "--help"], ["nonsense"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom reconciler.cli.main import cli\nsys.argv[0] = 'gitops'\n"
        "try:\n    cli.main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_arrows_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_no_module_is_long() -> None:
    files = _below("reconciler", ".py") | _below("migrations", ".py")
    assert len(files) > 150
    long = {name: n for name in files if (n := (ROOT / name).read_text("utf-8").count("\n")) >= 400}
    assert not long


def test_the_changelog_knows_the_version() -> None:
    headlines = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headlines[0] == __version__
    assert len(headlines) == len(set(headlines))


def _run_in(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "examples" / "try")],
        cwd=folder,
        env={**environment, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
