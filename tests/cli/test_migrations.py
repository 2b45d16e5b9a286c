"""``gitops migrations``: what those who write steps see."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops, Ran
    from tests.conftest import Repo

ROOT = Path(__file__).parents[2]
STEP = '"""Say what changes."""\n\nFROM, TO = {frm}, {to}\n\n\ndef migrate(data):\n    return {body}\n'


def told(gitops: Gitops, *arguments: str) -> Ran:
    return gitops("migrations", *arguments, directory=False)


def step(frm: int, body: str = "dict(data)") -> str:
    return STEP.format(frm=frm, to=frm + 1, body=body)


def test_list_and_show(gitops: Gitops) -> None:
    assert "strategies/http                    1      3     v1-v2 v2-v3\n" in told(gitops, "list").out
    chains = told(gitops, "list", "--format", "json").json["chains"]
    assert {"subject": "strategies/tcp", "first": 1, "head": 1, "steps": []} in chains
    shown = told(gitops, "show", "collectors/script.execute").out
    assert "v1 to v2  migrations/collectors/script.execute/v1_to_v2.py\n  The command and its arguments" in shown
    assert "  renames command -> script\n" in shown
    assert "no step" in told(gitops, "show", "strategies/tcp").out
    unknown = told(gitops, "show", "strategies/htp")
    assert (unknown.code, "did you mean strategies/http?" in unknown.err) == (2, True)


def test_every_step_of_this_checkout_holds(gitops: Gitops) -> None:
    tested = told(gitops, "test", "-C", str(ROOT))
    assert tested.code == 0, tested.err
    assert "8 steps hold, tried with" in tested.out
    assert told(gitops, "test", "strategies/http", "-C", str(ROOT)).out.startswith("2 steps hold")


def test_a_step_without_goldens(gitops: Gitops, tmp_path: Path) -> None:
    tested = told(gitops, "test", "system", "-C", str(tmp_path))
    assert tested.code == 1
    assert "migrations/system/v1_to_v2.py: no golden goes through this step" in tested.err
    nothing = told(gitops, "test", "-C", str(tmp_path))
    assert nothing.code == 2
    assert "no plugin brings a step" in nothing.err


def test_check(gitops: Gitops) -> None:
    assert told(gitops, "check").out == "Every chain is sound.\n"
    assert told(gitops, "check", "--format", "json").json == {"format": 1, "faults": []}


def test_two_branches_that_both_add_a_version(repo: Repo, gitops: Gitops) -> None:
    """Git merges neither without a word, and the merged tree is broken."""
    repo.put("migrations/check/v1_to_v2.py", step(1))
    repo.commit()
    repo.git("checkout", "-q", "-b", "mine")
    repo.put("migrations/check/v2_to_v3.py", step(2))
    repo.put("migrations/system/v1_to_v2.py", step(1))
    repo.put("schemas/check/v3.schema.json", "{}\n")
    repo.commit()
    repo.git("checkout", "-q", "main")
    repo.put("migrations/check/v2_to_v3.py", step(2, "data"))
    repo.put("migrations/system/v3_to_v4.py", step(3))
    repo.put("schemas/check/v3.schema.json", '{"a": 1}\n')
    repo.commit()
    repo.git("checkout", "-q", "mine")
    checked = told(gitops, "check", "--merge", "main", "-C", str(repo.path))
    assert checked.code == 1
    assert checked.err.splitlines() == [
        "error: migrations/check/v2_to_v3.py: this branch and main both add it, and they differ",
        "error: schemas/check/v3.schema.json: this branch and main both add it, and they differ",
        (
            "error: migrations/system/v3_to_v4.py: a gap: migrations/system/v1_to_v2.py ends at version 2,"
            " and this one starts from 3"
        ),
    ]


def test_a_fork_under_other_names(repo: Repo, gitops: Gitops) -> None:
    repo.put("migrations/check/v1_to_v2.py", step(1))
    repo.commit()
    repo.git("checkout", "-q", "-b", "mine")
    repo.put("migrations/check/v2_to_v3.py", step(2))
    repo.commit()
    repo.git("checkout", "-q", "main")
    repo.put("migrations/check/v2_to_v4.py", STEP.format(frm=2, to=4, body="data"))
    repo.commit()
    checked = told(gitops, "check", "--merge", "mine", "-C", str(repo.path))
    assert "migrations/check/v2_to_v4.py: a fork: migrations/check/v2_to_v3.py starts from version 2" in checked.err
    repo.git("rm", "-q", "migrations/check/v2_to_v4.py")
    repo.commit()
    assert told(gitops, "check", "--merge", "mine", "-C", str(repo.path)).code == 0


def test_the_next_step_is_begun(gitops: Gitops, tmp_path: Path) -> None:
    for name in ("migrations", "schemas/strategies/http"):
        (tmp_path / name).mkdir(parents=True)
    schema = "schemas/strategies/http/v3.schema.json"
    (tmp_path / schema).write_bytes((ROOT / schema).read_bytes())
    begun = told(gitops, "new", "strategies/http", "-C", str(tmp_path))
    assert begun.code == 0
    written = (tmp_path / "migrations/strategies/http/v3_to_v4.py").read_text()
    assert "FROM, TO = 3, 4\n" in written
    compile(written, "step", "exec")
    assert '"strategies/http/v3.schema.json": ' in (tmp_path / "schemas/released.json").read_text()
    assert sorted(path.name for path in tmp_path.rglob("*.yaml")) == ["v3-example.in.yaml", "v3-example.out.yaml"]
    again = told(gitops, "new", "strategies/http", "-C", str(tmp_path))
    assert (again.code, "is there already" in again.err) == (2, True)
    assert told(gitops, "new", "strategies/http", "-C", str(tmp_path / "schemas")).code == 2


def test_steps_of_another_distribution(tmp_path: Path, gitops: Gitops) -> None:
    """Begun, tried, found wanting, and mended."""
    plugin = tmp_path / "acme"
    (plugin / "steps/golden").mkdir(parents=True)
    (plugin / "__init__.py").write_text(
        "from reconciler.kinds.table import Entry\nENTRY = Entry('strategies/acme', 1, 2, 'acme.models:Acme')\n"
    )
    (plugin / "steps/__init__.py").write_text("")
    info = tmp_path / "acme-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[gitops.strategies]\nacme = acme:ENTRY\n\n[gitops.migrations]\nstrategies/acme = acme.steps\n"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "reconciler", "migrations", *arguments]
        env = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)

    assert "Migration chain incomplete" in run("check").stderr
    bad = "data.setdefault('hops', []).append(1) or data"
    (plugin / "steps/v1_to_v2.py").write_text(step(1, bad))
    assert run("check").returncode == 0
    (plugin / "steps/golden/one.in.yaml").write_text("host: a\n")
    (plugin / "steps/golden/one.out.yaml").write_text("data: {host: a, hops: [1]}\n")
    tried = run("test", "strategies/acme")
    assert tried.returncode == 1
    assert "changes its input, shown by one.in.yaml" in tried.stderr
    assert "doesn't leave its own result alone" in tried.stderr
    (plugin / "steps/v1_to_v2.py").write_text(step(1, "{**data, 'hops': [1]}"))
    assert run("test", "strategies/acme").stdout == "1 step holds, tried with 1 golden.\n"
    assert run("test").stdout == "1 step holds, tried with 1 golden.\n", "those of this project have theirs elsewhere"
    (plugin / "steps/golden/one.out.yaml").write_text("data: {host: b, hops: [1]}\n")
    assert "what comes out isn't what one.out.yaml says" in run("test", "strategies/acme").stderr
    assert run("new", "strategies/acme", "--steps", str(plugin / "steps")).returncode == 0
    assert (plugin / "steps/v2_to_v3.py").is_file()
    assert (plugin / "steps/golden/v2-example.in.yaml").is_file()
