"""Loading and reading the packet filter inside the namespace of a held sandbox, from outside of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.sandbox.network.nft import counters
from reconciler.sandbox.network.port import Helpers, NetworkFailure

USER_FD, NET_FD = 3, 4
"""Numbers of the two namespace descriptors in every helper."""
_PATIENCE: Final = 10.0
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


class Fence:
    """The filter of one namespace. ``tools`` has the paths of nsenter and nft."""

    def __init__(self, helpers: Helpers, tools: Mapping[str, str], namespaces: Namespaces) -> None:
        self._helpers, self._namespaces = helpers, namespaces
        self._prefix = (
            tools["nsenter"],
            f"--user=/proc/self/fd/{USER_FD}",
            f"--net=/proc/self/fd/{NET_FD}",
            "--preserve-credentials",
            tools["nft"],
        )

    def load(self, rules: str) -> None:
        """All or nothing. Raises :class:`NetworkFailure`."""
        code, _, said = self._nft(("-f", "-"), rules.encode())
        if code != 0:
            raise NetworkFailure(f"the packet filter can't be loaded: {_line(said) or f'nft ended with {code}'}")

    def counters(self) -> dict[str, int]:
        """Packets by the comment of the rule. Raises :class:`NetworkFailure`."""
        code, listing, said = self._nft(("-j", "list", "ruleset"), b"")
        if code != 0:
            raise NetworkFailure(f"the packet filter can't be read: {_line(said) or f'nft ended with {code}'}")
        try:
            return counters(listing)
        except (ValueError, KeyError) as error:
            raise NetworkFailure(f"the packet filter can't be read: {error}") from error

    def _nft(self, arguments: tuple[str, ...], given: bytes) -> tuple[int | None, bytes, bytes]:
        """Through memory files: nobody has to read while nft writes."""
        stdin, stdout, stderr = (os.memfd_create(name) for name in ("rules", "listing", "said"))
        try:
            os.write(stdin, given)
            os.lseek(stdin, 0, os.SEEK_SET)
            fds = {0: stdin, 1: stdout, 2: stderr, **self._namespaces.fds()}
            helper = self._helpers.start((*self._prefix, *arguments), environment=ENVIRONMENT, fds=fds)
            code = helper.wait(_PATIENCE)
            if code is None:
                helper.kill()
            return code, _whole(stdout), _whole(stderr)
        except OSError as error:
            raise NetworkFailure(f"nft can't be started: {error}") from error
        finally:
            for fd in (stdin, stdout, stderr):
                os.close(fd)


def _whole(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def _line(said: bytes) -> str:
    """The first line that says anything, short enough for a report."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines()]
    return next((line[:200] for line in lines if line), "")
