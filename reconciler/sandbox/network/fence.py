"""Loading and reading the packet filter inside the namespace of a held sandbox, from outside of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.sandbox.network.nft import counters
from reconciler.sandbox.network.port import Helpers, NetworkFailure

USER_FD, NET_FD = 3, 4
"""Numbers of the two namespace descriptors in every helper."""
_PATIENCE: Final = 5.0
ENVIRONMENT: Final[Mapping[str, str]] = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
"""All that helpers get to see of ours."""


@dataclass(frozen=True, slots=True)
class Namespaces:
    """``user`` owns ``net``. The owner matters: the sandbox itself has moved on into a user namespace below it, and
    from there nobody has rights over the network, neither the script nor we."""

    user: int
    net: int

    def fds(self) -> dict[int, int]:
        """For :meth:`reconciler.sandbox.network.port.Helpers.start`."""
        return {USER_FD: self.user, NET_FD: self.net}


class Inside:
    """Runs short programs inside the network namespace, with the rights of its owner. ``tools`` has nsenter's path."""

    def __init__(self, helpers: Helpers, tools: Mapping[str, str], namespaces: Namespaces) -> None:
        self._helpers, self._tools, self._namespaces = helpers, tools, namespaces

    def run(self, tool: str, arguments: Sequence[str], given: str = "") -> bytes:
        """What it writes, ``given`` on its standard input; raises :class:`NetworkFailure` with its complaint.

        Through memory files: nobody has to read while it writes.
        """
        stdin, stdout, stderr = (os.memfd_create(name) for name in ("given", "written", "said"))
        try:
            os.write(stdin, given.encode())
            os.lseek(stdin, 0, os.SEEK_SET)
            fds = {0: stdin, 1: stdout, 2: stderr, **self._namespaces.fds()}
            helper = self._helpers.start(self._argv(tool, arguments), environment=ENVIRONMENT, fds=fds)
            code = helper.wait(_PATIENCE)
            if code is None:
                helper.kill()
            if code != 0:
                raise NetworkFailure(f"{tool}: {_line(_whole(stderr)) or f'ended with {code}'}")
            return _whole(stdout)
        except OSError as error:
            raise NetworkFailure(f"{tool} can't be started: {error}") from error
        finally:
            for fd in (stdin, stdout, stderr):
                os.close(fd)

    def _argv(self, tool: str, arguments: Sequence[str]) -> tuple[str, ...]:
        user, net = f"--user=/proc/self/fd/{USER_FD}", f"--net=/proc/self/fd/{NET_FD}"
        return (self._tools["nsenter"], user, net, "--preserve-credentials", self._tools[tool], *arguments)


def load(inside: Inside, rules: str) -> None:
    """All or nothing. Raises :class:`NetworkFailure`."""
    try:
        inside.run("nft", ("-f", "-"), rules)
    except NetworkFailure as failure:
        raise NetworkFailure(f"the packet filter can't be loaded: {failure}") from failure


def read_counters(inside: Inside) -> dict[str, int]:
    """Packets by the comment of the rule. Raises :class:`NetworkFailure`."""
    try:
        return counters(inside.run("nft", ("-j", "list", "ruleset")))
    except (NetworkFailure, ValueError, KeyError) as failure:
        raise NetworkFailure(f"the packet filter can't be read: {failure}") from failure


def _whole(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def _line(said: bytes) -> str:
    """The first line that says anything, short enough for a report."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines()]
    return next((line[:200] for line in lines if line), "")
