"""A real Redis: with and without TLS, a password, and a user who may do little."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from tests.servers.ca import Authority
from tests.servers.process import Server, found, free_port

PASSWORD = "pro'be pässword"


class Redis(Server):
    """``port`` without and ``tls_port`` with TLS (certificate for ``localhost``). The default user needs nothing unless
    ``password`` is set; the user ``probe`` has :data:`PASSWORD` and may only PING and GET."""

    def __init__(self, *, password: str | None = None) -> None:
        super().__init__()
        self.password = password
        self.tls_port = free_port()

    def prepare(self) -> None:
        """A certificate and the settings."""
        self.authority = Authority(self.folder / "ca")
        certificate, key = self.authority.issue(["localhost"])
        settings = [
            f"port {self.port}",
            f"tls-port {self.tls_port}",
            f"tls-cert-file {certificate}",
            f"tls-key-file {key}",
            f"tls-ca-cert-file {self.authority.ca_path}",
            "tls-auth-clients no",
            "bind 127.0.0.1",
            'save ""',
            f"dir {self.folder}",
            # As text a password would have to be quoted in the server's own way.
            f"user probe on #{_digest(PASSWORD)} ~* +ping +get +select",
            *([f"user default on #{_digest(self.password)} ~* &* +@all"] if self.password else []),
        ]
        (self.folder / "redis.conf").write_text("\n".join(settings) + "\n")

    def command(self) -> Sequence[str | Path]:
        """The server in the foreground."""
        return [found("redis-server", "valkey-server"), self.folder / "redis.conf"]


def _digest(password: str) -> str:
    return sha256(password.encode()).hexdigest()
