"""The server for webhooks over real HTTP: what is signed is in the inbox once, and nobody else learns or costs much."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.base.canonical import dumps, loads
from reconciler.flows.webhooks.events import Came, Listening, Trouble
from reconciler.flows.webhooks.server import Bounds
from tests.servers.hooks import Hooks, github, hooks_of, read_all, standard

if TYPE_CHECKING:
    from tests.conftest import Kit

BODY = b'{"version": "1.2"}'
ENVIRON = {"GITOPS_SECRET_DEPLOY": "open-sesame", "GITOPS_SECRET_HUB": "hub-key"}


def automation(kit: Kit, name: str, hook: str, secret: str, **config: Any) -> dict[str, Any]:
    trigger = {"event": "webhook@1", "config": {"hook": hook, "token": f"${{{{ secrets.{secret} }}}}", **config}}
    log = {"action": "log@1", "config": {"message": "{{ trigger.payload.body.version }}"}}
    return kit.document("Automation", name, {"triggers": [trigger], "actions": [log]})


@pytest.fixture
def address(kit: Kit, tmp_path: Path) -> str:
    """A store with four automations."""
    from reconciler.store.open import open_store

    path = str(tmp_path / "store.db")
    with closing(open_store(path)) as store:
        documents = [
            automation(kit, "on-deploy", "deploy", "DEPLOY"),
            automation(kit, "on-deploy-too", "deploy", "DEPLOY"),
            automation(kit, "on-push", "push", "HUB", signature="github"),
            automation(kit, "keyless", "keyless", "NOWHERE"),
        ]
        kit.apply(store, {"a.yaml": documents})
    return path


@pytest.fixture
def hooks(address: str) -> Iterator[Hooks]:
    with hooks_of(address, ENVIRON) as served:
        yield served


def inbox(address: str) -> list[tuple[int, str, dict[str, Any]]]:
    with closing(sqlite3.connect(address)) as db:
        rows = db.execute("select id, context_key, payload from event order by id").fetchall()
    return [(id, context, loads(payload)) for id, context, payload in rows]


def test_what_is_signed_is_in_the_inbox_when_it_is_answered(hooks: Hooks, address: str) -> None:
    answer = hooks.send("deploy", BODY, standard("open-sesame", BODY))
    assert (answer.status, answer.told) == (202, {"events": [1, 2]})
    (_, context, payload), (_, _, same) = inbox(address)
    assert (context, payload) == ("deploy", same)
    assert (payload["hook"], payload["id"], payload["body"]) == ("deploy", "msg-1", {"version": "1.2"})
    assert payload["headers"]["content-type"] == "application/json"
    assert "open-sesame" not in str(payload)
    assert [e for e in hooks.events if isinstance(e, Came)] == [Came("deploy", "127.0.0.1", (1, 2), False)]


def test_in_the_manner_of_github(hooks: Hooks, address: str) -> None:
    assert hooks.send("push", BODY, github("hub-key", BODY)).status == 202
    ((_, _, payload),) = inbox(address)
    assert (payload["id"], payload["headers"]["x-github-event"]) == ("guid-1", "push")
    again = hooks.send("push", BODY, github("hub-key", BODY, "guid-2"))
    assert (again.status, again.told) == (200, {"events": [1], "duplicate": True})


def test_a_form(hooks: Hooks, address: str) -> None:
    body = b"version=1.2&tag=a&tag=b"
    headers = {**standard("open-sesame", body), "Content-Type": "application/x-www-form-urlencoded"}
    assert hooks.send("deploy", body, headers).status == 202
    assert inbox(address)[0][2]["body"] == {"version": "1.2", "tag": ["a", "b"]}


def test_what_comes_again_starts_nothing(hooks: Hooks, address: str) -> None:
    for status in (202, 200, 200):
        assert hooks.send("deploy", BODY, standard("open-sesame", BODY)).status == status
    assert len(inbox(address)) == 2


def test_nobody_learns_which_hooks_there_are(hooks: Hooks, address: str) -> None:
    """Not there, wrongly signed, too old, the other manner, a key that can't be had: all the same to the sender."""
    good = standard("open-sesame", BODY)
    told = [
        hooks.send("nothing", BODY, good),
        hooks.send("deploy", BODY, standard("other", BODY)),
        hooks.send("deploy", BODY, {}),
        hooks.send("deploy", BODY + b" ", good),
        hooks.send("deploy", BODY, standard("open-sesame", BODY, at=time.time() - 301)),
        hooks.send("deploy", BODY, standard("open-sesame", BODY, at=time.time() + 302)),
        hooks.send("deploy", BODY, github("open-sesame", BODY)),
        hooks.send("push", BODY, standard("hub-key", BODY)),
        hooks.send("keyless", BODY, standard("", BODY)),
        hooks.send("de%70loy", BODY, good),
        hooks.send("deploy/more", BODY, good),
    ]
    assert {answer.status for answer in told} == {401}
    assert len({dumps(answer.told) for answer in told}) == 1
    assert len({frozenset(answer.headers) for answer in told}) == 1
    assert inbox(address) == []
    (trouble,) = (e for e in hooks.events if isinstance(e, Trouble))
    assert trouble.sentence.startswith("the token of automation keyless can't be had: the secret NOWHERE isn't there")


