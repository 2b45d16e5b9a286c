"""A secret on its way through the commands that run checks and show runs: to the script, and to nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo

VALUE = "hunter22-und-Zürich"
KEY = "ef" * 32
ENVIRON = {"GITOPS_SECRETS": "store,env", "GITOPS_MASTER_KEY": KEY, "GITOPS_SECRET_OTHER": VALUE[::-1]}


@pytest.fixture
def checked(repo: Repo, kit: Kit) -> Repo:
    """A repository whose one check prints its secrets in every way it can."""
    names = {"T": "${{ secrets.TOKEN }}", "O": "${{ secrets.OTHER }}"}
    shell = 'echo "$T and $O"; echo "$T" >&2; test "${#T}" -gt 10'
    python = "import os\nprint(dict(os.environ))\nraise RuntimeError(os.environ['T'] + os.environ['O'])"
    spec = {
        "interval": "30s",
        "strategy": {"type": "script@1"},
        "collectors": [
            {
                "type": "execute@2",
                "config": {"script": shell, "secretEnv": names},
                "assertions": [{"field": "stdout", "operator": "equals", "value": "nothing"}],
            },
            {"type": "inline-script@1", "config": {"script": python, "secretEnv": names}},
        ],
    }
    repo.put("c.yaml", kit.document("Check", "talkative", spec))
    repo.put("e.yaml", kit.environment("production"))
    repo.put("s.yaml", kit.system("shop", ["production"], ["talkative"]))
    repo.commit()
    return repo


def test_no_command_shows_a_value(checked: Repo, gitops: Gitops) -> None:
    assert gitops("apply", "-y").code == 0
    command = [sys.executable, "-m", "reconciler", "secret", "set", "TOKEN", "-C", str(checked.path), "-q"]
    done = subprocess.run(command, input=VALUE.encode(), env={**os.environ, **ENVIRON}, check=True, capture_output=True)
    said = [done.stdout.decode() + done.stderr.decode()]
    for arguments in (
        ("run", "talkative"),
        ("run", "talkative", "--full"),
        ("run", "talkative", "--format", "json"),
        ("runs", "shop/talkative/production"),
        ("runs", "shop/talkative/production", "--format", "json"),
        ("status",),
        ("status", "--format", "json"),
        ("render", "talkative"),
        ("get", "slices"),
    ):
        ran = gitops(*arguments, env=ENVIRON)
        assert ran.code in (0, 1), ran.err
        said.append(ran.out + ran.err)
    assert "**** and ****" in said[2]
    assert "RuntimeError: ********" in said[2]
    for text in said:
        assert VALUE not in text
        assert VALUE[::-1] not in text
        assert KEY not in text
    files = [file for file in (checked.path / ".gitops").rglob("*") if file.is_file()]
    assert files
    for file in files:
        data = file.read_bytes()
        assert VALUE.encode() not in data, file
        assert VALUE[::-1].encode() not in data, file
        assert b"hunter22" not in data, file
    assert b"****" in (checked.path / ".gitops" / "store.db").read_bytes()
