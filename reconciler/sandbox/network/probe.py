"""Whether a backend really does what it is for: one run of the production command line against two canaries.

Both listen on the host's loopback, so no packet leaves the machine. One is listed, and must answer; the other isn't,
and must not hear anything; and the counters of the filter must have moved. What is installed proves none of that.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from reconciler.sandbox.capabilities import Capabilities
from reconciler.sandbox.network.plan import BACKENDS, choose, why_not
from reconciler.sandbox.network.port import Held
from reconciler.sandbox.network.resolve import HOST_NAME
from reconciler.sandbox.policy import Network

PAYLOAD: Final = b"""
import errno, json, socket, sys
def ask(port):
    with socket.socket() as s:
        s.settimeout(5)
        try:
            s.connect((socket.gethostbyname(sys.argv[1]), port))
            return s.recv(64).decode() or "nothing"
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, type(error).__name__)
print(json.dumps([ask(int(port)) for port in sys.argv[2:]]))
"""
"""A Python script: a name and two ports as arguments, what came of each as JSON."""


class Ran(NamedTuple):
    """What came of the run of :data:`PAYLOAD`. ``failure`` when the script never started."""

    stdout: bytes
    network: Mapping[str, Any]
    failure: str | None


Runner = Callable[[Held, tuple[str, ...]], Ran]
"""Runs the payload with those arguments in the production sandbox, with that network."""

_SHARED: Final = ("nft", "nsenter", "ip", "bwrap")
_cache: dict[tuple[object, ...], str] = {}


def proved(capabilities: Capabilities, runner: Runner, *, identity: object = None) -> dict[str, str]:
    """Backend -> the reason why it can't be used; an empty reason is a proof. Known results aren't tried again.

    ``identity`` tells apart those whom helpers run as. Backends after a proof aren't tried.
    """
    found = {}
    for backend in BACKENDS:
        missing = why_not(backend, capabilities)
        if missing is not None:
            found[backend] = missing
            continue
        key = _key(backend, capabilities, identity)
        if key not in _cache:
            _cache[key] = _try(backend, capabilities, runner)
        found[backend] = _cache[key]
        if not found[backend]:
            break
    return found


def forget() -> None:
    """A set-up failed: what was proved may not hold any more."""
    _cache.clear()


def _key(backend: str, capabilities: Capabilities, identity: object) -> tuple[object, ...]:
    """A helper that is replaced is another helper; so is one that runs as somebody else."""
    binaries = tuple(
        (s.st_ino, s.st_mtime_ns)
        for s in (os.stat(capabilities.tools[t]) for t in (backend, *_SHARED) if t in capabilities.tools)
    )
    return backend, os.getpid(), capabilities.uid, identity, binaries


def _try(backend: str, capabilities: Capabilities, runner: Runner) -> str:
    with _Canary() as listed, _Canary() as unlisted:
        policy = Network(mode="allowlist", allow=(f"127.0.0.1:{listed.port}",))
        choice = choose(policy, capabilities, only=backend)
        if not isinstance(choice, Held):
            return str(getattr(choice, "reason", "it isn't chosen"))
        ran = runner(choice, (HOST_NAME, str(listed.port), str(unlisted.port)))
        return judge(ran, listed.token, heard=unlisted.heard)


def judge(ran: Ran, token: str, *, heard: bool) -> str:
    """Empty when the run proves the backend. ``heard``: the canary that isn't listed had a visitor."""
    if ran.failure is not None:
        return ran.failure
    try:
        listed, unlisted = json.loads(ran.stdout)
    except ValueError:
        return "the probe ended without a report"
    if heard or unlisted in ("nothing", token):
        return "a port that isn't listed was reached"
    if listed != token:
        return f"a port that is listed wasn't reached ({listed})"
    counters = ran.network.get("counters")
    if not counters:
        return "the counters of the filter can't be read"
    moved = {"slirp4netns": ("a0", "denied"), "gate": ("a0",)}.get(str(ran.network.get("backend")), ())
    if not all(counters.get(label) for label in moved):
        return "the counters of the filter didn't move"
    return ""


class _Canary:
    """Answers whoever comes with a token nobody can guess, and remembers that somebody came."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(8)
        self.heard = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ended, self._end = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._serve, daemon=True, name="canary")

    def __enter__(self) -> _Canary:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._end)
        self._thread.join(2)
        os.close(self._ended)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            readable, _, _ = select.select([self._listener.fileno(), self._ended], [], [])
            if self._ended in readable:
                return
            with self._listener.accept()[0] as visitor:
                self.heard = True
                visitor.sendall(self.token.encode())
