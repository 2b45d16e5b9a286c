"""What this host lets us have, as facts. :mod:`reconciler.sandbox.probes` finds them out; others only read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Platform = Literal["linux", "darwin", "other"]


@dataclass(frozen=True, slots=True)
class Row:
    """One layer of the probe's table. ``how`` where it can be had, else ``why_not`` and ``what_to_do``."""

    layer: str
    enforceable: bool
    how: str = ""
    why_not: str = ""
    what_to_do: str = ""


@dataclass(frozen=True, slots=True)
class CgroupPlace:
    """Where leaves can be made: ``folders`` has one for v2, and one for each of ``pids`` and ``memory`` in v1.

    ``home`` are the groups the spawner belongs to, in the same order: it comes back there after each start.
    """

    version: Literal[1, 2]
    folders: tuple[str, ...]
    home: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """``tools`` has the absolute path of each helper that is there (bwrap, setpriv, prlimit, nft, nsenter, slirp4netns,
    pasta). ``sandbox`` is what the self-test of the production command line proved from the inside; ``why_not`` is its
    reason otherwise. ``tun``: the identity that runs helpers may open /dev/net/tun. ``uid`` is our own effective one.
    ``egress``: network backend -> why its live probe failed, empty for a proof; what isn't in it wasn't tried.
    """

    platform: Platform = "other"
    uid: int = -1
    tools: Mapping[str, str] = field(default_factory=dict)
    sandbox: bool = False
    why_not: str = ""
    seccomp: bool = False
    memfd: bool = False
    limits: bool = False
    tun: bool = False
    nft: bool = False
    listener: bool = False
    landlock: int = 0
    cgroup: CgroupPlace | None = None
    cgroup_why_not: str = ""
    rows: tuple[Row, ...] = ()
    egress: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> bool:
        """Whether the supervisor is root, and so has to drop."""
        return self.uid == 0
