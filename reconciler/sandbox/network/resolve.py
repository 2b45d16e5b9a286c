"""Names of an allow-list to addresses, once, by the supervisor, before the script exists.

Inside there is no DNS at all, so nothing leaks through it and no answer can change while a run lasts: what survives
here is in ``/etc/hosts`` and in the packet filter, and nothing else is.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

from reconciler.sandbox.allow import AllowEntry
from reconciler.sandbox.network.own import own_addresses
from reconciler.sandbox.network.ranges import Address, Network, Standing, Verdict, judge

TIME_LIMIT: Final = 5.0
"""Seconds for all names of a run together."""
_MOST_ANSWERS: Final = 64
"""Of one name. Nobody needs more, and each is a rule."""
_LOOKUPS: Final = threading.BoundedSemaphore(64)
"""A lookup can't be cancelled; a dead resolver must not pile up threads for ever."""
Lookup = Callable[[str], Iterable[str]]
HOST_NAME: Final = "host.sandbox"
"""The name under which an allowed loopback of the host answers inside, whatever address the backend gives it."""


class Pin(NamedTuple):
    """One destination that is open. ``label`` names its counter; ``host`` is None for a literal."""

    label: str
    entry: str
    host: str | None
    network: Network
    port: int
    standing: Standing


class Resolution(NamedTuple):
    """``dropped`` has a sentence for each name or answer that isn't open. ``own`` are addresses of this host that a
    range in ``pins`` must not open along the way."""

    pins: tuple[Pin, ...]
    dropped: tuple[str, ...]
    own: frozenset[Address]

    def permits(self, address: Address, port: int) -> Pin | None:
        """The pin that opens it, by the same order as the packet filter: denied, literals, our own, ranges."""
        if judge(address).standing is Standing.DENIED:
            return None
        matching = [p for p in self.pins if p.port == port and address in p.network]
        single = [p for p in matching if p.network.prefixlen == p.network.max_prefixlen]
        if single:
            return single[0]
        return matching[0] if matching and address not in self.own else None


class NothingToReach(Exception):
    """No destination of the list survived; the message says why, for each."""


def resolve(
    entries: Sequence[AllowEntry],
    *,
    lookup: Lookup | None = None,
    own: frozenset[Address] | None = None,
    time_limit: float = TIME_LIMIT,
) -> Resolution:
    """Pins in the order of ``entries``. Raises :class:`NothingToReach` when there are none, ``OSError`` when the
    addresses of this host can't be read.

    A name that doesn't resolve closes only itself: one broken name must not stop every script of an installation.
    """
    ours = own_addresses() if own is None else own
    literals = {
        (e.network.network_address, e.port)
        for e in entries
        if e.network is not None and e.network.prefixlen == e.network.max_prefixlen
    }
    answers = _look_up({e.host for e in entries if e.host is not None}, lookup or system_lookup, time_limit)
    pins: list[Pin] = []
    dropped: list[str] = []
    for index, entry in enumerate(entries):
        label = f"a{index}"
        if entry.network is not None:
            standing = _standing(entry.network, ours)
            pins.append(Pin(label, entry.text, None, entry.network, entry.port, standing))
            continue
        found, why = _survivors(entry, answers, ours, literals)
        pins += [Pin(label, entry.text, entry.host, _single(a), entry.port, s) for a, s in found]
        dropped += why
    if not pins:
        raise NothingToReach("; ".join(dropped) or "the list is empty")
    return Resolution(tuple(pins), tuple(dict.fromkeys(dropped)), ours)


def hosts_file(pins: Iterable[Pin], *, loopback: str | None = None) -> bytes:
    """``/etc/hosts`` as it is inside. ``loopback``: the address there that leads to the host's own loopback."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    if loopback is not None:
        lines.append(f"{loopback} {HOST_NAME}")
    lines += dict.fromkeys(f"{p.network.network_address} {p.host}" for p in pins if p.host is not None)
    return ("\n".join(lines) + "\n").encode()


def system_lookup(host: str) -> list[str]:
    """What the host's resolver says. Raises ``OSError``."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(item[4][0]) for item in found]


def _look_up(hosts: set[str], lookup: Lookup, time_limit: float) -> dict[str, list[str] | str]:
    """Answers, or a clause that says why there are none."""
    out: dict[str, list[str] | str] = dict.fromkeys(hosts, f"didn't resolve within {time_limit:g} s")
    done: queue.SimpleQueue[tuple[str, list[str] | str]] = queue.SimpleQueue()
    waiting = 0
    for host in sorted(hosts):
        if not _LOOKUPS.acquire(blocking=False):
            out[host] = "can't be looked up: too many lookups already wait for the resolver"
            continue
        threading.Thread(target=_ask, args=(host, lookup, done), daemon=True, name="resolve").start()
        waiting += 1
    until = time.monotonic() + time_limit
    while waiting:
        try:
            host, answer = done.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        out[host] = answer
        waiting -= 1
    return out


def _ask(host: str, lookup: Lookup, done: queue.SimpleQueue[tuple[str, list[str] | str]]) -> None:
    try:
        done.put((host, list(dict.fromkeys(lookup(host)))))
    except OSError as error:
        done.put((host, f"doesn't resolve: {error.strerror or error}"))
    except Exception as error:
        done.put((host, f"doesn't resolve: {type(error).__name__}"))
    finally:
        _LOOKUPS.release()


def _survivors(
    entry: AllowEntry,
    answers: dict[str, list[str] | str],
    own: frozenset[Address],
    literals: set[tuple[Address, int]],
) -> tuple[list[tuple[Address, Standing]], list[str]]:
    host = entry.host or ""
    answer = answers[host]
    if isinstance(answer, str):
        return [], [f"{host} {answer}"]
    found: list[tuple[Address, Standing]] = []
    dropped: list[str] = []
    for text in answer[:_MOST_ANSWERS]:
        address, verdict = _judged(text, own)
        listed = address is not None and (address, entry.port) in literals
        if address is not None and (verdict.open or (verdict.standing is not Standing.DENIED and listed)):
            found.append((address, verdict.standing))
        else:
            dropped.append(f"{host} resolves to {text}, which {verdict.reason}")
    if not answer:
        dropped.append(f"{host} has no address")
    return found, dropped


def _judged(text: str, own: frozenset[Address]) -> tuple[Address | None, Verdict]:
    try:
        address = ip_address(text)
    except ValueError:
        return None, Verdict(Standing.DENIED, "isn't an address")
    verdict = judge(address)
    if verdict.open and address in own:
        return address, Verdict(Standing.OWN, f"is this host itself: list {address} with its port if that is meant")
    return address, verdict


def _standing(network: IPv4Network | IPv6Network, own: frozenset[Address]) -> Standing:
    if network.prefixlen != network.max_prefixlen:
        return Standing.OPEN
    return _judged(str(network.network_address), own)[1].standing


def _single(address: Address) -> Network:
    return ip_network(address)
