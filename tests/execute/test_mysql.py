"""MySQL's protocol against a real MariaDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.execute.mysql import Mysql as Strategy
from reconciler.execute.mysql import changes
from reconciler.execute.port import Collected
from tests.servers.ca import Authority
from tests.servers.mysql import PASSWORD, Mysql
from tests.servers.rude import MANNERS, Manner, rude
from tests.servers.runs import cancelled, collect, failure


@pytest.fixture(scope="session")
def server() -> Iterator[Mysql]:
    with Mysql() as started:
        yield started


@pytest.fixture(scope="session")
def plain() -> Iterator[Mysql]:
    with Mysql(tls=False) as started:
        yield started


def config(server: Mysql | int, **changes: Any) -> dict[str, Any]:
    base = {
        "host": "127.0.0.1",
        "port": server if isinstance(server, int) else server.port,
        "database": "orders",
        "user": "trusted",
        "sslMode": "preferred",
        "timeout": 5000,
    }
    return {**base, **changes}


def query(text: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    return "query", {"query": text, "maxRows": 100, "timeout": 5000, **changes}


def ask(server: Mysql, text: str, **changes: Any) -> Collected:
    (found,) = collect(Strategy, config(server), query(text, **changes))
    return found


def test_rows_as_json(server: Mysql) -> None:
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
    assert set(found.phases or ()) == {"dns", "connect", "login", "query", "total"}


@pytest.mark.parametrize(
    ("expression", "value", "text"),
    [
        ("true", 1, "1"),
        ("18446744073709551615", 18446744073709551615, "18446744073709551615"),
        ("1.50", "1.50", "1.50"),
        ("2.5e0", 2.5, "2.5"),
        ("cast('2024-02-29' as date)", "2024-02-29", "2024-02-29"),
        ("cast('2024-02-29 10:00:00.5' as datetime(1))", *["2024-02-29 10:00:00.5"] * 2),
        ("cast('-100:00:00' as time)", "-100:00:00", "-100:00:00"),
        ("cast('ab' as binary)", "0x6162", "0x6162"),
        ("b'101' + 0", 5, "5"),
        ("'ü😀'", "ü😀", "ü😀"),
        ("'100%s'", "100%s", "100%s"),
        ("null", None, None),
    ],
)
def test_values(server: Mysql, expression: str, value: Any, text: str | None) -> None:
    found = ask(server, f"select {expression} as v")
    assert found.error is None
    assert found.result["rows"] == [{"v": value}]
    assert found.result["value"] == text


def test_no_rows_and_no_result(server: Mysql) -> None:
    none = ask(server, "select id, name from items where id = 0")
    assert (none.error, none.result["rowCount"], none.result["columnCount"], none.result["value"]) == (None, 0, 2, None)
    assert ask(server, "set @a = 1").result["success"] is True


def test_changes_are_rolled_back(server: Mysql) -> None:
    for text in ("insert into items values (2, 'two')", "/* why */ (select 1)", "update items set name = 'x'"):
        assert ask(server, text).error is None
    assert ask(server, "select group_concat(name) from items").result["value"] == "one"


def test_tables_without_transactions_are_told(server: Mysql) -> None:
    found = ask(server, "insert into loose values (1)")
    assert found.notes == ("a table without transactions was changed for good",)


@pytest.mark.parametrize(
    "text", ["drop table items", "create table other (id int)", "with x as (select 1) delete from items"]
)
def test_nothing_else_may_be_changed(server: Mysql, text: str) -> None:
    found = ask(server, text)
    assert found.error is not None
    assert ask(server, "select count(*) from items").result["value"] == "1"


def test_one_statement_only(server: Mysql) -> None:
    found = ask(server, "commit; delete from items")
    assert "(error 1064)" in (found.error or "")
    assert ask(server, "select count(*) from items").result["value"] == "1"


def test_local_files_are_not_read(server: Mysql, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("7\n")
    found = ask(server, f"insert into loose values (2); load data local infile '{tmp_path}/secret' into table loose")
    assert found.error is not None
    found = ask(server, f"load data local infile '{tmp_path}/secret' into table loose")
    assert found.error is not None
    assert ask(server, "select count(*) from loose where id = 7").result["value"] == "0"


def test_max_rows(server: Mysql) -> None:
    cut, after = collect(
        Strategy, config(server), query("select seq from seq_1_to_100000", maxRows=3), query("select 7")
    )
    assert (cut.error, cut.result["rowCount"], cut.notes) == (None, 3, ("there are more rows than maxRows, 3",))
    assert after.result["value"] == "7"
    limited = ask(server, "select seq from seq_1_to_100000000 limit 90000000", maxRows=3)
    assert limited.result["rowCount"] == 3
    assert ask(server, "select seq from seq_1_to_3", maxRows=3).notes == ()


def test_more_text_than_is_kept(server: Mysql) -> None:
    found = ask(server, "select repeat('x', 1000000) from seq_1_to_1000", maxRows=10_000)
    assert (found.error, found.result["rowCount"]) == (None, 4)
    assert "4 MiB" in found.notes[0]


def test_statement_that_fails(server: Mysql) -> None:
    wrong, after = collect(Strategy, config(server), query("select * from nowhere"), query("select 1"))
    assert wrong.error == "Table 'orders.nowhere' doesn't exist (error 1146)"
    assert wrong.result == {**wrong.result, "success": False, "rowCount": 0, "value": None, "rows": []}
    assert after.result["value"] == "1"


def test_statement_timeout_is_the_servers_too(server: Mysql) -> None:
    text = "select count(*) from seq_1_to_1000000000 a join seq_1_to_1000000000 b"
    slow, after = collect(Strategy, config(server), query(text, timeout=200), query("select 1"))
    assert slow.timed_out
    assert slow.error == "the statement took longer than 200ms"
    assert slow.result["executionTimeMs"] < 5000
    assert after.result["value"] == "1"


def test_cancelled_in_the_middle(server: Mysql) -> None:
    assert cancelled(Strategy, config(server), query("select sleep(20)")) < 2


def test_password(server: Mysql) -> None:
    for mode in ("preferred", "disabled"):
        chosen = config(server, user="probe", password=PASSWORD, sslMode=mode)
        (found,) = collect(Strategy, chosen, query("select current_user()"))
        assert found.result["value"] == "probe@%"


def test_wrong_password_is_not_told(server: Mysql) -> None:
    failed = failure(Strategy, config(server, user="probe", password="sesame"))
    assert failed.sentence.startswith(f"can't log in to 127.0.0.1:{server.port}: Access denied for user 'probe'@")
    assert "sesame" not in failed.sentence


@pytest.mark.parametrize("mode", ["preferred", "required"])
def test_encrypted_without_verifying(server: Mysql, mode: str) -> None:
    chosen = config(server, user="tlsonly", password="secret", sslMode=mode)
    (found,) = collect(Strategy, chosen, query("show status like 'Ssl_version'"))
    assert found.result["rows"][0]["Value"].startswith("TLSv1.")


def test_server_without_tls(plain: Mysql) -> None:
    assert collect(Strategy, config(plain), query("select 1"))[0].result["value"] == "1"
    for mode in ("required", "verify-ca", "verify-identity"):
        assert failure(Strategy, config(plain, sslMode=mode)).sentence.endswith(": the server offers no TLS")


def test_verified(server: Mysql) -> None:
    secure = config(server, user="tlsonly", password="secret", caCert=server.authority.ca_text)
    for mode, host in (("verify-identity", "localhost"), ("verify-ca", "127.0.0.1")):
        (found,) = collect(Strategy, {**secure, "sslMode": mode, "host": host}, query("select 1"))
        assert found.error is None


def test_refused_certificates(server: Mysql, tmp_path: Path) -> None:
    secure = config(server, user="tlsonly", password="secret", sslMode="verify-identity")
    other = Authority(tmp_path).ca_text
    wrong_name = failure(Strategy, {**secure, "caCert": server.authority.ca_text})
    assert "not valid for '127.0.0.1'" in wrong_name.sentence
    assert "isn't trusted" in failure(Strategy, {**secure, "host": "localhost", "caCert": other}).sentence
    assert "isn't trusted" in failure(Strategy, {**secure, "host": "localhost"}).sentence


@pytest.mark.parametrize("manner", MANNERS)
def test_strangers(manner: Manner) -> None:
    with rude(manner) as port:
        failed = failure(Strategy, config(port, timeout=500), within=3)
        assert f"127.0.0.1:{port}" in failed.sentence
        # Noise may begin like a long packet, whose rest is waited for.
        assert failed.timed_out == (manner == "silent") or manner == "noise"


def test_cancelled_while_connecting() -> None:
    with rude("silent") as port:
        assert cancelled(Strategy, config(port)) < 2


def test_nobody_listens() -> None:
    with rude("closing") as port:
        pass
    assert "refused" in failure(Strategy, config(port)).sentence


def test_denied_address(server: Mysql) -> None:
    assert "may not be connected to" in failure(Strategy, config(server), deny=["127.0.0.0/8"]).sentence


def test_server_that_dies_in_the_middle(server: Mysql) -> None:
    died, after = collect(Strategy, config(server), query("kill connection connection_id()"), query("select 1"))
    assert died.error is not None
    assert after.error is None


def test_what_may_be_repeated() -> None:
    texts = ("select 1", "-- why\n insert into x values (1)", "/* a */ # b\n(Update x set y = 1", "replaced", "show x")
    assert [changes(text) for text in texts] == [False, True, True, False, False]
    assert [Strategy().repeatable({}, (query(text),)) for text in texts] == [True, False, False, True, True]
