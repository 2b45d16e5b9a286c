"""``gitops sandbox run``: one script, as a check would run it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from reconciler.cli.main import cli

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap isn't installed")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["sandbox", "run", *arguments])
    return done.exit_code, done.output


def test_a_shell_script_is_contained_and_its_end_told(here: Path) -> None:
    (here / "probe.sh").write_text("echo hello; touch /etc/x 2>/dev/null || echo read-only; exit 3\n")
    code, text = run("probe.sh")
    assert code == 1
    assert text.splitlines()[:2] == ["hello", "read-only"]
    assert "Exit code: 3" in text
    assert "Enforced: resources, filesystem, network, privilege" in text
    assert not Path("/etc/x").exists()


def test_a_python_script_gets_its_context_and_returns_a_result(here: Path) -> None:
    (here / "check.py").write_text(
        "import os\n\ndef check(context):\n"
        "    return {'success': True, 'message': os.environ['PROBE'], 'value': context['limit']}\n"
    )
    code, text = run("check.py", "--context", '{"limit": 4}', "--env", "PROBE=fine", "--format", "json")
    found = json.loads(text)
    assert code == 0
    assert (found["success"], found["message"], found["value"]) == (True, "fine", 4)
    assert found["report"]["enforced"]["filesystem"] is True


def test_a_time_limit_ends_it(here: Path) -> None:
    (here / "slow.sh").write_text("sleep 60\n")
    code, text = run("slow.sh", "--timeout", "500ms")
    assert code == 1
    assert "Script execution timed out" in text


def test_a_failing_result_without_a_message_is_still_a_sentence(here: Path) -> None:
    (here / "check.py").write_text("def check(context):\n    return False\n")
    code, text = run("check.py")
    assert code == 1
    assert "Failed in" in text
    assert "None" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("script",), "pass --language"),
        (("script", "--language", "shell", "--context", "{"), "--context isn't JSON"),
        (("script", "--language", "shell", "--env", "x"), "NAME=VALUE"),
    ],
)
def test_what_cant_be_understood_is_a_usage_error(here: Path, arguments: tuple[str, ...], words: str) -> None:
    (here / "script").write_text("true\n")
    code, text = run(*arguments)
    assert code == 2
    assert words in text
    assert os.listdir(here) == ["script"]
