"""A real sshd of OpenSSH, which knows one key, and an asyncssh server for passwords, which sshd can't be told without
changing this machine's accounts."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.servers.process import Server, found, free_port

PASSPHRASE = "pass phräse"
PASSWORD = "pro'be pässword"


class Sshd(Server):
    """``key`` is a private key that it accepts for :attr:`user`, ``locked_key`` the same under :data:`PASSPHRASE`,
    ``other_key`` one that it doesn't know. ``host_key`` is its public key."""

    user = getpass.getuser()

    def prepare(self) -> None:
        """Keys and settings of its own."""
        keygen = found("ssh-keygen")
        keys = {name: self.folder / name for name in ("host", "client", "other")}
        for path in keys.values():
            self.run(keygen, "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path)
        self.host_key = keys["host"].with_suffix(".pub").read_text().strip()
        self.key, self.other_key = keys["client"].read_text(), keys["other"].read_text()
        self.run(keygen, "-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", keys["client"])
        self.locked_key = keys["client"].read_text()
        (self.folder / "sshd_config").write_text(f"""
Port {self.port}
ListenAddress 127.0.0.1
HostKey {keys["host"]}
AuthorizedKeysFile {keys["client"].with_suffix(".pub")}
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
PrintMotd no
""")
        if os.geteuid() == 0:
            # Where it locks up the part that talks to strangers.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)

    def command(self) -> Sequence[str | Path]:
        """The daemon in the foreground."""
        return [found("sshd"), "-D", "-e", "-f", self.folder / "sshd_config"]


class PasswordServer(Server):
    """Takes :data:`PASSWORD` from anybody, by ``password`` on ``port`` and by ``keyboard-interactive`` on
    ``asking_port``, and answers each command with itself."""

    def __init__(self) -> None:
        super().__init__()
        self.asking_port = free_port()

    def command(self) -> Sequence[str | Path]:
        """The program in the foreground."""
        program = Path(__file__).with_name("ssh_main.py")
        return [sys.executable, "-P", program, str(self.asking_port), str(self.port), PASSWORD]
