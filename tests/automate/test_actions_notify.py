"""``notify``: whom it reaches by which secret, what of it is sent again, and what the sending process can't do."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest

from reconciler.automate.port import Again, Done, NotDone
from reconciler.flows.acting.messengers import Messengers
from tests.servers.acting import Acting
from tests.servers.http import Site
from tests.servers.smtp import Mailbox, mailbox

TOLD = {"title": "shop is down", "body": "Since noon.", "importance": "critical"}


@pytest.fixture(autouse=True)
def _declared(acting: Acting) -> None:
    acting.declare("notify")


@pytest.fixture
def mail() -> Iterator[Mailbox]:
    with mailbox() as running:
        yield running


def json_url(web: Site, path: str = "json") -> str:
    """The address of a receiver of plain JSON, as the library calls it."""
    return f"json://127.0.0.1:{web.port}/{path}"


@pytest.mark.parametrize(
    ("config", "secret"),
    [({"userId": "alice"}, "NOTIFY_ALICE"), ({"userId": "bob.o'hara"}, "NOTIFY_BOB_O_HARA"), ({}, "NOTIFY_DEFAULT")],
)
def test_notify_reaches_people_by_the_operators_secrets(
    acting: Acting, web: Site, config: dict[str, Any], secret: str
) -> None:
    acting.environ[f"GITOPS_SECRET_{secret}"] = json_url(web, "json/hidden-channel")
    done = acting.perform("notify", {**TOLD, **config})
    assert done == Done({"of": 1, "reached": [0]})
    told = json.loads(web.asked[0].body)
    assert (told["title"], told["message"], told["type"]) == ("shop is down", "Since noon.", "failure")
    [row] = acting.deliveries()
    assert (row.status, row.target) == ("delivered", secret)
    assert "hidden" not in repr(row)


def test_notify_reaches_a_channel_by_its_address(acting: Acting, web: Site) -> None:
    acting.environ["GITOPS_SECRET_CHAT"] = json_url(web)
    assert isinstance(acting.perform("notify", {**TOLD, "url": "${{ secrets.CHAT }}"}), Done)
    assert acting.deliveries()[0].target == "${{ secrets.CHAT }}"


def test_notify_sends_mail(acting: Acting, mail: Mailbox) -> None:
    to = f"mailto://127.0.0.1:{mail.port}?from=gitops@example.net&to=alice@example.net&smtp=127.0.0.1&format=text"
    acting.environ["GITOPS_SECRET_NOTIFY_DEFAULT"] = to
    assert isinstance(acting.perform("notify", TOLD), Done)
    message = message_from_string(mail.messages[0])
    assert message["Subject"] == "shop is down"
    assert "alice@example.net" in message["To"]
    assert "Since noon." in mail.messages[0]


def test_an_injected_mail_header_stays_in_the_subject(acting: Acting, mail: Mailbox) -> None:
    to = f"mailto://127.0.0.1:{mail.port}?from=gitops@example.net&to=alice@example.net&smtp=127.0.0.1&format=text"
    acting.environ["GITOPS_SECRET_NOTIFY_DEFAULT"] = to
    acting.perform("notify", {"title": "down\r\nBcc: mallory@example.net", "body": "x"})
    for text in mail.messages:
        assert message_from_string(text)["Bcc"] is None


def test_a_person_without_a_secret_is_told(acting: Acting) -> None:
    done = acting.perform("notify", {**TOLD, "userId": "nobody"})
    assert isinstance(done, NotDone)
    assert "the secret NOTIFY_NOBODY isn't there" in done.error
    assert isinstance(acting.perform("notify", {**TOLD, "userId": "??"}), NotDone)


def test_addresses_that_were_reached_are_not_written_to_again(acting: Acting, web: Site) -> None:
    web.planned = [503]
    acting.environ["GITOPS_SECRET_NOTIFY_DEFAULT"] = f"{json_url(web)} {json_url(web, 'planned')}"
    first = acting.perform("notify", TOLD)
    assert isinstance(first, Again)
    assert "address 2 of 2 (json) wasn't reached" in first.error
    assert "503" in first.error
    assert acting.perform("notify", TOLD, attempt=2) == Done({"of": 2, "reached": [0, 1]})
    assert [asked.path for asked in web.asked] == ["/json", "/planned", "/planned"]


@pytest.mark.parametrize(("status", "kind"), [(404, NotDone), (429, Again)])
def test_what_a_service_says_decides_about_another_attempt(
    acting: Acting, web: Site, status: int, kind: type[Any]
) -> None:
    acting.environ["GITOPS_SECRET_NOTIFY_DEFAULT"] = json_url(web, f"status/{status}")
    assert isinstance(acting.perform("notify", TOLD), kind)


@pytest.mark.parametrize("url", ["nosuch://somewhere", "syslog://"])
def test_an_address_of_no_service_is_told(acting: Acting, url: str) -> None:
    acting.environ["GITOPS_SECRET_NOTIFY_DEFAULT"] = url
    done = acting.perform("notify", TOLD)
    assert isinstance(done, NotDone)
    assert "is none that messages can be sent to" in done.error


def test_messages_go_to_no_denied_address(acting: Acting, web: Site) -> None:
    acting.deny = ("127.0.0.0/8",)
    acting.environ["GITOPS_SECRET_NOTIFY_DEFAULT"] = json_url(web)
    done = acting.perform("notify", TOLD)
    assert not isinstance(done, Done)
    assert web.asked == []


def test_a_redirect_of_a_service_leads_to_no_denied_address(acting: Acting, web: Site) -> None:
    to = "http://169.254.169.254/"
    acting.environ["GITOPS_SECRET_NOTIFY_DEFAULT"] = f"{json_url(web, 'redirect/307')}?to={to}&redirect=yes"
    assert not isinstance(acting.perform("notify", TOLD), Done)


def test_a_service_that_hangs_is_given_up(acting: Acting, web: Site) -> None:
    acting.environ["GITOPS_SECRET_NOTIFY_DEFAULT"] = json_url(web, "hang")
    done = acting.perform("notify", {**TOLD, "timeout": "1500ms"})
    assert isinstance(done, Again)
    assert done.error == "the message wasn't sent within 1.5s"


def test_without_the_library_the_way_out_is_told(acting: Acting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    acting.environ["GITOPS_SECRET_NOTIFY_DEFAULT"] = "json://127.0.0.1"
    done = acting.perform("notify", TOLD)
    assert isinstance(done, NotDone)
    assert done.error.endswith("install gitops-reconciler[notify] where the worker runs")


ESCAPES = {
    "a file is read": "open('/etc/passwd')",
    "a file is written": f"open({str(Path('/tmp') / 'gitops-escape')!r}, 'w')",
    "a program is run": "__import__('subprocess').run(['true'])",
    "a shell is run": "__import__('os').system('true')",
    "a local socket is used": "__import__('socket').socket(1).connect('/var/run/docker.sock')",
    "a denied address is used": "__import__('socket').create_connection(('169.254.169.254', 80), 1)",
    "a library is loaded": "__import__('ctypes').CDLL('libc.so.6')",
}


def test_the_process_that_sends_can_do_nothing_else() -> None:
    tries = "\n".join(
        f"try:\n    {code}\nexcept PermissionError as error:\n    print({name!r}, 'held')"
        for name, code in ESCAPES.items()
    )
    script = (
        "import socket, subprocess, os, ctypes\n"
        "from reconciler.flows.acting.notify_main import guarded\n"
        f"guarded([])\n{tries}\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines() == [f"{name} held" for name in ESCAPES], done.stderr


def test_a_process_sends_one_message_after_the_other(acting: Acting, web: Site) -> None:
    request = {"urls": [json_url(web)], "title": "t", "body": "b", "importance": "info"}

    async def two() -> tuple[int, int]:
        messengers = Messengers(())
        try:
            for _ in range(2):
                [answer] = await messengers.send(request, 20)
                assert answer["sent"]
            return len(messengers._all), len(web.asked)
        finally:
            await messengers.aclose()
            assert not messengers._all

    assert asyncio.run(two()) == (1, 2)


def test_a_process_that_died_is_replaced(acting: Acting, web: Site) -> None:
    request = {"urls": [json_url(web)], "title": "t", "body": "b", "importance": "info"}

    async def killed() -> bool:
        messengers = Messengers(())
        try:
            await messengers.send(request, 20)
            [process] = messengers._all
            process.kill()
            await process.wait()
            [answer] = await messengers.send(request, 20)
            return bool(answer["sent"])
        finally:
            await messengers.aclose()

    assert asyncio.run(killed())
