"""``gitops delivery``: what was sent and what nobody took, listed, shown and sent again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from reconciler.automate.port import Done, NotDone
from tests.servers.acting import Acting
from tests.servers.http import Site, site

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as running:
        yield running


@pytest.fixture
def store(kit: Kit, repo: Repo, web: Site) -> str:
    """A store with one delivery that was taken, and two dead letters of which one is to a secret address."""
    address = str(repo.path / "store.db")
    acting = Acting(kit, address)
    try:
        acting.declare("webhook")
        acting.environ["GITOPS_SECRET_HOOK"] = f"{web.base}/json/hidden-path"
        once = {"retry": {"attempts": 1}}
        taken = acting.perform("webhook", {"url": "${{ secrets.HOOK }}"}, key="first-key")
        assert isinstance(taken, Done)
        for path in ("planned", "status/410"):
            web.planned = [503] if path == "planned" else []
            config = {"url": f"{web.base}/{path}", **once}
            assert isinstance(acting.perform("webhook", config, key=f"{path}-of-it"), NotDone)
    finally:
        acting.close()
    return address


def test_deliveries_are_listed_newest_first(gitops: Gitops, store: str, web: Site) -> None:
    lines = gitops("delivery", "list", "--store", store).out.splitlines()
    assert [line.split()[:5] for line in lines] == [
        ["DELIVERY", "STATUS", "ATTEMPTS", "AUTOMATION", "ACTION"],
        ["3", "dead", "1", "react", "webhook@1"],
        ["2", "dead", "1", "react", "webhook@1"],
        ["1", "delivered", "1", "react", "webhook@1"],
    ]
    assert "POST ${{ secrets.HOOK }}" in lines[3]
    assert lines[2].endswith("the receiver answered 503 Service Unavailable")
    dead = gitops("delivery", "list", "--dead", "--store", store, "--format", "json").json["deliveries"]
    assert [each["id"] for each in dead] == [3, 2]
    assert "hidden" not in gitops("delivery", "list", "--store", store, "--format", "json").out


def test_one_is_shown_without_secrets(gitops: Gitops, store: str) -> None:
    shown = gitops("delivery", "show", "1", "--store", store)
    assert "Delivery 1: delivered" in shown.out
    assert "${{ secrets.HOOK }}" in shown.out
    assert "hidden" not in shown.out
    data = gitops("delivery", "show", "2", "--store", store, "--format", "json").json
    assert (data["key"], data["status"], data["request"]["method"]) == (
        "planned-of-it".replace("/", ""),
        "dead",
        "POST",
    )
    unknown = gitops("delivery", "show", "9", "--store", store)
    assert (unknown.code, "there is no delivery 9" in unknown.err) == (1, True)


def test_dead_letters_are_sent_again(gitops: Gitops, store: str, web: Site) -> None:
    before = len(web.asked)
    done = gitops("delivery", "replay", "2", "--store", store)
    assert (done.code, done.out) == (0, f"Delivery 2 (webhook@1 to POST {web.base}/planned) was taken.\n")
    assert web.asked[-1].header("Idempotency-Key") == "planned-of-it"
    rest = gitops("delivery", "replay", "--dead", "--store", store)
    assert (rest.code, len(web.asked)) == (1, before + 2)
    assert rest.out.endswith("wasn't taken: the receiver answered 410 Gone.\n")
    data = gitops("delivery", "replay", "--dead", "--store", store, "--format", "json")
    assert [each["status"] for each in data.json["deliveries"]] == ["dead"]
    again = gitops("delivery", "replay", "2", "--store", store)
    assert (again.code, "was delivered, and isn't sent again" in again.err) == (1, True)


def test_the_overview_tells_of_dead_letters(gitops: Gitops, store: str) -> None:
    assert gitops("status", "--store", store).out.endswith("\n2 dead letters: gitops delivery list --dead\n")
    assert gitops("status", "--store", store, "--format", "json").json["deadLetters"] == 2
    assert "dead letter" not in gitops("status", "--system", "shop", "--store", store).out


@pytest.mark.parametrize("arguments", [(), ("2", "--dead")])
def test_which_to_send_has_to_be_said(gitops: Gitops, store: str, arguments: tuple[str, ...]) -> None:
    ran = gitops("delivery", "replay", *arguments, "--store", store)
    assert (ran.code, "say which" in ran.err) == (2, True)


def test_there_may_be_none(gitops: Gitops, repo: Repo) -> None:
    address = str(repo.path / "nothing.db")
    assert gitops("delivery", "list", "--store", address).out == "Nothing was sent yet.\n"
    assert gitops("delivery", "list", "--dead", "--store", address).out == "There are no dead letters.\n"