def test_whose_key_isnt_there_is_told_before_anybody_calls(hooks: Hooks) -> None:
    (trouble,) = (e for e in hooks.events if isinstance(e, Trouble))
    assert trouble.sentence.startswith("the token of automation keyless can't be had: the secret NOWHERE isn't there")
    assert isinstance(hooks.events[0], Listening)


def test_who_only_guesses_is_told_to_wait(address: str) -> None:
    """Whoever has the key isn't: both may come by the same proxy."""
    with hooks_of(address, ENVIRON, Bounds(refusals=3)) as hooks:
        statuses = [hooks.send("deploy", BODY, {}).status for _ in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        assert hooks.send("deploy", BODY, {}).headers["Retry-After"]
        assert hooks.send("deploy", BODY, standard("open-sesame", BODY)).status == 202


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[1]", 400),
        (b"{", 400),
        (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
        (b"[" * 200_000, 400),
        (b'{"a": "' + b"x" * (1024 * 1024 - 9) + b'"}', 202),
        (b'{"a": "' + b"x" * (1024 * 1024 - 8) + b'"}', 413),
    ],
)
def test_what_is_signed_and_yet_no_payload(hooks: Hooks, address: str, body: bytes, status: int) -> None:
    assert hooks.send("deploy", body, standard("open-sesame", body)).status == status
    assert len(inbox(address)) == (2 if status == 202 else 0)


def test_ten_megabytes_are_refused_before_they_are_sent(hooks: Hooks) -> None:
    head = b"POST /hooks/deploy HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
    with hooks.raw(head) as connection:
        began = time.monotonic()
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")
        assert time.monotonic() - began < 5


def test_ten_megabytes_of_chunks_are_refused_on_the_way(hooks: Hooks) -> None:
    head = b"POST /hooks/deploy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    with hooks.raw(head) as connection:
        sent = 0
        try:
            for _ in range(160):
                connection.sendall(chunk)
                sent += 1
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass
        assert read_all(connection).startswith(b"HTTP/1.1 413 ") or sent < 160


def test_a_small_body_that_unpacks_to_a_large_one_is_refused(hooks: Hooks) -> None:
    import gzip

    packed = gzip.compress(b"x" * 10_000_000)
    headers = {**standard("open-sesame", packed), "Content-Encoding": "gzip"}
    assert hooks.send("deploy", packed, headers).status == 415


@pytest.mark.parametrize(
    "data",
    [
        b"POST /hooks/deploy HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        b"POST /hooks/deploy HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: x\r\n" % n for n in range(5000)) + b"\r\n",
        b"POST /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /hooks/deploy HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /hooks/deploy HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200 + b"\r\n\r\n",
        b"GARBAGE\r\n\r\n",
    ],
)
def test_headers_that_are_none(hooks: Hooks, data: bytes) -> None:
    with hooks.raw() as connection:
        with suppress(OSError):
            connection.sendall(data)
        answer = read_all(connection)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert hooks.get("/healthz").status == 200


def test_headers_that_arent_utf8(hooks: Hooks, address: str) -> None:
    signed = standard("open-sesame", BODY)
    lines = [b"POST /hooks/deploy HTTP/1.1", b"Host: x", b"Content-Length: %d" % len(BODY), b"User-Agent: \xff\xfe"]
    lines += [f"{name}: {value}".encode() for name, value in signed.items()]
    with hooks.raw(b"\r\n".join(lines) + b"\r\n\r\n" + BODY) as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 202 ")
    assert len(inbox(address)) == 2


def test_what_is_expected_is_told_first(hooks: Hooks) -> None:
    signed = "".join(f"{name}: {value}\r\n" for name, value in standard("open-sesame", BODY).items())
    head = (
        f"POST /hooks/deploy HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\nExpect: 100-continue\r\n{signed}\r\n"
    )
    with hooks.raw(head.encode()) as connection:
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert read_all(connection).startswith(b"HTTP/1.1 202 ")


