"""The packet filter of one run: its text, and what its counters say afterwards.

The namespace belongs to the sandbox and holds nothing else, so the table may be as strict as it likes: what isn't
listed is rejected (an error at once), never dropped (which would cost a script its whole time limit).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Any, Final

from reconciler.sandbox.network.ranges import ALWAYS_DENIED, Address, Network, Standing
from reconciler.sandbox.network.resolve import Pin

TABLE: Final = "sbx"
_REJECT: Final = "reject with icmpx type admin-prohibited"
_NEIGHBOURS: Final = (
    "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept"
)


def allow_rules(pins: Sequence[Pin], own: Iterable[Address] = (), *, host_loopback: Address | None = None) -> str:
    """Open exactly ``pins``, for TCP and UDP. ``own`` are addresses of the host that no range may open.

    ``host_loopback`` is the address inside that leads to the host's loopback; without it, loopback pins open nothing.
    """
    single = [(p, _target(p, host_loopback)) for p in pins if _is_single(p.network)]
    ranges = [(p, str(p.network)) for p in pins if not _is_single(p.network)]
    body = [_accept(pin, target) for pin, target in single if target is not None]
    if ranges:
        body += _own(own)
        body += [_accept(pin, target) for pin, target in ranges]
    body += _rejected("", "denied")
    return _table([*_always_denied(), "ct state established,related accept", *body])


def block_rules() -> str:
    """Everything is open but what never is."""
    return _table([*_always_denied(), 'counter accept comment "open"'])


def counters(listing: bytes | str) -> dict[str, int]:
    """Packets by comment, from ``nft -j list ruleset``; rules that share a comment are added up.

    A filter that doesn't hold our table any more raises ``ValueError``: then nothing can be said about the run.
    """
    document: Any = json.loads(listing)
    found: dict[str, int] = {}
    seen = False
    for item in document.get("nftables", ()):
        seen = seen or item.get("table", {}).get("name") == TABLE
        rule = item.get("rule", {})
        if rule.get("table") != TABLE or "comment" not in rule:
            continue
        packets = sum(e["counter"]["packets"] for e in rule["expr"] if isinstance(e.get("counter"), dict))
        found[rule["comment"]] = found.get(rule["comment"], 0) + packets
    if not seen:
        raise ValueError("the table of the sandbox isn't in the listing")
    return found


def _table(output: Iterable[str]) -> str:
    lines = "\n".join(f"    {line}" for line in output)
    return f"""table inet {TABLE} {{
  chain out {{
    type filter hook output priority 0; policy drop;
{lines}
  }}
  chain in {{
    type filter hook input priority 0; policy drop;
    iifname "lo" accept
    ct state established,related accept
    {_NEIGHBOURS}
  }}
  chain fw {{
    type filter hook forward priority 0; policy drop;
  }}
}}
"""


def _always_denied() -> list[str]:
    """Loopback and neighbour discovery come first: neither leaves the namespace, and answers of this very filter to
    an address that is denied as a destination travel over loopback."""
    v4 = ", ".join(str(d.network) for d in ALWAYS_DENIED if isinstance(d.network, IPv4Network))
    v6 = ", ".join(str(d.network) for d in ALWAYS_DENIED if not isinstance(d.network, IPv4Network))
    rules = ['oifname "lo" accept', _NEIGHBOURS, f'ip daddr {{ {v4} }} counter {_REJECT} comment "denied-always"']
    return rules + _rejected(f"ip6 daddr {{ {v6} }} ", "denied-always")


def _own(own: Iterable[Address]) -> list[str]:
    rules = []
    v4 = sorted(a for a in own if isinstance(a, IPv4Address) and not a.is_loopback and not a.is_link_local)
    v6 = sorted(a for a in own if isinstance(a, IPv6Address) and not a.is_loopback and not a.is_link_local)
    if v4:
        rules.append(f'ip daddr {{ {", ".join(map(str, v4))} }} counter {_REJECT} comment "denied-own"')
    if v6:
        rules += _rejected(f"ip6 daddr {{ {', '.join(map(str, v6))} }} ", "denied-own")
    return rules


def _rejected(match: str, comment: str) -> list[str]:
    """An answer at once. TCP over IPv6 takes a message of ICMP for one only after a second, but a reset right away."""
    return [
        f'{match}meta nfproto ipv6 meta l4proto tcp counter reject with tcp reset comment "{comment}"',
        f'{match}counter {_REJECT} comment "{comment}"',
    ]


def _accept(pin: Pin, target: str) -> str:
    family = "ip6" if ":" in target else "ip"
    return (
        f'{family} daddr {target} meta l4proto {{ tcp, udp }} th dport {pin.port} counter accept comment "{pin.label}"'
    )


def _target(pin: Pin, host_loopback: Address | None) -> str | None:
    if pin.standing is not Standing.LOOPBACK:
        return str(pin.network.network_address)
    return str(host_loopback) if isinstance(host_loopback, IPv4Address) else None


def _is_single(network: Network) -> bool:
    return network.prefixlen == network.max_prefixlen
