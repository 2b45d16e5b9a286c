"""``gitops diff --environments``: two environments of one commit, once rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.test_markdown import rendered

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo


@pytest.fixture
def apart(repo: Repo, kit: Kit) -> Repo:
    """Two environments that share a parent: one check differs, one is equal, and each has one of its own."""
    documents = [
        kit.environment("base", region="eu", tier=1),
        kit.environment("staging", "base", url="https://s.example.net"),
        kit.environment("production", "base", url="https://p.example.net", tier=2, dbPassword="hunter2hunter2"),
        kit.check("ready", "{{ environment.url }}/ready"),
        kit.check("fixed", "https://x.example.net/"),
        kit.check("lone", "https://x.example.net/"),
        kit.system(
            "shop",
            ["staging", "production"],
            ["ready", "fixed", {"check": "lone", "environments": ["staging"]}],
        ),
        kit.system("blog", ["production"], ["fixed"]),
    ]
    repo.put("all.yaml", documents)
    repo.put("gitops.yaml", "source: shop\n")
    repo.commit()
    return repo


def test_text(apart: Repo, gitops: Gitops) -> None:
    commit = apart.git("rev-parse", "--short=7", "HEAD")
    ran = gitops("diff", "--environments", "staging", "production", "--exit-code")
    assert ran.code == 3
    assert (
        ran.out
        == f"""\
Environments staging and production of source shop at {commit}

Fields of the environments
    dbPassword: "hunter2hunter2"  (added)
    tier: 1 → 2
    url: "https://s.example.net" → "https://p.example.net"

Only in staging
- Slice shop/lone

Only in production
+ Slice blog/fixed

~ Slice shop/ready
    check.collectors[0].config.url: "https://s.example.net/ready" → "https://p.example.net/ready"

Slices: 1 only in staging, 1 only in production, 1 differ, 1 equal
"""
    )


def test_json(apart: Repo, gitops: Gitops) -> None:
    told = gitops("diff", "--environments", "staging", "production", "--target", "Check/ready", "--format", "json").json
    assert told["counts"] == {"only": {"staging": 0, "production": 0}, "differ": 1, "equal": 0}
    (ready,) = told["slices"]
    assert (ready["system"], ready["check"], ready["only"]) == ("shop", "ready", None)
    assert ready["fields"] == [
        {
            "path": "check.collectors[0].config.url",
            "values": {"staging": "https://s.example.net/ready", "production": "https://p.example.net/ready"},
        }
    ]
    assert {"path": "dbPassword", "values": {"production": "hunter2hunter2"}} in told["fields"]
    assert ready["place"]["path"] == "all.yaml"


def test_markdown(apart: Repo, gitops: Gitops) -> None:
    ran = gitops(
        "diff",
        "--environments",
        "staging",
        "production",
        "--format",
        "markdown",
        "--link-base",
        "https://f.example.net/r",
    )
    assert ran.out.startswith("<!-- gitops:environments:shop/staging/production -->\n")
    assert "hunter2" not in ran.out
    assert '+ "(masked 1)"' in ran.out
    seen = rendered(ran.out)
    assert seen.open == []
    assert len(seen.links) == 3
    assert '- "https://s.example.net/ready"\n+ "https://p.example.net/ready"' in ran.out


def test_of_another_commit_and_of_the_disk(apart: Repo, gitops: Gitops, kit: Kit) -> None:
    apart.put("all.yaml", [kit.environment("staging"), kit.environment("production")])
    same = gitops("diff", "--environments", "staging", "production", "--worktree", "--exit-code")
    assert same.code == 0
    assert same.out.endswith("\nSlices: 0 equal\n")
    apart.commit()
    assert "~ Slice shop/ready" in gitops("diff", "--environments", "staging", "production", "--rev", "HEAD~1").out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--environments", "stagin", "production"), 1, "did you mean staging?"),
        (("HEAD", "--environments", "staging", "production"), 2, "--environments goes with"),
        (("--environments", "staging", "production", "--only", "moves"), 2, "--environments goes with"),
        ((), 2, "missing argument A"),
    ],
)
def test_what_cant_be(apart: Repo, gitops: Gitops, arguments: tuple[str, ...], code: int, words: str) -> None:
    ran = gitops("diff", *arguments)
    assert ran.code == code
    assert words in ran.err