@pytest.mark.parametrize(
    ("begun", "drip"),
    [
        (b"", b""),
        (b"POST /hooks/", b"x"),
        (b"POST /hooks/deploy HTTP/1.1\r\nHost: x\r\nX-Long: ", b"x"),
        (b"POST /hooks/deploy HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", b" "),
    ],
)
def test_the_slow_are_ended(address: str, begun: bytes, drip: bytes) -> None:
    """However much they drip: their time doesn't begin again with each byte."""
    with hooks_of(address, ENVIRON, Bounds(patience=0.4)) as hooks, hooks.raw(begun) as connection:
        began = time.monotonic()
        connection.settimeout(0.05)
        ended = False
        while not ended and time.monotonic() - began < 10:
            try:
                connection.sendall(drip)
                ended = connection.recv(1000) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
        assert ended
        assert 0.2 < time.monotonic() - began < 5


def test_connections_are_counted(address: str) -> None:
    with hooks_of(address, ENVIRON, Bounds(connections=2)) as hooks, hooks.raw(b"POST") as one, hooks.raw(b"POST"):
        with hooks.raw() as third:
            assert read_all(third).startswith(b"HTTP/1.1 503 ")
        one.close()
        until = time.monotonic() + 10
        while (status := _healthy(hooks)) != 200 and time.monotonic() < until:
            pass
        assert status == 200


def _healthy(hooks: Hooks) -> int:
    with hooks.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
        try:
            return int(read_all(connection).split(b" ", 2)[1])
        except (IndexError, OSError):
            return 0


def test_other_pages_and_methods(hooks: Hooks) -> None:
    assert hooks.get("/healthz").told == {"status": "ok"}
    assert hooks.get("/").status == 404
    assert hooks.get("/healthz/x").status == 404
    answer = hooks.send("nothing", b"", {}, method="GET")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert answer.headers["Server"] == "gitops"


def test_a_new_generation_counts_at_once(hooks: Hooks, address: str, kit: Kit) -> None:
    from reconciler.store.open import open_store

    assert hooks.send("new", BODY, standard("open-sesame", BODY)).status == 401
    with closing(open_store(address)) as store:
        kit.apply(store, {"a.yaml": [automation(kit, "on-deploy", "new", "DEPLOY")]}, force=True)
    assert hooks.send("new", BODY, standard("open-sesame", BODY, "msg-2")).status == 202
    assert hooks.send("push", BODY, github("hub-key", BODY)).status in (202, 401)


def test_while_the_store_is_away_senders_are_told_to_come_again(hooks: Hooks, address: str) -> None:
    with closing(sqlite3.connect(address)) as db:
        db.execute("alter table event rename to gone")
    answer = hooks.send("deploy", BODY, standard("open-sesame", BODY))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert any(isinstance(e, Trouble) for e in hooks.events)
    with closing(sqlite3.connect(address)) as db:
        db.execute("alter table gone rename to event")
    assert hooks.send("deploy", BODY, standard("open-sesame", BODY)).status == 202


def test_a_store_that_was_taken_away_isnt_made_anew(hooks: Hooks, address: str) -> None:
    for file in Path(address).parent.glob("store.db*"):
        file.rename(f"{file}.away")
    assert hooks.send("deploy", BODY, standard("open-sesame", BODY)).status == 503
    assert not Path(address).exists()
    for file in Path(address).parent.glob("store.db*.away"):
        file.rename(str(file).removesuffix(".away"))
    assert hooks.send("deploy", BODY, standard("open-sesame", BODY)).status == 202


def test_a_fault_of_ones_own_is_told_to_who_runs_it(
    hooks: Hooks, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patched:
        patched.setattr("reconciler.flows.webhooks.receiver.payload", broken)
        assert hooks.send("deploy", BODY, standard("open-sesame", BODY)).status == 503
    troubles = [e for e in hooks.events if isinstance(e, Trouble)]
    assert troubles[1:] == [Trouble("a fault of gitops itself: RuntimeError: broken")]
    assert hooks.send("deploy", BODY, standard("open-sesame", BODY)).status == 202


def test_into_a_store_in_postgresql(postgres_store: str, kit: Kit) -> None:
    from reconciler.store.open import open_store

    with closing(open_store(postgres_store)) as store:
        kit.apply(store, {"a.yaml": [automation(kit, "on-deploy", "deploy", "DEPLOY")]})
        with hooks_of(postgres_store, ENVIRON) as hooks:
            for status in (202, 200):
                assert hooks.send("deploy", BODY, standard("open-sesame", BODY)).status == status
            assert hooks.get("/healthz").status == 200
        assert store.db.rows("select name, context_key from event") == [("webhook", "deploy")]
