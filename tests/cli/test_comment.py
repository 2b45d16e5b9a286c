"""One comment on a pull request: made, found again, updated, and never somebody else's; against a forge on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.forge import ME, SOMEBODY, TOKEN, Forge, forging

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops, Ran

MARKER = "<!-- gitops plan shop -->"


@pytest.fixture
def forge() -> Iterator[Forge]:
    with forging() as served:
        yield served


class Commenter:
    """Writes the file and runs the command as a job of GitHub about request 5."""

    def __init__(self, gitops: Gitops, forge: Forge, folder: Path) -> None:
        self.gitops, self.file, self.event = gitops, folder / "plan.md", folder / "event.json"
        self.event.write_text(json.dumps({"pull_request": {"number": 5}}), encoding="utf-8")
        self.env = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": forge.url,
            "GITHUB_REPOSITORY": "team/monitoring",
            "GITHUB_EVENT_PATH": str(self.event),
            "GITOPS_FORGE_TOKEN": TOKEN,
            "no_proxy": "127.0.0.1",
        }

    def __call__(self, text: str, *arguments: str, **env: str) -> Ran:
        self.file.write_text(text, encoding="utf-8")
        return self.gitops("comment", str(self.file), *arguments, env={**self.env, **env}, directory=False)


@pytest.fixture
def comment(gitops: Gitops, forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commenter:
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_EVENT_PATH"):
        monkeypatch.delenv(name, raising=False)
    return Commenter(gitops, forge, tmp_path)


def text(body: str) -> str:
    return f"{MARKER}\n\n{body}\n"


@pytest.mark.parametrize("known", [True, False])
def test_the_same_comment_is_updated(comment: Commenter, forge: Forge, known: bool) -> None:
    forge.known = known
    forge.say("Looks good to me", by=SOMEBODY)
    ran = comment(text("one"))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"The comment was created: {forge.url}/c/1001\n"
    ran = comment(text("two"), "--format", "json")
    assert ran.json == {"format": 1, "action": "updated", "url": f"{forge.url}/c/1001"}
    assert forge.bodies == ["Looks good to me", text("two")]
    assert ("PATCH", "/repos/team/monitoring/issues/comments/1001") in forge.asked
    assert forge.tokens == {TOKEN}


def test_what_somebody_else_wrote_is_not_ours(comment: Commenter, forge: Forge) -> None:
    """Its author could change it back."""
    forge.say(text("No changes."), by=SOMEBODY)
    forge.say(f"> {MARKER}\nquoted by a robot")
    for known in (True, False):
        forge.known = known
        assert comment(text("mine")).code == 0
    assert [body.splitlines()[-1] for body in forge.bodies] == ["No changes.", "quoted by a robot", "mine"]


def test_each_marker_has_a_comment(comment: Commenter, forge: Forge) -> None:
    comment(text("one"))
    comment("<!-- gitops plan other -->\nelse\n")
    assert len(forge.comments) == 2


def test_it_is_found_on_a_later_page(comment: Commenter, forge: Forge) -> None:
    forge.page = 3
    for n in range(7):
        forge.say(f"chat {n}", by=SOMEBODY)
    forge.say(text("old"))
    forge.say("more", by=SOMEBODY)
    assert comment(text("new")).code == 0
    assert forge.bodies[7] == text("new")
    assert len(forge.comments) == 9


def test_a_page_on_another_host_is_not_asked_for(comment: Commenter, forge: Forge) -> None:
    with forging() as thief:
        forge.page, forge.elsewhere = 1, thief.url
        forge.say("a", by=SOMEBODY)
        forge.say("b", by=SOMEBODY)
        ran = comment(text("x"))
        assert "No comment was written: the forge sends us to another host" in ran.err
        assert thief.asked == []


@pytest.mark.parametrize("status", [302, 403, 404, 422, 500])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_forge_that_says_no_is_told_and_no_failure(
    comment: Commenter, forge: Forge, method: str, status: int
) -> None:
    forge.fails[method] = status
    ran = comment(text("x"))
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("No comment was written: ")
    assert f"was answered with {status}: said no" in ran.err
    assert "\x1b" not in ran.err
    ran = comment(text("x"), "--required")
    assert ran.code == 1
    assert TOKEN not in ran.err
    assert forge.comments == []


def test_one_that_was_deleted_meanwhile_is_made_anew(comment: Commenter, forge: Forge) -> None:
    comment(text("one"))
    forge.fails["PATCH"] = 404
    assert comment(text("two")).out.startswith("The comment was created")


def test_no_answer_is_told(comment: Commenter) -> None:
    ran = comment(text("x"), GITHUB_API_URL="http://127.0.0.1:9")
    assert ran.code == 0
    assert "No comment was written: 127.0.0.1:9 gave no answer that can be used" in ran.err


def test_without_a_token_or_a_request_nothing_is_asked(comment: Commenter, forge: Forge) -> None:
    assert "no token" in comment(text("x"), GITOPS_FORGE_TOKEN="").err
    assert comment(text("x"), "--required", GITOPS_FORGE_TOKEN="").code == 1
    assert "no token" in comment(text("x"), GITOPS_FORGE_TOKEN="a\nb: c").err
    comment.event.write_text('{"ref": "refs/heads/main"}', encoding="utf-8")
    ran = comment(text("x"))
    assert (ran.code, ran.err) == (0, "No comment was written: this job is about no pull request\n")
    assert forge.asked == []


def test_what_is_too_long_is_cut_at_a_line_and_says_so(comment: Commenter, forge: Forge) -> None:
    assert comment(text("".join(f"line {n}\n" for n in range(20_000))), "--required").code == 0
    (body,) = forge.bodies
    assert 65_000 < len(body) <= 65_536
    assert body.startswith(f"{MARKER}\n**Cut: ")
    assert body.splitlines()[-1].startswith("line ")
    comment(text("short"))
    assert forge.bodies == [text("short")]


def test_gitlab(comment: Commenter, forge: Forge) -> None:
    variables = {
        "GITHUB_ACTIONS": "",
        "GITLAB_CI": "true",
        "CI_API_V4_URL": f"{forge.url}/api/v4",
        "CI_PROJECT_ID": "42",
        "CI_MERGE_REQUEST_IID": "3",
    }
    forge.known, forge.limit = True, 1_000_000
    forge.say(text("planted"), by=SOMEBODY)
    for body in ("one", "two"):
        ran = comment(text(body), **variables)
        assert (ran.code, ran.err) == (0, "")
    assert forge.bodies == [text("planted"), text("two")]
    assert [(m, p) for m, p in forge.asked if m != "GET"] == [
        ("POST", "/api/v4/projects/42/merge_requests/3/notes"),
        ("PUT", "/api/v4/projects/42/merge_requests/3/notes/1001"),
    ]
    assert ME["id"] == forge.comments[1]["author"]["id"]


def test_another_forge_by_options(comment: Commenter, forge: Forge) -> None:
    given = ["--forge", "github", "--api", f"{forge.url}/api/v1/", "--repository", "me/it", "--pull", "9", "--required"]
    nothing = dict.fromkeys(("GITHUB_ACTIONS", "GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_EVENT_PATH"), "")
    assert comment(text("x"), *given, **nothing).code == 0
    assert ("POST", "/api/v1/repos/me/it/issues/9/comments") in forge.asked


@pytest.mark.parametrize(
    "wrong",
    [
        ["--repository", "../../user"],
        ["--repository", "a b"],
        ["--api", "file:///etc/passwd"],
        ["--api", "forge.example.net"],
        ["--pull", "0"],
        ["--forge", "svn"],
    ],
)
def test_what_cant_be_meant_is_2(comment: Commenter, forge: Forge, wrong: list[str]) -> None:
    assert comment(text("x"), *wrong).code == 2
    assert forge.asked == []


def test_a_file_without_a_marker_is_2(comment: Commenter, forge: Forge, tmp_path: Path) -> None:
    ran = comment("just text\n")
    assert ran.code == 2
    assert "no marker" in ran.err
    assert comment.gitops("comment", str(tmp_path / "none.md"), directory=False).code == 2
    assert forge.asked == []
