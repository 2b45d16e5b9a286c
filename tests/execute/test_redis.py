"""Redis against a real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.execute.port import Collected
from reconciler.execute.redis import Redis as Strategy
from tests.servers.ca import Authority
from tests.servers.redis import PASSWORD, Redis
from tests.servers.rude import MANNERS, Manner, rude
from tests.servers.runs import cancelled, collect, failure


@pytest.fixture(scope="session")
def server() -> Iterator[Redis]:
    with Redis() as started:
        yield started


@pytest.fixture(scope="session")
def locked() -> Iterator[Redis]:
    with Redis(password="sesame") as started:
        yield started


def config(port: int, **changes: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "database": 0, "tls": False, "timeout": 5000, **changes}


def command(name: str, *args: str, timeout: int = 5000) -> tuple[str, dict[str, Any]]:
    return "command", {"command": name, "args": list(args), "timeout": timeout}


def ask(server: Redis, *steps: tuple[str, dict[str, Any]], **changes: Any) -> list[Collected]:
    return collect(Strategy, config(server.port, **changes), *steps)


def test_replies(server: Redis) -> None:
    found = ask(
        server,
        command("PING"),
        command("SET", "key", "wörd"),
        command("get", "key"),
        command("GET", "nothing"),
        command("INCR", "number"),
        command("RPUSH", "list", "a", "b"),
        command("LRANGE", "list", "0", "-1"),
        command("EVAL", "return {1, 'two', {false, 'x'}}", "0"),
    )
    assert [f.result["response"] for f in found] == [
        *("PONG", "OK", "wörd", None, "1", "2", '["a","b"]', '[1,"two",[null,"x"]]')
    ]
    assert all(f.error is None and f.result["success"] for f in found)
    assert set(found[0].phases or ()) == {"dns", "connect", "login", "command", "total"}


def test_bytes_that_are_no_text(server: Redis) -> None:
    (_, found) = ask(server, command("SETBIT", "bits", "0", "1"), command("GET", "bits"))
    assert found.result["response"] == "\\x80"


def test_long_reply_is_cut(server: Redis) -> None:
    (_, found) = ask(server, command("SETRANGE", "long", "3000000", "x"), command("GET", "long"))
    assert len(found.result["response"]) == 1024 * 1024
    assert found.notes == ("the response is cut at 1024 KiB",)


def test_info_stays_text(server: Redis) -> None:
    (found,) = ask(server, command("INFO", "server"))
    assert found.result["response"].startswith("# Server\r\nredis_version:")


def test_database(server: Redis) -> None:
    ask(server, command("SET", "where", "three"), database=3)
    (three,) = ask(server, command("GET", "where"), database=3)
    (zero,) = ask(server, command("GET", "where"))
    assert (three.result["response"], zero.result["response"]) == ("three", None)
    failed = failure(Strategy, config(server.port, database=4000))
    assert "refuses the connection: DB index is out of range" in failed.sentence


def test_error_replies(server: Redis) -> None:
    wrong, unknown, after = ask(server, command("LLEN", "text"), command("NONSENSE"), command("PING"))
    ask(server, command("SET", "text", "x"))
    wrong, unknown, after = ask(server, command("LLEN", "text"), command("NONSENSE"), command("PING"))
    assert wrong.error == f"the server answers with an error: {wrong.result['response']}"
    assert "WRONGTYPE" in wrong.result["response"]
    assert wrong.result["success"] is False
    assert "unknown command" in (unknown.error or "")
    assert after.result["response"] == "PONG"


def test_blocking_command_ends_with_its_limit(server: Redis) -> None:
    steps = [command("BLPOP", "never", "0", timeout=200)]
    (found,) = ask(server, *steps)
    assert found.timed_out
    assert found.error == "the command took longer than 200ms"
    failed = failure(Strategy, config(server.port), *steps, command("PING"))
    assert failed.sentence.endswith("is gone: the command before took too long")


def test_endless_reply_is_read_once(server: Redis) -> None:
    (found,) = ask(server, command("SUBSCRIBE", "channel"))
    assert json.loads(found.result["response"]) == ["subscribe", "channel", 1]


def test_user_and_password(server: Redis, locked: Redis) -> None:
    (found,) = ask(server, command("PING"), username="probe", password=PASSWORD)
    assert found.error is None
    (denied,) = ask(server, command("FLUSHALL"), username="probe", password=PASSWORD)
    assert "no permission" in (denied.error or "").lower()
    (found,) = ask(locked, command("PING"), password="sesame")
    assert found.error is None
    (needed,) = ask(locked, command("PING"))
    assert "Authentication required" in (needed.error or "")


def test_wrong_password_is_not_told(server: Redis) -> None:
    failed = failure(Strategy, config(server.port, username="probe", password="not-this-one"))
    assert "refuses the user or the password" in failed.sentence
    assert "not-this-one" not in failed.sentence


def test_tls(server: Redis, tmp_path: Path) -> None:
    secure = config(server.tls_port, tls=True, host="localhost", caCert=server.authority.ca_text)
    (found,) = collect(Strategy, secure, command("PING"))
    assert found.result["response"] == "PONG"
    assert {"tls", "login"} <= set(found.phases or ())
    wrong_name = failure(Strategy, {**secure, "host": "127.0.0.1"})
    assert "isn't trusted" in wrong_name.sentence
    assert "not valid for '127.0.0.1'" in wrong_name.sentence
    assert "isn't trusted" in failure(Strategy, {**secure, "caCert": Authority(tmp_path).ca_text}).sentence
    assert "isn't trusted" in failure(Strategy, {**secure, "caCert": None}).sentence
    # It waits for the end of what it takes for a line.
    assert failure(Strategy, {**secure, "port": server.port, "timeout": 300}).timed_out


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("password", [None, "sesame"])
def test_strangers(manner: Manner, tls: bool, password: str | None) -> None:
    with rude(manner) as port:
        chosen = config(port, tls=tls, password=password, timeout=400)
        if password is None and not tls:
            (found,) = collect(Strategy, chosen, command("PING", timeout=300), within=3)
            assert found.error is not None
            assert found.timed_out == (manner == "silent")
        else:
            failed = failure(Strategy, chosen, within=3)
            assert f"127.0.0.1:{port}" in failed.sentence
            assert failed.timed_out == (manner == "silent")


@pytest.mark.parametrize("tls", [False, True])
def test_cancelled(server: Redis, tls: bool) -> None:
    with rude("silent") as port:
        assert cancelled(Strategy, config(port, tls=tls, password="x")) < 2
    port, name = (server.tls_port, "localhost") if tls else (server.port, "127.0.0.1")
    chosen = config(port, tls=tls, host=name, caCert=server.authority.ca_text)
    assert cancelled(Strategy, chosen, command("BLPOP", "never", "0")) < 2


def test_denied_and_refused(server: Redis) -> None:
    assert "may not be connected to" in failure(Strategy, config(server.port), deny=["127.0.0.0/8"]).sentence
    with rude("closing") as port:
        pass
    assert "refused" in failure(Strategy, config(port)).sentence


def test_server_that_goes_away() -> None:
    with Redis() as own:
        (found,) = ask(own, command("SHUTDOWN", "NOSAVE"))
        assert "connection was lost" in (found.error or "")


def test_what_may_be_repeated() -> None:
    steps = {name: (("command", {"command": name}),) for name in ("get", "LLEN", "INCR", "BLPOP")}
    assert [Strategy().repeatable({}, step) for step in steps.values()] == [True, True, False, False]
