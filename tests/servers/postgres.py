"""A real PostgreSQL: over TCP with passwords and TLS, and its own socket for the test's setting up."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.servers.ca import Authority
from tests.servers.process import Server, found

PASSWORD = "pro'be pässword"

_ACCESS = """
local all all trust
hostssl all sslonly all scram-sha-256
host all sslonly all reject
host all trusted all trust
host all all all scram-sha-256
"""

_SETUP = f"""
create role probe login password '{PASSWORD.replace("'", "''")}';
create role sslonly login password 'secret';
create role trusted login;
create role nobodyknows login password 'right';
create database orders encoding 'UTF8' template template0;
create database latin encoding 'LATIN1' locale 'C' template template0;
"""


def programs() -> Path:
    """Where the newest PostgreSQL of this machine has its programs."""
    there = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(re.sub(r"\D", "", str(p)) or 0))
    return there[-1].parent if there else Path(found("initdb")).resolve().parent


class Postgres(Server):
    """Users ``probe`` (with :data:`PASSWORD`), ``sslonly`` (password ``secret``) and ``trusted``; databases ``orders``
    and ``latin``, which is in LATIN1. Its certificate is for ``localhost``."""

    ending = signal.SIGQUIT
    unprivileged = True

    def prepare(self) -> None:
        """A cluster, a certificate, users and a table."""
        self.own(self.folder)
        data = self.folder / "data"
        self.run(
            *(programs() / "initdb", "-D", data, "-U", "postgres", "-A", "trust"),
            *("-E", "UTF8", "--no-sync", "--locale=C.UTF-8"),
        )
        self.authority = Authority(self.folder / "ca")
        certificate, key = self.authority.issue(["localhost"])
        self.certificate, self.key = certificate.rename(data / "server.crt"), key.rename(data / "server.key")
        self.own(self.certificate, self.key)
        (data / "pg_hba.conf").write_text(_ACCESS)
        single = (programs() / "postgres", "--single", "-j", "-D", data, "-c", "fsync=off", "postgres")
        self.run(*single, data="\n\n".join(_SETUP.strip().splitlines()).encode() + b"\n\n")

    def command(self) -> Sequence[str | Path]:
        """The postmaster in the foreground."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "ssl": "on",
            "max_prepared_transactions": "5",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [programs() / "postgres", "-D", self.folder / "data", *options]

    def ready(self) -> bool:
        """Listening isn't enough: it may still be starting up."""
        try:
            return self.sql("select 1", "postgres") == "1"
        except RuntimeError:
            return False

    def sql(self, statement: str, database: str = "orders") -> str:
        """What psql says to it, as the superuser."""
        options = ("-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", str(self.port))
        return self.run(programs() / "psql", *options, "-U", "postgres", "-c", statement, database).decode().strip()
