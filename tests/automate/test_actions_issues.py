"""``github.issue`` and ``gitlab.issue``: one issue for one step, whatever gets lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.automate.port import Again, Done, NotDone
from tests.servers.acting import Acting
from tests.servers.forge import TOKEN, Forge, forging

ASKED = {"title": "shop is down", "body": "Since noon.", "labels": ["outage", "a,b", ""]}


@pytest.fixture(autouse=True)
def _declared(acting: Acting) -> None:
    acting.declare("github.issue", "gitlab.issue")
    acting.environ["GITOPS_SECRET_FORGE"] = TOKEN


@pytest.fixture
def forge() -> Iterator[Forge]:
    with forging() as running:
        yield running


def config(action: str, forge: Forge) -> dict[str, Any]:
    where = {"repository": "example/orders"} if action == "github.issue" else {"project": "example/orders"}
    more = {"assignees": ["alice"]} if action == "github.issue" else {}
    return {**ASKED, **where, **more, "token": "${{ secrets.FORGE }}", "apiUrl": forge.url}


def test_github_issue_is_opened_with_an_artifact(acting: Acting, forge: Forge) -> None:
    done = acting.perform("github.issue", config("github.issue", forge))
    assert isinstance(done, Done)
    [issue] = forge.issues
    assert (issue["title"], issue["labels"], issue["assignees"]) == ("shop is down", ["outage", "a b"], ["alice"])
    assert issue["body"].startswith("Since noon.\n\n<!-- gitops-delivery-")
    assert done.artifacts["issue"] == {"id": 1, "number": 1, "url": f"{forge.url}/repos/example/orders/issues/1"}
    [row] = acting.deliveries()
    assert (row.status, row.target) == ("delivered", "example/orders")
    assert TOKEN not in repr((done, row))


def test_gitlab_issue_is_opened_with_an_artifact(acting: Acting, forge: Forge) -> None:
    done = acting.perform("gitlab.issue", config("gitlab.issue", forge))
    assert isinstance(done, Done)
    [issue] = forge.issues
    assert (issue["title"], issue["labels"]) == ("shop is down", "outage,a b")
    assert issue["description"].startswith("Since noon.")
    assert {path.partition("?")[0] for _, path in forge.asked} == {"/projects/example%2Forders/issues"}
    assert done.artifacts["issue"]["number"] == 1


@pytest.mark.parametrize("action", ["github.issue", "gitlab.issue"])
def test_an_issue_whose_answer_was_lost_is_found_again(acting: Acting, forge: Forge, action: str) -> None:
    forge.loses = 1
    first = acting.perform(action, config(action, forge))
    assert isinstance(first, Again)
    second = acting.perform(action, config(action, forge), attempt=2)
    assert isinstance(second, Done)
    assert second.artifacts["issue"]["number"] == 1
    assert len(forge.issues) == 1


def test_what_was_delivered_hands_out_its_artifact_again(acting: Acting, forge: Forge) -> None:
    first = acting.perform("github.issue", config("github.issue", forge))
    assert acting.perform("github.issue", config("github.issue", forge)) == first
    assert len(forge.issues) == 1
    other = acting.perform("github.issue", config("github.issue", forge), key="another-key")
    assert isinstance(other, Done)
    assert len(forge.issues) == 2


def test_the_mark_can_not_be_forged_by_who_knows_the_key(acting: Acting, forge: Forge) -> None:
    """Anybody may open issues in a public repository, also one that spells a key."""
    forge.issues = [{"number": 9, "body": "<!-- gitops-delivery-run-7.actions-0 --> run-7.actions-0"}]
    done = acting.perform("github.issue", config("github.issue", forge))
    assert isinstance(done, Done)
    assert done.artifacts["issue"]["number"] == 2


@pytest.mark.parametrize(("status", "kind"), [(422, NotDone), (404, NotDone), (500, Again)])
def test_a_forge_that_says_no(acting: Acting, forge: Forge, status: int, kind: type[Any]) -> None:
    forge.fails = {"POST": status}
    found = acting.perform("github.issue", config("github.issue", forge))
    assert isinstance(found, kind)
    assert f"GitHub answered {status}" in found.error


def test_a_token_that_is_none(acting: Acting, forge: Forge) -> None:
    acting.environ["GITOPS_SECRET_FORGE"] = "another-token"
    found = acting.perform("gitlab.issue", config("gitlab.issue", forge))
    assert isinstance(found, NotDone)
    assert "GitLab answered 401" in found.error


def test_a_limit_of_requests_is_waited_for(acting: Acting, forge: Forge) -> None:
    forge.limited = True
    found = acting.perform("github.issue", config("github.issue", forge))
    assert isinstance(found, Again)
    assert (found.error, found.after) == ("GitHub wants fewer requests", 60)
