"""The text of the filter, held by goldens, and what is read out of its counters."""

from __future__ import annotations

import json
import os
from ipaddress import ip_address
from pathlib import Path

import pytest

from reconciler.sandbox.allow import parse_entry
from reconciler.sandbox.network.nft import allow_rules, block_rules, counters
from reconciler.sandbox.network.resolve import resolve

GOLDEN = Path(__file__).parents[3] / "golden" / "sandbox"
OWN = frozenset({ip_address("10.9.0.1"), ip_address("2001:db8:9::1"), ip_address("127.0.0.1"), ip_address("fe80::5")})


def rules(*entries: str, loopback: str | None = None) -> str:
    found = resolve(
        [parse_entry(e) for e in entries], lookup=lambda _: ["10.0.0.7", "2001:db8::7"], own=OWN, time_limit=1
    )
    return allow_rules(found.pins, found.own, host_loopback=None if loopback is None else ip_address(loopback))


def same(name: str, text: str) -> None:
    """As the golden file has it; GOLDEN=write renews it."""
    path = GOLDEN / name
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_singles_only() -> None:
    same("nft-singles.nft", rules("10.0.0.1:443", "svc.example:8080", "127.0.0.1:9000", loopback="10.0.2.2"))


def test_ranges_come_after_our_own_addresses() -> None:
    same("nft-ranges.nft", rules("10.0.0.0/8:80", "[2001:db8::/32]:80", "10.9.0.1:80"))


def test_everything_but_what_is_always_denied() -> None:
    same("nft-block.nft", block_rules())


def test_denied_ranges_stand_before_everything_that_leaves() -> None:
    lines = [line.strip() for line in rules("0.0.0.0/0:80").splitlines()]
    denied = next(i for i, line in enumerate(lines) if "169.254.0.0/16" in line)
    accepts = [i for i, line in enumerate(lines) if "accept" in line and "out" not in line and "oifname" not in line]
    assert denied < min(i for i in accepts if "icmpv6" not in lines[i])


def test_loopback_opens_nothing_without_a_way_to_it() -> None:
    assert "a0" not in rules("127.0.0.1:9000")


def test_counters_are_added_up_by_comment() -> None:
    def rule(comment: str, packets: int) -> dict[str, object]:
        return {"rule": {"table": "sbx", "comment": comment, "expr": [{"counter": {"packets": packets, "bytes": 1}}]}}

    listing = {
        "nftables": [{"metainfo": {}}, {"table": {"name": "sbx"}}, rule("a0", 2), rule("a0", 3), rule("denied", 0)]
    }
    assert counters(json.dumps(listing)) == {"a0": 5, "denied": 0}


def test_a_filter_that_is_gone_says_nothing() -> None:
    with pytest.raises(ValueError, match="isn't in the listing"):
        counters('{"nftables": []}')
