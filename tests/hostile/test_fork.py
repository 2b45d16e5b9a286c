"""A pull request from a fork that means harm: validated, nothing of it runs, nothing outside of it is read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.source.limits import MAX_BYTES

if TYPE_CHECKING:
    from tests.conftest import Kit, Repo

ROOT = Path(__file__).parents[2]
WATCHED = Path(__file__).parent / "watched.py"
SECRET = "open-sesame-7391"
PLUMBING = {
    "config",
    "cat-file",
    "ls-tree",
    "ls-files",
    "rev-parse",
    "rev-list",
    "merge-base",
    "diff-index",
    "grep",
    "version",
}
"""What of git may be called: it reads, and with our options starts nothing."""
COMMANDS = {
    "disk": ("validate",),
    "commit": ("validate", "--rev", "HEAD"),
    "changed": ("validate", "--only-changed", "HEAD~2"),
    "changed-commit": ("validate", "--only-changed", "HEAD~2", "--rev", "HEAD"),
    "github": ("validate", "--format", "github"),
    "sarif": ("validate", "--format", "sarif"),
    "junit": ("validate", "--format", "junit"),
    "json": ("validate", "--format", "json"),
    "plan": ("plan", "--base", "HEAD~2"),
    "plan-disk": ("plan", "--base", "HEAD~2", "--worktree", "--format", "markdown"),
    "diff": ("diff", "HEAD~2", "HEAD", "--format", "json"),
    "environments": ("diff", "--environments", "production", "staging"),
}


class Fork:
    """The repository, what it must not reach, and whatever it left if it did."""

    def __init__(self, repo: Repo, kit: Kit, tmp_path: Path) -> None:
        self.repo, self.kit = repo, kit
        self.ran = tmp_path / "ran"
        self.outside = tmp_path / "outside"
        self.outside.mkdir()
        (self.outside / "secret.yaml").write_text(f"apiVersion: gitops/v2\nkind: {SECRET}\n")
        self.log, self.trace = tmp_path / "log", tmp_path / "trace"
        repo.put("innocent.yaml", kit.document("Group", "innocent"))
        repo.commit()
        self._code()
        self._documents()
        self._links()
        self._git()

    def _code(self) -> None:
        """Modules, settings and hooks that somebody might load by accident."""
        evil = f"import os; os.system('touch {self.ran}'); raise SystemExit('ran')\n"
        modules = ("sitecustomize", "click", "orjson", "json", "git/__init__", "reconciler/__init__", "conftest")
        for name in (*modules, "migrations/system/v1_to_v2", "policies/evil", "setup"):
            self.repo.put(f"{name}.py", evil)
        self.repo.put("evil.pth", evil)
        self.repo.put("schemas/system/v2.schema.json", "{}")
        self.repo.put("pyproject.toml", "[tool.gitops]\nplugins = ['conftest']\n")

    def _documents(self) -> None:
        attacks = {
            "bomb": "a: &a [x, x]\n" + "".join(f"{n}: &{n} [*{p}, *{p}, *{p}]\n" for p, n in pairwise("abcdefghi")),
            "deep": "[" * 100_000,
            "tag": "apiVersion: gitops/v2\nkind: !!python/object/apply:os.system ['touch " + str(self.ran) + "']\n",
            "huge": "# " + "x" * MAX_BYTES,
            "binary": "\x00\x01\x02",
            "pointer": f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n",
        }
        for name, text in attacks.items():
            self.repo.put(f"attacks/{name}.yaml", text.encode())
        reaching = (
            "{{ environment.__class__.__mro__[1].__subclasses__() }}",
            "{{ system.__init__.__globals__ }}",
            "{{ ''.__class__ }}",
            "{{ environment | attr('__class__') }}",
            "{{ cycler.__init__.__globals__.os.environ }}",
            "{{ self._TemplateReference__context }}",
            "{% include '/etc/passwd' %}{{ environment.nope }}",
            "{{ 'a' * 99999999999 }}",
            "{{ range(99999999999) | list }}",
            "{{ secrets.KEY }}${{ secrets.KEY }}",
            "{{ environment.url.format(environment) }}",
        )
        checks = [self.kit.check(f"c{n}", f"https://x/{text}") for n, text in enumerate(reaching)]
        self.repo.put("attacks/templates.yaml", checks)
        self.repo.put("attacks/environment.yaml", self.kit.environment("production", url="{{ environment.url }}"))
        self.repo.put("attacks/s.yaml", self.kit.system("s", ["production"], [f"c{n}" for n in range(len(reaching))]))
        words = "x\n::set-env name=PATH::/tmp\n##[add-mask]a\r\x1b]0;owned\x07\x1b[2J\u202e\u2028::error::y"
        self.repo.put("attacks/words.yaml", self.kit.document(words, words, {words: words}))
        for name in ("::add-mask::x.yaml", "a\n::stop-commands::b.yaml", "\x1b[31mred.yaml", "-rf.yaml", "--help.yaml"):
            self.repo.put(name, self.kit.document("Group", "x", {"y": 1}))

    def _links(self) -> None:
        targets = {
            "secret": self.outside / "secret.yaml",
            "folder": self.outside,
            "passwd": Path("/etc/passwd"),
            "environ": Path("/proc/self/environ"),
            "up": Path("../../outside/secret.yaml"),
            "loop": Path("loop.yaml"),
            "config": Path("../.git/config"),
            "zero": Path("/dev/zero"),
        }
        for name, target in targets.items():
            link = self.repo.path / "links" / f"{name}.yaml"
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(target)

    def _git(self) -> None:
        """What git is told by files of the fork, and by a careless job's configuration."""
        self.repo.put(
            ".gitmodules",
            f'[submodule "m"]\n\tpath = m\n\turl = "ext::sh -c touch% {self.ran}"\n\tupdate = !touch {self.ran}\n',
        )
        self.repo.put(".lfsconfig", f'[lfs]\n\turl = "ext::touch {self.ran}"\n')
        self.repo.git("add", "-A")
        head = self.repo.git("rev-parse", "HEAD")
        self.repo.git("update-index", "--add", "--cacheinfo", f"160000,{head},m")
        self.repo.git("commit", "-q", "-m", "harmless")
        self.repo.put(".gitattributes", "* filter=evil diff=evil merge=evil working-tree-encoding=UTF-16\n")
        self.repo.git("update-index", "--add", "--cacheinfo", f"100644,{self._attributes()},.gitattributes")
        self.repo.git("commit", "-q", "-m", "harmless too")
        touch = f"touch {self.ran}"
        for key, value in {
            **{f"filter.evil.{word}": touch for word in ("clean", "smudge", "process")},
            **{f"diff.evil.{word}": touch for word in ("textconv", "command")},
            **dict.fromkeys(("core.fsmonitor", "diff.external", "core.pager", "core.editor"), touch),
            "alias.grep": f"!{touch}",
            "credential.helper": f"!{touch}",
            "protocol.ext.allow": "always",
            "core.hooksPath": str(self._hooks(touch)),
        }.items():
            self.repo.git("config", key, value)
        for path in self.repo.path.rglob("*.yaml"):
            if not path.is_symlink():
                os.utime(path, (1, 1))

    def _attributes(self) -> str:
        return self.repo.git("hash-object", "-w", "--no-filters", ".gitattributes")

    def _hooks(self, touch: str) -> Path:
        folder = self.repo.path / "hooks"
        folder.mkdir()
        for name in ("post-index-change", "post-checkout", "pre-commit", "reference-transaction"):
            (folder / name).write_text(f"#!/bin/sh\n{touch}\n")
            (folder / name).chmod(0o755)
        return folder

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """In the repository's folder, as a job would, watched."""
        command = [sys.executable, "-P", str(WATCHED), str(self.log), *arguments]
        variables = {"GITOPS_SECRET_KEY": SECRET, "GIT_TRACE2_EVENT": str(self.trace), "PYTHONDONTWRITEBYTECODE": "1"}
        given = {k: v for k, v in os.environ.items() if not k.startswith("PYTHONPATH")} | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, cwd=self.repo.path, env={**given, **variables}, capture_output=True, encoding="utf-8", timeout=120
        )

    def events(self) -> list[list[str]]:
        """What the process did."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def fork(repo: Repo, kit: Kit, tmp_path: Path) -> Fork:
    return Fork(repo, kit, tmp_path)


def allowed(path: str, fork: Fork) -> bool:
    """The checkout, Python with its packages, our own files, and what every process may look at."""
    places = {*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, str(ROOT), str(fork.repo.path)}
    system = (
        "/dev/null",
        "/dev/urandom",
        "/usr/lib/",
        "/usr/share/",
        "/usr/local/",
        "/lib/",
        "/etc/ssl/",
        "/etc/localtime",
    )
    if path.startswith(str(fork.outside)):
        return False
    if path.startswith((*(os.path.realpath(p) + os.sep for p in places), *system)):
        return True
    temporary = Path(tempfile.gettempdir())  # as a file without a name, which some kernels open as its folder
    return temporary in (Path(path), Path(path).parent)


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_of_it_runs_and_nothing_else_is_read(name: str, fork: Fork) -> None:
    done = fork.run(*COMMANDS[name])
    assert done.returncode == 1, (done.stdout[-2000:], done.stderr[-2000:])
    assert "fault of gitops itself" not in done.stderr
    assert not fork.ran.exists()
    events = fork.events()
    starts = [event[2:] for event in events if event[0] == "start"]
    assert starts, "git was asked"
    for command in starts:
        assert Path(command[0]).name == "git"
        words = [w for before, w in pairwise(command) if not w.startswith("-") and before != "-c"]
        assert words[0] in PLUMBING, command
        assert not {"--textconv", "--filters", "--ext-diff", "--recurse-submodules"} & set(command)
    assert [e for e in events if e[0] == "network"] == []
    assert [e[1] for e in events if e[0] == "open" and not allowed(e[1], fork)] == []
    changes = [json.loads(line) for line in fork.trace.read_text().splitlines()] if fork.trace.exists() else []
    assert [c["argv"] for c in changes if c["event"] in ("child_start", "exec")] == []
    for text in (done.stdout, done.stderr):
        assert SECRET not in text
        assert "root:x:0" not in text
        assert "\x1b" not in text
        assert "##[" not in text
        commands = [line for line in text.splitlines() if line.lstrip().startswith("::")]
        assert all(line.startswith(("::error file=", "::warning file=")) for line in commands)
        assert name == "github" or not commands
    assert fork.repo.git("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "rev-parse", "HEAD")


def test_settings_that_lead_out_are_refused(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text(f"source: {SECRET}\n")
    (repo.path / "gitops.yaml").symlink_to("../outside.yaml")
    repo.put("a.yaml", "apiVersion: gitops/v2\nkind: Group\nmetadata: {name: a}\n")
    repo.commit()
    for arguments in (("validate", "--format", "json"), ("validate", "--rev", "HEAD", "--format", "json")):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "reconciler", *arguments],
            cwd=repo.path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 1, arguments
        assert SECRET not in done.stdout + done.stderr
