"""The frame around every command: start-up, help, errors, streams."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from reconciler.cli import main
from reconciler.cli.lazy import Command

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Repo

HEAVY = ("pydantic", "jinja2", "git", "ruamel", "sqlite3", "orjson", "rich", "jsonschema_rs", "tempfile", "difflib")


@pytest.fixture(autouse=True)
def _interruptible() -> None:
    """What a shell starts in the background ignores interrupts, and so would every process of these tests."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_import_next_to_nothing(argument: str) -> None:
    code = (
        "import sys\nfrom reconciler.cli.main import cli\n"
        f"try:\n    cli.main([{argument!r}])\nexcept SystemExit as e:\n    assert e.code == 0\n"
        f"print('HEAVY', [m for m in {HEAVY!r} if m in sys.modules],"
        " [m for m in sys.modules if m.startswith('reconciler.cli.commands')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "HEAVY [] []", done


def test_every_command_of_the_table_loads_and_helps(gitops: Gitops) -> None:
    names = main.cli.list_commands(click.Context(main.cli))
    assert len(names) > 10
    for name in names:
        ran = gitops(name, "--help", directory=False)
        assert ran.code == 0, name
        assert ran.out.startswith(f"Usage: gitops {name}")


def test_help_of_each_command_agrees_with_the_table() -> None:
    ctx = click.Context(main.cli)
    for name in main.cli.list_commands(ctx):
        command = main.cli.get_command(ctx, name)
        assert command is not None
        assert command.help, name
        if not isinstance(command, click.Group):
            assert isinstance(command, Command)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_fault(shop: Repo, gitops: Gitops, closed: str) -> None:
    command = f'exec "$0" -m reconciler apply {closed}'
    done = subprocess.run(["sh", "-c", command, sys.executable], cwd=shop.path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert gitops("status", "--format", "json").json["generation"]["generation"] == 1


def test_a_near_miss_is_guessed(gitops: Gitops) -> None:
    assert "did you mean apply?" in gitops.process("aply").err


def test_broken_chains_stop_every_command_but_help(
    gitops: Gitops, shop: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciler.base.errors import ChainError
    from reconciler.versioning import loading

    def broken() -> None:
        raise ChainError(["migrations/check/v1_to_v2.py: is missing"])

    monkeypatch.setattr(loading, "check_chains", broken)
    for command in (["plan"], ["validate"], ["status"], ["history"], ["orphan", "list"]):
        ran = gitops(*command)
        assert ran.code == 1, command
        assert "migrations/check/v1_to_v2.py: is missing" in ran.err
    for command in (["--help"], ["--version"], ["plan", "--help"], ["completion", "bash"]):
        assert gitops(*command, directory=False).code == 0, command


def test_an_unexpected_error_is_one_sentence_and_a_report(
    gitops: Gitops, shop: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from reconciler.flows import position

    def explode(*_: object) -> None:
        raise ZeroDivisionError("by design")

    monkeypatch.setattr(position, "unchanged", explode)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    ran = gitops("plan")
    assert ran.code == 1
    assert "Traceback" not in ran.out + ran.err
    report = re.search(r"a report is in (\S+);", ran.err)
    assert report is not None, ran.err
    text = Path(report[1]).read_text()
    assert "by design" in text
    assert "explode" in text
    debug = gitops("plan", env={"GITOPS_DEBUG": "1"})
    assert "Traceback" in debug.err


def test_json_output_has_the_error_as_json(gitops: Gitops, shop: Repo) -> None:
    shop.put("bad.yaml", "apiVersion: gitops/v2\nkind: System\nmetadata: {name: UP}\nspec: {}\n")
    shop.commit()
    ran = gitops("plan", "--format", "json")
    assert ran.code == 1
    error = ran.json["error"]
    assert ran.json["format"] == 1
    assert error["exitCode"] == 1
    assert error["counts"] == {"errors": 1, "warnings": 0, "files": 1}
    assert error["diagnostics"][0]["place"]["path"] == "bad.yaml"
    assert "error:" in ran.err


def test_a_closed_pipe_is_silent(gitops: Gitops, shop: Repo) -> None:
    command = f"{sys.executable} -m reconciler apply | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=shop.path, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.strip() == "0", "an apply doesn't stop because nobody reads what it says"
    assert gitops("plan", "--exit-code").code == 0


def test_output_that_cannot_be_encoded_is_escaped(gitops: Gitops, shop: Repo) -> None:
    gitops("apply")
    text = (shop.path / "checks.yaml").read_text().replace("30s", "40s")
    shop.put("checks.yaml", text)
    shop.commit()
    ran = gitops.process("plan", env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"})
    assert ran.code == 0, ran
    assert "30s \\u2192 40s" in ran.out


def terminal(gitops: Gitops, *arguments: str, answer: bytes = b"") -> tuple[int, str]:
    """Run at a pseudo terminal, and give an answer once a question is asked."""
    child, master = pty.fork()
    if child == 0:
        os.chdir(gitops.folder)
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, "-m", "reconciler", *arguments])
    said, deadline = b"", time.monotonic() + 20
    while time.monotonic() < deadline:
        ready, _, _ = select.select([master], [], [], 0.1)
        try:
            said += os.read(master, 65536) if ready else b""
        except OSError:
            break
        if answer and b"[y/N]" in said:
            os.write(master, answer)
            answer = b""
    else:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(master)
    return os.waitstatus_to_exitcode(status), said.decode()


def test_a_terminal_is_asked(gitops: Gitops, shop: Repo) -> None:
    code, said = terminal(gitops, "apply", answer=b"n\n")
    assert code == 1
    assert "[y/N]" in said
    assert "Nothing was applied." in said
    assert gitops("plan", "--exit-code").code == 3
    code, said = terminal(gitops, "apply", answer=b"y\n")
    assert code == 0
    assert "Applied as generation 1" in said
    assert "\x1b[" in said
    assert "- delete" in said, "terminals get a legend"
    assert gitops("plan", "--exit-code").code == 0


def test_yes_and_no_changes_ask_nothing(gitops: Gitops, shop: Repo) -> None:
    for _ in range(2):
        code, said = terminal(gitops, "apply", "--yes")
        assert code == 0
        assert "[y/N]" not in said
    code, said = terminal(gitops, "apply")
    assert code == 0
    assert "[y/N]" not in said


def test_ctrl_c_at_the_question_is_130(gitops: Gitops, shop: Repo) -> None:
    code, said = terminal(gitops, "apply", answer=b"\x03")
    assert code == 130
    assert said.endswith("interrupted\r\n")
    assert "Traceback" not in said
    assert gitops("plan", "--exit-code").code == 3


def test_an_interrupt_is_130_with_one_line(gitops: Gitops, shop: Repo) -> None:
    from reconciler.store.lock import file_lock

    (shop.path / ".gitops").mkdir()
    lock = shop.path / ".gitops/store.db.lock"
    with file_lock(str(lock), actor="somebody", host="elsewhere", timeout=0):
        child = subprocess.Popen(
            [sys.executable, "-m", "reconciler", "apply", "--lock-timeout", "30s"],
            cwd=shop.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 10
        while not (shop.path / ".gitops/store.db").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=10)
    assert child.returncode == 130
    assert out == ""
    waiting, interrupted = filter(None, err.splitlines())
    assert waiting.startswith("Waiting for another apply: somebody on elsewhere")
    assert interrupted == "error: interrupted"


def test_who_holds_the_lock_is_told(gitops: Gitops, shop: Repo) -> None:
    from reconciler.store.lock import file_lock

    (shop.path / ".gitops").mkdir()
    with file_lock(str(shop.path / ".gitops/store.db.lock"), actor="somebody", host="elsewhere", timeout=0):
        ran = gitops("apply", "--lock-timeout", "0s")
    assert ran.code == 1
    assert "somebody on elsewhere" in ran.err


def test_a_full_disk_is_one_sentence(gitops: Gitops, shop: Repo) -> None:
    command = f"{sys.executable} -m reconciler plan > /dev/full"
    done = subprocess.run(["bash", "-c", command], cwd=shop.path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: No space left on device\n")
    assert "Traceback" not in done.stderr
