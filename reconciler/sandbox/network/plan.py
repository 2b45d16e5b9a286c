"""Which network a run gets: from the policy and what this host can do, before anything is started.

An empty list never costs a helper. What can't be had is said with the reason of each backend; there is no choice here
that lets a script start in a namespace where nothing answers although something should.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv6Network
from typing import Any, Final, NamedTuple

from reconciler.sandbox.capabilities import Capabilities
from reconciler.sandbox.network.gate import MOST_LISTENERS, Gate, launcher, listeners
from reconciler.sandbox.network.nft import allow_rules, block_rules
from reconciler.sandbox.network.pasta import Pasta
from reconciler.sandbox.network.port import Choice, Held, Helpers, Host, Routeless, Unavailable
from reconciler.sandbox.network.ranges import Address, Standing
from reconciler.sandbox.network.resolve import (
    HOST_NAME,
    Lookup,
    NothingToReach,
    Pin,
    Resolution,
    hosts_file,
    resolve,
)
from reconciler.sandbox.network.slirp import DEFAULT_SUBNET, Slirp, gateway, resolver, subnet_beside
from reconciler.sandbox.network.tapped import Plan, Tapped
from reconciler.sandbox.policy import Network
from reconciler.sandbox.runners.interpreters import python

BACKENDS: Final = ("slirp4netns", "gate", "pasta")
"""In the order of preference. The gate carries TCP only, but tells the truth about it; pasta (as of 2023) lets a closed
port look like silence and loses the end of a half-closed connection, which for a monitor is worse."""


_ONE_LOOPBACK: Final = "of the host's loopback only 127.0.0.1 can be reached from inside; list that"


class _Refused(NamedTuple):
    reason: str


def choose(
    network: Network,
    capabilities: Capabilities,
    *,
    lookup: Lookup | None = None,
    own: frozenset[Address] | None = None,
    only: str | None = None,
) -> Choice:
    """What to run with. Resolves the names of the list, so it belongs to the start of one run.

    ``lookup`` and ``own`` stand in for the host's resolver and addresses; ``only`` names the one backend to consider.
    """
    if network.mode == "deny" or (network.mode == "allowlist" and not network.allow):
        return Routeless()
    if network.mode == "unrestricted":
        return _unrestricted(network, capabilities, only) if network.deny_link_local_and_metadata else Host()
    try:
        resolution = resolve(network.entries(), lookup=lookup, own=own)
    except NothingToReach as nothing:
        return Unavailable(f"nothing on the allow list can be reached: {nothing}")
    except OSError as error:
        return Unavailable(f"the addresses of this host can't be read: {error}")
    return _allowed(resolution, capabilities, only)


def _allowed(resolution: Resolution, capabilities: Capabilities, only: str | None) -> Choice:
    makers: dict[str, Callable[[Resolution, Capabilities], Held | _Refused]] = {
        "slirp4netns": _slirp,
        "pasta": _pasta,
        "gate": _gate,
    }
    reasons = []
    for name in BACKENDS if only is None else (only,):
        missing = why_not(name, capabilities)
        made = makers[name](resolution, capabilities) if missing is None else _Refused(missing)
        if isinstance(made, Held):
            return made
        reasons.append(f"{name}: {made.reason}")
    return Unavailable(f"there is no way to open only what is listed ({'; '.join(reasons)})")


def why_not(backend: str, capabilities: Capabilities) -> str | None:
    """The reason why this host can't run a backend at all; None when it can."""
    needed = ("nsenter", "ip") if backend == "gate" else (backend, "nft", "nsenter")
    missing = [tool for tool in needed if tool not in capabilities.tools]
    if missing:
        return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    if backend == "gate":
        if not (capabilities.listener and capabilities.seccomp):
            return "no system call filter that asks us can be installed"
        return capabilities.egress.get(backend) or None
    if not capabilities.nft:
        return "the packet filter can't be loaded in a namespace of ours"
    if not capabilities.tun:
        return "/dev/net/tun can't be opened by the user that helpers run as"
    return capabilities.egress.get(backend) or None


