"""Real servers as processes of a test: they end with it, however it ends, and run as nobody if they refuse root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def found(*names: str) -> str:
    """The path of the first of these programs that there is; also where only root's PATH leads. Without any of them the
    test is skipped, which CI takes for a failure."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    for name in names:
        if (program := shutil.which(name, path=path)) is not None:
            return program
    pytest.skip(f"{' or '.join(names)} isn't installed; tests/run does that as root")


class Server:
    """A process with a folder of its own. Subclasses say what is started and when it is ready."""

    ending = signal.SIGKILL
    """What it gets when the test ends or dies. Everything is thrown away, so nothing has to be put down in order."""
    unprivileged = False
    """It refuses to run as root."""

    def __init__(self, within: str | None = None) -> None:
        # Not in pytest's folder: only its owner may enter that.
        self.folder = Path(tempfile.mkdtemp(prefix=f"gitops-test-{type(self).__name__.lower()}-", dir=within))
        self.folder.chmod(0o755)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self) -> None:
        """What is done once before the first start."""

    def command(self) -> Sequence[str | Path]:
        """The program in the foreground."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def start(self) -> None:
        """Start it and wait until it is ready."""
        with self.log.open("ab") as log:
            # The kernel ends it when this process dies; set after the user is changed, which would clear it.
            guard = [found("setpriv"), "--pdeathsig", self.ending.name.removeprefix("SIG"), *self._user(), "--"]
            words = [*guard, *(str(word) for word in self.command())]
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        self.wait(self.ready)

    def stop(self) -> None:
        """End it, and what it started."""
        if self._process is not None:
            self._process.send_signal(self.ending)
            self._process.wait(20)
            self._process = None

    @property
    def log(self) -> Path:
        """What it wrote."""
        return self.folder / "log"

    def wait(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Until it holds; fails with the log when the server has ended or the time is up."""
        deadline = time.monotonic() + seconds
        while not condition():
            ended = self._process is not None and self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                what = "ended" if ended else "isn't ready"
                raise RuntimeError(f"{type(self).__name__} {what}: {self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.02)

    def run(self, *words: str | Path, data: bytes | None = None) -> bytes:
        """A program to its end, as the server's user; fails with what it said."""
        program = [found("setpriv"), *self._user(), "--", *map(str, words)] if self._user() else list(map(str, words))
        done = subprocess.run(program, input=data, capture_output=True, cwd=self.folder)
        if done.returncode:
            raise RuntimeError(f"{words[0]} failed: {done.stdout.decode()[-1000:]}{done.stderr.decode()[-2000:]}")
        return done.stdout

    def own(self, *paths: Path) -> None:
        """Hand files over to the server's user."""
        if (account := self._account()) is not None:
            for path in paths:
                os.chown(path, account.pw_uid, account.pw_gid)

    def _account(self) -> pwd.struct_passwd | None:
        return pwd.getpwnam("nobody") if self.unprivileged and os.geteuid() == 0 else None

    def _user(self) -> list[str]:
        account = self._account()
        if account is None:
            return []
        return ["--reuid", str(account.pw_uid), "--regid", str(account.pw_gid), "--clear-groups"]
