"""``gitops watch`` before a terminal: a screen that renews itself, and gives the terminal back."""

from __future__ import annotations

import os
import pty
import struct
import sys
import termios
import threading
import time
from collections.abc import Iterator
from fcntl import ioctl
from typing import TYPE_CHECKING

import pytest

from tests.servers.answers import Answers, answering

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


@pytest.fixture
def server() -> Iterator[Answers]:
    """Answers 503."""
    with answering() as answers:
        answers.status["/"] = 503
        yield answers


@pytest.fixture
def web(repo: Repo, kit: Kit, gitops: Gitops, server: Answers) -> Repo:
    """One slice that fails, applied."""
    check = kit.check("home", "{{ environment.url }}/")
    check["spec"]["collectors"][0]["assertions"] = [{"field": "statusCode", "operator": "equals", "value": 200}]
    assigned = {"check": "home", "thresholds": {"degraded": 1, "unhealthy": 2}}
    repo.put("all.yaml", [kit.environment("live", url=server.url), check, kit.system("shop", ["live"], [assigned])])
    repo.put(".gitignore", ".gitops/\n")
    repo.commit()
    assert gitops("apply").code == 0
    return repo


class Terminal:
    """A person before a terminal of 90 columns who runs a command."""

    def __init__(self, *arguments: str, rows: int = 24) -> None:
        self.child, self.master = pty.fork()
        if self.child == 0:
            os.environ.update(TERM="xterm-256color", COLUMNS="90", LINES=str(rows))
            os.execv(sys.executable, [sys.executable, "-m", "reconciler", *arguments])
        ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 90, 0, 0))
        self.said = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            while part := os.read(self.master, 65536):
                self.said += part.decode(errors="replace")
        except OSError:  # how a terminal says that nobody writes any more
            pass

    def until(self, words: str, *, within: float = 20.0) -> None:
        """Until these words stand on the screen."""
        deadline = time.monotonic() + within
        while words not in self.said:
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.master, keys)

    def end(self) -> int:
        """The exit code, once it has ended."""
        _, status = os.waitpid(self.child, 0)
        self._reader.join(10)
        os.close(self.master)
        return os.waitstatus_to_exitcode(status)


def test_the_screen_follows_and_is_given_back(web: Repo, gitops: Gitops) -> None:
    terminal = Terminal("watch", "-C", str(web.path))
    terminal.until("no runs yet")
    terminal.until("Ctrl-C ends this")
    gitops("run", "home")
    terminal.until("! degraded")
    terminal.until("✗ unhealthy")  # of the run, among the events
    terminal.type(b"\x03")
    assert terminal.end() == 130
    assert terminal.said.index(ENTER) < terminal.said.index("no runs yet") < terminal.said.index(LEAVE)
    assert "home: statusCode" in terminal.said
    assert "interrupted" in terminal.said.split(LEAVE)[1]


def test_it_ends_by_itself(web: Repo, gitops: Gitops) -> None:
    terminal = Terminal("watch", "--for", "200ms", "--failing", "-C", str(web.path))
    assert terminal.end() == 0
    assert terminal.said.count(ENTER) == terminal.said.count(LEAVE) == 1