def _slirp(resolution: Resolution, capabilities: Capabilities) -> Held | _Refused:
    pins = resolution.pins
    loopback = [p for p in pins if p.standing is Standing.LOOPBACK]
    if not _only_the_first(loopback):
        return _Refused(_ONE_LOOPBACK)
    subnet = subnet_beside([p.network for p in pins])
    if subnet is None:
        return _Refused("the list leaves no small IPv4 network for the inside")
    ipv6 = any(isinstance(p.network, IPv6Network) for p in pins)
    if ipv6 and "ip" not in capabilities.tools:
        return _Refused("ip is missing, and an IPv6 address is listed")
    inside = gateway(subnet) if loopback else None
    tap = Slirp(capabilities.tools["slirp4netns"], subnet=subnet, loopback=bool(loopback), ipv6=ipv6)
    rules = allow_rules(pins, resolution.own, host_loopback=inside)
    return _held(Plan(rules, tap, capabilities.tools, _facts(resolution)), hosts_file(pins, loopback=_text(inside)))


def _pasta(resolution: Resolution, capabilities: Capabilities) -> Held | _Refused:
    pins = resolution.pins
    if any(p.standing is Standing.OWN for p in pins):
        return _Refused("inside, the addresses of the host are the sandbox's own, and one of them is listed")
    loopback = [p for p in pins if p.standing is Standing.LOOPBACK]
    if not _only_the_first(loopback):
        return _Refused(_ONE_LOOPBACK)
    ports = [p.port for p in loopback]
    ipv6 = any(isinstance(p.network, IPv6Network) for p in pins)
    tap = Pasta(capabilities.tools["pasta"], loopback=ports, ipv6=ipv6)
    rules = allow_rules(pins, resolution.own)
    hosts = hosts_file(pins, loopback="127.0.0.1" if ports else None)
    return _held(Plan(rules, tap, capabilities.tools, _facts(resolution)), hosts)


def _gate(resolution: Resolution, capabilities: Capabilities) -> Held | _Refused:
    pins = resolution.pins
    if len(listeners(pins)) > MOST_LISTENERS:
        return _Refused(f"more than {MOST_LISTENERS} destinations are listed")
    interpreter = python()
    facts = {**_facts(resolution), "protocols": ["tcp"]}

    def backend(helpers: Helpers) -> Gate:
        return Gate(helpers, {**capabilities.tools, "sh": "/bin/sh"}, resolution, facts)

    loopback = [p for p in pins if p.standing is Standing.LOOPBACK]
    hosts = hosts_file(pins, loopback=str(loopback[0].network.network_address) if loopback else None)
    start = launcher(interpreter.path, pins)
    return Held(backend, hosts, launcher=start, read_only=interpreter.read_only)


def _unrestricted(network: Network, capabilities: Capabilities, only: str | None) -> Choice:
    """Everything but metadata services: a namespace again, because only there can a filter of ours stand."""
    missing = why_not("slirp4netns", capabilities) if only in (None, "slirp4netns") else f"only {only} is considered"
    if missing is not None:
        return Host(f"link-local addresses and metadata services can't be blocked (slirp4netns: {missing})")
    tap = Slirp(capabilities.tools["slirp4netns"], subnet=DEFAULT_SUBNET, ipv6="ip" in capabilities.tools, dns=True)
    plan = Plan(block_rules(), tap, capabilities.tools, {"pinned": {}})
    return _held(plan, hosts_file(()), resolv=f"nameserver {resolver(DEFAULT_SUBNET)}\n".encode())


def _held(plan: Plan, hosts: bytes, resolv: bytes = b"") -> Held:
    def backend(helpers: Helpers) -> Tapped:
        return Tapped(helpers, plan)

    return Held(backend, hosts, plan.rules, resolv=resolv)


def _facts(resolution: Resolution) -> dict[str, Any]:
    """For the report: what is open under which counter, and what of the list isn't, with the reason."""
    facts: dict[str, Any] = {
        "pinned": {
            label: {
                "entry": next(p.entry for p in resolution.pins if p.label == label),
                "addresses": [str(p.network) for p in resolution.pins if p.label == label],
            }
            for label in dict.fromkeys(p.label for p in resolution.pins)
        }
    }
    if resolution.dropped:
        facts["dropped"] = list(resolution.dropped)
    if any(p.standing is Standing.LOOPBACK for p in resolution.pins):
        facts["loopbackName"] = HOST_NAME
    return facts


def _only_the_first(loopback: Sequence[Pin]) -> bool:
    """Both backends lead to 127.0.0.1 whatever was meant: another address must not end there."""
    return all(str(p.network.network_address) == "127.0.0.1" for p in loopback)


def _text(address: Address | None) -> str | None:
    return None if address is None else str(address)
