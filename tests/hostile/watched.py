"""Runs gitops under an audit hook: ``python -P watched.py LOG ARGUMENTS``. What the process does is written to the log.

A hook can't be taken away again and sees what Python opens, starts and connects to, whoever asks for it. What git does
below is seen by its own trace (``GIT_TRACE2_EVENT``), which the caller asks for.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

_STARTS = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.spawn", "pty.spawn")
_NETWORK = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request")
_WRITES = ("os.remove", "os.rename", "os.link", "os.symlink", "os.chmod", "os.truncate", "os.rmdir", "os.mkdir")


def watch(log: str) -> None:
    """Write an event a line to the file ``log``."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def told(event: str, *facts: object) -> None:
        os.write(out, json.dumps([event, *map(str, facts)]).encode() + b"\n")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            told("open", os.path.realpath(os.fsdecode(arguments[0])), arguments[2])
        elif event in _STARTS:
            told("start", event, *(os.fsdecode(a) for a in arguments[1]) if event == "subprocess.Popen" else arguments)
        elif event in _NETWORK:
            told("network", event, *arguments)
        elif event in _WRITES:
            told("write", event, *arguments)

    sys.addaudithook(hook)


if __name__ == "__main__":
    watch(sys.argv[1])
    sys.argv = ["gitops", *sys.argv[2:]]
    from reconciler.cli.main import entry

    entry()
