"""``gitops secret``: values come in by standard input alone, and no command gives one away."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from click.testing import CliRunner

from reconciler.cli.main import cli

if TYPE_CHECKING:
    from tests.conftest import Kit, Repo

KEY = "ab" * 32
OTHER = "cd" * 32
VALUE = "hunter22-and-more"


class Ran(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str
    json: Any


class Secret:
    """``gitops secret`` in a repository, with a master key; hunts for the value in all it says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, text: str | bytes | None = None, **env: str) -> Ran:
        """In this process."""
        words = [arguments[0], "-C", str(self.folder), *arguments[1:]]
        given = {"GITOPS_MASTER_KEY": KEY, **env}
        result = CliRunner().invoke(cli, ["secret", *words], env=given, input=text)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        said = result.stdout + result.stderr
        assert VALUE not in said
        assert KEY not in said
        data = json.loads(result.stdout) if result.stdout.startswith("{") else None
        return Ran(result.exit_code, result.stdout, result.stderr, data)


@pytest.fixture
def secret(repo: Repo) -> Secret:
    """The command."""
    return Secret(repo.path)


def names(listed: Any) -> list[tuple[str, str | None]]:
    return [(s["name"], s["environment"]) for s in listed.json["secrets"]]


def test_set_list_delete(secret: Secret) -> None:
    done = secret("set", "TOKEN", text=f"{VALUE}\n", GITOPS_SECRETS="store")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Kept TOKEN in the store ")
    secret("set", "TOKEN", "--environment", "production", text=VALUE, GITOPS_SECRETS="store")
    listed = secret("list", "--format", "json", GITOPS_SECRETS="store")
    assert names(listed) == [("TOKEN", None), ("TOKEN", "production")]
    assert {s["actor"] for s in listed.json["secrets"]} == {"tester"}
    assert all(s["asked"] for s in listed.json["secrets"])
    text = secret("list", GITOPS_SECRETS="store").out
    assert text.splitlines()[0].split() == ["SECRET", "ENVIRONMENT", "KEPT", "IN", "SINCE", "BY"]
    assert secret("delete", "TOKEN").code == 0
    assert names(secret("list", "--format", "json")) == [("TOKEN", "production")]
    again = secret("delete", "TOKEN")
    assert again.code == 1
    assert "there is no secret TOKEN in the store" in again.err


def test_set_says_where_it_is_not_asked(secret: Secret) -> None:
    done = secret("set", "TOKEN", text=VALUE)
    assert done.code == 0
    assert "GITOPS_SECRETS=store" in done.err
    listed = secret("list")
    assert "(not asked)" in listed.out
    assert "doesn't name it" in listed.err


def test_a_value_too_short_to_be_masked_is_told(secret: Secret) -> None:
    assert "isn't masked" in secret("set", "PIN", text="123", GITOPS_SECRETS="store").err
    assert secret("set", "PIN", text="1234", GITOPS_SECRETS="store").err == ""


def test_a_value_on_the_command_line_is_refused_and_not_repeated(secret: Secret) -> None:
    for value in (VALUE, f"--{VALUE}", f"--value={VALUE}"):
        done = secret("set", "TOKEN", value, text="")
        assert done.code == 2
        assert "pass it on standard input" in done.err
    assert not (secret.folder / ".gitops").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1 to 65536 bytes"),
        ("\n", "1 to 65536 bytes"),
        ("x" * 65537, "1 to 65536 bytes"),
        (b"\xff\xfe", "isn't UTF-8"),
        ("a\0b", "1 to 65536 bytes"),
    ],
)
def test_values_that_can_not_be(secret: Secret, text: str | bytes, said: str) -> None:
    done = secret("set", "TOKEN", text=text)
    assert done.code == 1
    assert said in done.err


@pytest.mark.parametrize("name", ["__internal__:x", "a/b", "1", "../x"])
def test_names_that_can_not_be(secret: Secret, name: str) -> None:
    assert secret("set", name, text=VALUE).code == 1
    assert secret("delete", name).code == 1


