"""The program behind ``tests.servers.ssh.PasswordServer``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import asyncssh


class ByPassword(asyncssh.SSHServer):
    """Wants the password itself."""

    expected = ""

    def session_requested(self) -> Session:
        """Whoever came in may run commands."""
        return Session()

    def begin_auth(self, username: str) -> bool:
        """Nobody comes in without."""
        return True

    def password_auth_supported(self) -> bool:
        """As the name says."""
        return True

    def validate_password(self, username: str, password: str) -> bool:
        """Whoever it is."""
        return password == self.expected


class ByAsking(ByPassword):
    """Asks for it, as PAM does."""

    def password_auth_supported(self) -> bool:
        """Only by asking."""
        return False

    def kbdint_auth_supported(self) -> bool:
        """As the name says."""
        return True

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        """One question."""
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        """One answer."""
        return list(responses) == [self.expected]


class Session(asyncssh.SSHServerSession[str]):
    """Answers a command with itself; one that begins with ``wait`` and a file never, but writes signals there."""

    def connection_made(self, chan: asyncssh.SSHServerChannel[str]) -> None:
        """It begins."""
        self._channel, self._command = chan, ""

    def exec_requested(self, command: str) -> bool:
        """Everything is taken."""
        self._command = command
        return True

    def session_started(self) -> None:
        """Answer."""
        if self._command.startswith("wait "):
            self._waiting().write_text("waiting")
        else:
            self._channel.write(self._command)
            self._channel.exit(0)

    def signal_received(self, signal: str) -> None:
        """Tell of it."""
        self._waiting().write_text(signal)

    def _waiting(self) -> Path:
        return Path(self._command.removeprefix("wait "))


async def main(asking_port: str, port: str, password: str) -> None:
    """Serve until it is killed."""
    ByPassword.expected = password
    key = asyncssh.generate_private_key("ssh-ed25519")
    for kind, at in ((ByAsking, asking_port), (ByPassword, port)):
        await asyncssh.listen("127.0.0.1", int(at), server_host_keys=[key], server_factory=kind)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
