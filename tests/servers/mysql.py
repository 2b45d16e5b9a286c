"""A real MariaDB, which speaks MySQL's protocol: over TCP, with passwords and TLS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.servers.ca import Authority
from tests.servers.process import Server, found

PASSWORD = "pro'be pässword"

_SHARED = (Path("/usr/share/mysql"), Path("/usr/share/mariadb"))

_SETUP = f"""
create database orders character set utf8mb4
create table orders.items (id int primary key, name varchar(40)) engine=innodb
create table orders.loose (id int primary key) engine=myisam
insert into orders.items values (1, 'one')
create user trusted identified by ''
create user probe identified by '{PASSWORD.replace("'", "''")}'
create user tlsonly identified by 'secret' require ssl
grant all on orders.* to trusted
grant select on orders.* to probe
grant select on orders.* to tlsonly
"""


class Mysql(Server):
    """Users ``trusted`` (no password), ``probe`` (:data:`PASSWORD`) and ``tlsonly`` (``secret``); database ``orders``.
    With ``tls`` it has a certificate for ``localhost``."""

    unprivileged = True

    def __init__(self, *, tls: bool = True) -> None:
        super().__init__()
        self._tls = tls

    def prepare(self) -> None:
        """System tables as the program for that makes them, a certificate, and what is said at the first start."""
        self.own(self.folder)
        data = self.folder / "data"
        data.mkdir()
        (data / "mysql").mkdir()
        self.own(data, data / "mysql")
        script = "use mysql;\n" + _system("system_tables") + _system("system_tables_data")
        self.run(*self._program(), "--bootstrap", "--skip-networking", data=script.encode())
        self.authority = Authority(self.folder / "ca")
        self.certificate, self.key = self.authority.issue(["localhost"])
        self.own(self.certificate, self.key)
        setup = self.folder / "setup.sql"
        setup.write_text("".join(f"{line};\n" for line in _SETUP.strip().splitlines()))

    def command(self) -> Sequence[str | Path]:
        """The server in the foreground."""
        options = [
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self.folder / 'sock'}",
            f"--pid-file={self.folder / 'pid'}",
            f"--init-file={self.folder / 'setup.sql'}",
        ]
        if self._tls:
            options += [f"--ssl-cert={self.certificate}", f"--ssl-key={self.key}"]
        return [*self._program(), *options]

    def _program(self) -> list[str | Path]:
        fast = ("--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-buffer-pool-size=8M")
        small = ("--innodb-log-file-size=8M", "--performance-schema=off", "--aria-pagecache-buffer-size=1M")
        return [found("mariadbd", "mysqld"), "--no-defaults", f"--datadir={self.folder / 'data'}", *fast, *small]


def _system(name: str) -> str:
    """One of the server's own scripts, which later releases keep under another name."""
    paths = [folder / f"{prefix}_{name}.sql" for folder in _SHARED for prefix in ("mariadb", "mysql")]
    return next(path for path in paths if path.exists()).read_text()