def test_keys(secret: Secret) -> None:
    assert "GITOPS_MASTER_KEY isn't set" in secret("set", "A", text=VALUE, GITOPS_MASTER_KEY="").err
    assert "holds no key of 32 bytes" in secret("set", "A", text=VALUE, GITOPS_MASTER_KEY="short").err
    secret("set", "A", text=VALUE)
    # Names can be listed, and rows deleted, by who has no key.
    assert names(secret("list", "--format", "json", GITOPS_MASTER_KEY="")) == [("A", None)]
    assert secret("delete", "A", GITOPS_MASTER_KEY="").code == 0


def test_rotate(secret: Secret) -> None:
    secret("set", "A", text=VALUE)
    secret("set", "B", text="another")
    wrong = secret("rotate", GITOPS_MASTER_KEY=OTHER)
    assert wrong.code == 1
    assert "was encrypted with the key" in wrong.err
    assert secret("rotate", GITOPS_MASTER_KEY=f"{OTHER},{KEY}").out == "Encrypted 2 secrets anew.\n"
    assert secret("rotate", GITOPS_MASTER_KEY=OTHER).out == "Everything is encrypted with the first key.\n"
    assert secret("rotate", "--format", "json", GITOPS_MASTER_KEY=OTHER).json["encrypted"] == 0


