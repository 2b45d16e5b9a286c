"""PostgreSQL against a real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.execute.port import Collected
from reconciler.execute.postgres import Postgres as Strategy
from tests.servers.ca import Authority
from tests.servers.postgres import PASSWORD, Postgres
from tests.servers.rude import MANNERS, Manner, rude
from tests.servers.runs import cancelled, collect, failure


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with Postgres() as started:
        started.sql("create table items (id int primary key, name text); insert into items values (1, 'one')")
        started.sql("grant all on items to probe, trusted")
        yield started


def config(server: Postgres | int, **changes: Any) -> dict[str, Any]:
    base = {
        "host": "127.0.0.1",
        "port": server if isinstance(server, int) else server.port,
        "database": "orders",
        "user": "trusted",
        "sslMode": "prefer",
        "timeout": 5000,
    }
    return {**base, **changes}


def query(text: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    return "query", {"query": text, "maxRows": 100, "timeout": 5000, **changes}


def ask(server: Postgres, text: str, *, user: str = "trusted", **changes: Any) -> Collected:
    (found,) = collect(Strategy, config(server, user=user), query(text, **changes))
    return found


def test_rows_as_json(server: Postgres) -> None:
    found = ask(server, "select id, name, null as nothing from items")
    assert found.error is None
    assert found.result == {
        "rowCount": 1,
        "columnCount": 3,
        "value": "1",
        "rows": [{"id": 1, "name": "one", "nothing": None}],
        "executionTimeMs": found.result["executionTimeMs"],
        "success": True,
    }
    assert set(found.phases or ()) == {"dns", "connect", "query", "total"}


@pytest.mark.parametrize(
    ("expression", "value", "text"),
    [
        ("true", True, "true"),
        ("9223372036854775807", 9223372036854775807, "9223372036854775807"),
        ("1.50::numeric", "1.50", "1.50"),
        ("123456789012345678901234567890::numeric", "123456789012345678901234567890", "123456789012345678901234567890"),
        ("2.5::float8", 2.5, "2.5"),
        ("3::float8", 3.0, "3"),
        ("'NaN'::float8", "NaN", "NaN"),
        ("'-infinity'::float4", "-Infinity", "-Infinity"),
        ("'2024-02-29'::date", "2024-02-29", "2024-02-29"),
        ("'infinity'::date", "infinity", "infinity"),
        ("'0044-03-15 BC'::date", "0044-03-15 BC", "0044-03-15 BC"),
        ("'1 day 02:00'::interval", "1 day 02:00:00", "1 day 02:00:00"),
        ("'\\x00ff'::bytea", "\\x00ff", "\\x00ff"),
        ("array[1, null, 3]", [1, None, 3], "[1,null,3]"),
        ("array['NaN'::float8]", ["NaN"], '["NaN"]'),
        ("array['2024-01-01'::date]", ["2024-01-01"], '["2024-01-01"]'),
        ("""'{"a": [1, "ü"]}'::jsonb""", {"a": [1, "ü"]}, '{"a":[1,"ü"]}'),
        ("row(1, 'x')", "(1,x)", "(1,x)"),
        ("int4range(1, 5)", "[1,5)", "[1,5)"),
        ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", *["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"] * 2),
        ("'10.0.0.0/8'::cidr", "10.0.0.0/8", "10.0.0.0/8"),
        ("'ü'::text", "ü", "ü"),
        ("null", None, None),
    ],
)
def test_values(server: Postgres, expression: str, value: Any, text: str | None) -> None:
    found = ask(server, f"select {expression} as v")
    assert found.error is None
    assert found.result["rows"] == [{"v": value}]
    assert found.result["value"] == text


def test_same_column_twice(server: Postgres) -> None:
    assert ask(server, "select 1 as a, 2 as a, 3 as a").result["rows"] == [{"a": 1, "a_2": 2, "a_3": 3}]


def test_no_rows_and_no_result(server: Postgres) -> None:
    for text in ("select 1 where false", "set application_name = 'x'"):
        found = ask(server, text)
        assert found.error is None
        assert (found.result["rowCount"], found.result["value"], found.result["success"]) == (0, None, True)


def test_other_encodings(server: Postgres) -> None:
    (found,) = collect(Strategy, config(server, database="latin"), query("select 'é' || chr(233) as v"))
    assert found.result["value"] == "éé"


def test_writes_are_rolled_back(server: Postgres) -> None:
    found = ask(server, "insert into items values (2, 'two') returning id")
    assert (found.error, found.result["value"]) == (None, "2")
    assert ask(server, "update items set name = 'x'").error is None
    assert server.sql("select string_agg(name, ',') from items") == "one"


def test_one_statement_only(server: Postgres) -> None:
    found = ask(server, "commit; delete from items")
    assert found.error is not None
    assert "multiple commands" in found.error
    assert server.sql("select count(*) from items") == "1"


def test_max_rows(server: Postgres) -> None:
    cut, after = collect(
        Strategy,
        config(server),
        query("select generate_series(1, 1000000000)", maxRows=3),
        query("select 7"),
    )
    assert (cut.error, cut.result["rowCount"], cut.notes) == (None, 3, ("there are more rows than maxRows, 3",))
    assert after.result["value"] == "7"
    assert ask(server, "select generate_series(1, 3)", maxRows=3).notes == ()


def test_more_text_than_is_kept(server: Postgres) -> None:
    found = ask(server, "select repeat('x', 1000000) from generate_series(1, 1000)", maxRows=10_000)
    assert (found.error, found.result["rowCount"]) == (None, 4)
    assert "4 MiB" in found.notes[0]


def test_statement_that_fails(server: Postgres) -> None:
    wrong, after = collect(Strategy, config(server), query("select * from nowhere"), query("select 1/0"))
    assert wrong.error == 'relation "nowhere" does not exist (SQLSTATE 42P01)'
    assert wrong.result == {**wrong.result, "success": False, "rowCount": 0, "value": None, "rows": []}
    assert after.error == "division by zero (SQLSTATE 22012)"


@pytest.mark.parametrize("text", ["copy items to stdout", "copy items from stdin"])
def test_copy_is_no_query(server: Postgres, text: str) -> None:
    assert ask(server, text).error is not None


def test_statement_timeout_is_the_servers_too(server: Postgres) -> None:
    slow, after = collect(Strategy, config(server), query("select pg_sleep(20)", timeout=200), query("select 1"))
    assert slow.timed_out
    assert slow.error == "the statement took longer than 200ms"
    assert slow.result["executionTimeMs"] < 5000
    assert after.result["value"] == "1"


def test_cancelled_in_the_middle(server: Postgres) -> None:
    running = "select count(*) from pg_stat_activity where query like '%cancel-me%' and pid <> pg_backend_pid()"
    text = "select pg_sleep(20), 'cancel-me'"
    assert cancelled(Strategy, config(server), query(text), when=lambda: server.sql(running) == "1") < 2
    server.wait(lambda: server.sql(running) == "0", 5)


def test_password(server: Postgres) -> None:
    (found,) = collect(Strategy, config(server, user="probe", password=PASSWORD), query("select current_user"))
    assert found.result["value"] == "probe"


def test_wrong_password_is_not_told(server: Postgres) -> None:
    failed = failure(Strategy, config(server, user="probe", password="sesame"))
    assert failed.sentence == (
        f'can\'t connect to 127.0.0.1:{server.port}: password authentication failed for user "probe"'
    )
    assert "no password" in failure(Strategy, config(server, user="probe")).sentence


def test_environment_and_home_are_not_read(server: Postgres, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".pgpass").write_text(f"*:*:*:probe:{PASSWORD}")
    (tmp_path / ".pgpass").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("PGOPTIONS", "-c nonsense=1")
    assert "no password" in failure(Strategy, config(server, user="probe")).sentence


@pytest.mark.parametrize("mode", ["require", "prefer"])
def test_encrypted_without_verifying(server: Postgres, mode: str) -> None:
    chosen = config(server, user="sslonly", password="secret", sslMode=mode)
    (found,) = collect(Strategy, chosen, query("select ssl from pg_stat_ssl where pid = pg_backend_pid()"))
    assert found.result["value"] == "true"


def test_not_encrypted(server: Postgres) -> None:
    chosen = config(server, sslMode="disable")
    (found,) = collect(Strategy, chosen, query("select ssl from pg_stat_ssl where pid = pg_backend_pid()"))
    assert found.result["value"] == "false"


def test_verified(server: Postgres) -> None:
    secure = config(server, user="sslonly", password="secret", caCert=server.authority.ca_text)
    for mode, host in (("verify-full", "localhost"), ("verify-ca", "127.0.0.1")):
        (found,) = collect(Strategy, {**secure, "sslMode": mode, "host": host}, query("select 1"))
        assert found.error is None


def test_refused_certificates(server: Postgres, tmp_path: Any) -> None:
    secure = config(server, user="sslonly", password="secret", sslMode="verify-full")
    other = Authority(tmp_path).ca_text
    wrong_name = failure(Strategy, {**secure, "caCert": server.authority.ca_text})
    assert 'does not match host name "127.0.0.1"' in wrong_name.sentence
    assert "certificate verify failed" in failure(Strategy, {**secure, "host": "localhost", "caCert": other}).sentence
    assert "certificate verify failed" in failure(Strategy, {**secure, "host": "localhost"}).sentence


@pytest.mark.parametrize("manner", MANNERS)
def test_strangers(manner: Manner) -> None:
    with rude(manner) as port:
        failed = failure(Strategy, config(port, timeout=500), within=3)
        assert failed.sentence.startswith(f"can't connect to 127.0.0.1:{port}: ") or failed.timed_out
        assert failed.timed_out == (manner == "silent")


def test_cancelled_while_connecting() -> None:
    with rude("silent") as port:
        assert cancelled(Strategy, config(port)) < 2


def test_nobody_listens(server: Postgres) -> None:
    with rude("closing") as port:
        pass
    assert "refused" in failure(Strategy, config(port)).sentence


def test_denied_address(server: Postgres) -> None:
    assert "may not be connected to" in failure(Strategy, config(server), deny=["127.0.0.0/8"]).sentence


def test_server_that_dies_in_the_middle() -> None:
    with Postgres() as own:
        text = "select pg_terminate_backend(pg_backend_pid())"
        died, after = collect(Strategy, config(own), query(text), query("select 1"))
        assert died.error is not None
        assert after.error is not None
