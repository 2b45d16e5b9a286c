"""Whether a run may start, and with which layers: a pure function of what is asked for and what can be had.

A layer that is asked for and can't be had is a downgrade. Under ``fail`` one downgrade refuses the run; what is merely
worth knowing is a note and never refuses. A layer nobody asked for is no downgrade.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from reconciler.sandbox.capabilities import Capabilities
from reconciler.sandbox.network.port import Choice, Held, Routeless, Unavailable
from reconciler.sandbox.network.port import Host as HostNetwork
from reconciler.sandbox.policy import NOBODY, Privilege, SandboxPolicy
from reconciler.sandbox.report import Downgrade, Note
from reconciler.sandbox.spawner import Identity

_INHERITED = "the supervisor is root, and the policy lets scripts inherit that"
Mode = Literal["off", "sandbox", "confined", "plain", "refused"]


@dataclass(frozen=True, slots=True)
class Decision:
    """``sandbox``: bubblewrap and all; ``confined``: what holds without namespaces; ``plain``: nothing but the clock
    and the output budget; ``off``: switched off by the policy. ``network`` is what the run gets."""

    mode: Mode
    identity: Identity = None
    network: Routeless | Held | HostNetwork = field(default_factory=Routeless)
    downgrades: tuple[Downgrade, ...] = ()
    notes: tuple[Note, ...] = ()


def decide(policy: SandboxPolicy, capabilities: Capabilities, network: Choice) -> Decision:
    """See the module. ``network`` is what :mod:`reconciler.sandbox.network.plan` made of the policy."""
    if not policy.enabled:
        return Decision("off", network=HostNetwork())
    identity = dropped(policy.privilege, root=capabilities.root)
    if capabilities.sandbox:
        return _with_sandbox(policy, capabilities, network, identity)
    return _without(policy, capabilities, network, identity)


def dropped(privilege: Privilege, *, root: bool) -> Identity:
    """(uid, gid) a root supervisor drops to; None to stay."""
    if not root or privilege.mode != "drop-to-uid":
        return None
    uid = privilege.uid or NOBODY
    return uid, privilege.gid or uid


def requested(policy: SandboxPolicy) -> dict[str, bool]:
    """Which layers the policy asks for."""
    ceilings = policy.resources.model_dump(exclude_none=True)
    return {
        "resources": policy.enabled and bool(ceilings),
        "filesystem": policy.enabled and policy.filesystem.mode != "off",
        "network": policy.enabled
        and (policy.network.mode != "unrestricted" or policy.network.deny_link_local_and_metadata),
        "privilege": policy.enabled and policy.privilege.mode == "drop-to-uid",
    }


def _with_sandbox(policy: SandboxPolicy, capabilities: Capabilities, choice: Choice, identity: Identity) -> Decision:
    downgrades: list[Downgrade] = []
    if isinstance(choice, Unavailable):
        downgrades.append(Downgrade("network", choice.reason))
    if isinstance(choice, HostNetwork) and choice.downgrade is not None:
        downgrades.append(Downgrade("network", choice.downgrade))
    if policy.privilege.mode == "inherit" and capabilities.root:
        downgrades.append(Downgrade("privilege", _INHERITED))
    if not capabilities.seccomp:
        downgrades.append(Downgrade("privilege", "there is no system call filter for this machine"))
    if requested(policy)["resources"] and not capabilities.limits:
        downgrades.append(Downgrade("resources", "prlimit isn't there, or its limits don't bind"))
    mode: Mode = "refused" if downgrades and policy.on_unavailable == "fail" else "sandbox"
    network = Routeless() if isinstance(choice, Unavailable) else choice
    return Decision(mode, identity, network, tuple(downgrades), _memory_notes(policy, capabilities))


def _without(policy: SandboxPolicy, capabilities: Capabilities, choice: Choice, identity: Identity) -> Decision:
    """No namespaces: every layer that is asked for is missing, whatever still holds of it."""
    why = capabilities.why_not or "there are no namespaces on this platform"
    asked = requested(policy)
    downgrades = [Downgrade(layer, why) for layer in ("filesystem", "network") if asked[layer]]
    notes: list[Note] = []
    if policy.privilege.mode == "inherit" and capabilities.root:
        downgrades.append(Downgrade("privilege", _INHERITED))
    elif asked["privilege"] and not (capabilities.platform == "linux" and (identity or not capabilities.root)):
        downgrades.append(Downgrade("privilege", why))
    elif asked["privilege"]:
        downgrades.append(Downgrade("privilege", f"{why}; only the user is dropped"))
    if asked["resources"]:
        downgrades.append(Downgrade("resources", f"{why}; limits bind each process at most, and never their number"))
    mode: Mode = "confined" if capabilities.platform == "linux" else "plain"
    if policy.on_unavailable == "fail" and downgrades:
        mode = "refused"
    elif mode == "confined":
        notes += _confined_notes(policy, capabilities)
    order = ("resources", "filesystem", "network", "privilege")
    return Decision(
        mode,
        identity,
        choice if isinstance(choice, HostNetwork) else HostNetwork(),
        tuple(sorted(downgrades, key=lambda d: order.index(d.layer))),
        tuple(notes),
    )


def _memory_notes(policy: SandboxPolicy, capabilities: Capabilities) -> tuple[Note, ...]:
    memory = policy.resources.memory_bytes
    if memory is None or capabilities.cgroup is not None:
        return ()
    why = capabilities.cgroup_why_not or "there is no control group"
    worst = f", at worst {policy.resources.max_processes} times that" if policy.resources.max_processes else ""
    return (Note("resources", f"memory is bounded for each process ({memory} bytes), not in total{worst}: {why}"),)


def _confined_notes(policy: SandboxPolicy, capabilities: Capabilities) -> list[Note]:
    notes = []
    if capabilities.landlock and policy.filesystem.mode != "off":
        notes.append(
            Note(
                "filesystem",
                f"Landlock (version {capabilities.landlock}) refuses to read or write outside the listed folders; "
                "names and sizes of files stay visible",
            )
        )
    if capabilities.landlock >= 4 and policy.network.mode != "unrestricted":
        notes.append(Note("network", "Landlock refuses TCP; UDP and local sockets are open"))
    if capabilities.seccomp:
        notes.append(Note("privilege", "the system call filter is in force"))
    return notes