def test_the_other_places_are_listed(secret: Secret, tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    (folder / "FILE").write_text(VALUE)
    listed = secret("list", "--format", "json", GITOPS_SECRETS=f"env,dir:{folder}", GITOPS_SECRET_VARIABLE=VALUE)
    assert [(s["name"], s["where"]) for s in listed.json["secrets"]] == [
        ("VARIABLE", "GITOPS_SECRET_VARIABLE"),
        ("FILE", f"{folder}/FILE"),
    ]
    assert secret("list").out == "There are no secrets in the environment.\n"


def applied(repo: Repo, kit: Kit) -> None:
    config = {"script": "true", "secretEnv": {"A": "${{ secrets.TOKEN }}", "B": "${{ secrets.OTHER }}"}}
    script = kit.document(
        "Check",
        "script",
        {
            "interval": "30s",
            "strategy": {"type": "script@1"},
            "collectors": [{"type": "execute@2", "config": config}],
        },
    )
    http = kit.document(
        "Check",
        "http",
        {
            "interval": "30s",
            "strategy": {"type": "http@3", "config": {"authType": "token", "authToken": "${{ secrets.TOKEN }}"}},
            "collectors": [
                {
                    "type": "request@1",
                    "config": {
                        "url": "https://x.example.net",
                        "headers": [{"name": "X-Key", "valueFrom": {"secret": "HEADER"}}],
                    },
                }
            ],
        },
    )
    repo.put("c.yaml", [script, http, kit.check("plain", "https://x.example.net/?q=secret")])
    repo.put("e.yaml", [kit.environment("production"), kit.environment("staging")])
    alone = {"check": "script", "environments": []}
    repo.put("s.yaml", [kit.system("a", ["production", "staging"], ["http", "plain"]), kit.system("b", [], [alone])])
    repo.commit()
    result = CliRunner().invoke(cli, ["apply", "-C", str(repo.path), "-y"])
    assert result.exit_code == 0, result.stderr


def test_check_names_what_is_missing(secret: Secret, repo: Repo, kit: Kit) -> None:
    assert secret("check").out == "Nothing that was applied names a secret.\n"
    applied(repo, kit)
    environ = {"GITOPS_SECRET_TOKEN": VALUE, "GITOPS_SECRET_PRODUCTION__HEADER": VALUE}
    found = secret("check", "--format", "json", **environ)
    assert found.code == 1
    by_name = {(s["name"], s["environment"]): (s["slices"], s["found"], s["where"]) for s in found.json["secrets"]}
    assert by_name == {
        ("HEADER", "production"): (1, True, "the variable GITOPS_SECRET_PRODUCTION__HEADER"),
        ("HEADER", "staging"): (1, False, None),
        ("OTHER", None): (1, False, None),
        ("TOKEN", "production"): (1, True, "the variable GITOPS_SECRET_TOKEN"),
        ("TOKEN", "staging"): (1, True, "the variable GITOPS_SECRET_TOKEN"),
        ("TOKEN", None): (1, True, "the variable GITOPS_SECRET_TOKEN"),
    }
    text = secret("check", **environ)
    assert text.code == 1
    assert "2 of 6 can't be had" in text.out
    assert "missing: the secret OTHER isn't there (looked for the variable GITOPS_SECRET_OTHER)" in text.out
    complete = {**environ, "GITOPS_SECRET_OTHER": "abc", "GITOPS_SECRET_HEADER": "def"}
    good = secret("check", **complete)
    assert (good.code, good.out.splitlines()[-1]) == (0, "All are there.")


def test_check_names_what_automations_miss(secret: Secret, repo: Repo, kit: Kit) -> None:
    channel = {"action": "notify@1", "config": {"title": "x", "url": "${{ secrets.CHAT }}"}}
    people = [
        {"action": "notify@1", "config": {"title": "x", "userId": user}} for user in ("alice", "{{ trigger.id }}")
    ]
    inner = {"choose": [{"when": "true", "sequence": [{"action": "notify@1", "config": {"title": "x"}}]}]}
    spec = {"runAs": "oncall", "triggers": [{"event": "incident.created"}], "actions": [channel, *people, inner]}
    account = kit.document("ServiceAccount", "oncall", {"permissions": ["notify"]})
    repo.put("a.yaml", [kit.document("Automation", "react", spec), account])
    applied(repo, kit)
    found = secret("check", "--format", "json", GITOPS_SECRET_CHAT=VALUE)
    mine = {s["name"]: (s["slices"], s["automations"], s["found"]) for s in found.json["secrets"] if s["automations"]}
    assert mine == {"CHAT": (0, 1, True), "NOTIFY_ALICE": (0, 1, False), "NOTIFY_DEFAULT": (0, 1, False)}
    assert "; automations can't do what they are for." in secret("check").out


def test_check_finds_what_the_store_keeps(secret: Secret, repo: Repo, kit: Kit) -> None:
    applied(repo, kit)
    for name in ("TOKEN", "OTHER", "HEADER"):
        secret("set", name, text=VALUE)
    found = secret("check", "--format", "json", GITOPS_SECRETS="store")
    assert found.code == 0
    assert all("in the store" in s["where"] for s in found.json["secrets"])
    wrong = secret("check", "--format", "json", GITOPS_SECRETS="store", GITOPS_MASTER_KEY=OTHER)
    assert wrong.code == 1
    assert all("was encrypted with the key" in s["problem"] for s in wrong.json["secrets"])


def test_a_variable_that_makes_no_sense_is_told(secret: Secret) -> None:
    done = secret("list", GITOPS_SECRETS="vault")
    assert done.code == 2
    assert "'vault' is none of env, dir:/path or store" in done.err


def answered(command: list[str], folder: Path, answers: list[str]) -> tuple[int, str]:
    """Run at a terminal, and give each answer when there is a question."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "GITOPS_MASTER_KEY": KEY, "GITOPS_SECRETS": "store"}
    process = subprocess.Popen(command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    said, until, pending = "", time.monotonic() + 30, list(answers)
    seen = 0
    try:
        while time.monotonic() < until:
            ready, _, _ = select.select([ours], [], [], 0.1)
            if ready:
                try:
                    said += os.read(ours, 4096).decode()
                except OSError:
                    break
            if pending and said.count(": ") > seen:
                seen += 1
                os.write(ours, pending.pop(0).encode() + b"\n")
        return process.wait(30), said
    finally:
        os.close(ours)
        process.kill()
        process.wait()


def test_the_prompt_hides_what_is_typed(secret: Secret, repo: Repo) -> None:
    code, said = answered([sys.executable, "-m", "reconciler", "secret", "set", "TOKEN"], repo.path, [VALUE, VALUE])
    assert code == 0, said
    assert "Value of TOKEN" in said
    assert VALUE not in said
    assert names(secret("list", "--format", "json", GITOPS_SECRETS="store")) == [("TOKEN", None)]


def test_help_of_the_group_is_quick(secret: Secret) -> None:
    code = "import sys; from reconciler.cli.main import cli; cli.get_command(None, 'secret')"
    check = "; print([m for m in ('cryptography', 'pydantic', 'sqlite3', 'asyncio') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
