"""Rules of one's own: what they may say, what is told when they can't be judged, and how little they can break."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.base.diagnostics import Diagnostic

Held = Callable[..., list[Diagnostic]]
Policy = Callable[..., dict[str, Any]]

TEN = "[0,1,2,3,4,5,6,7,8,9]"


def nested(depth: int) -> str:
    """10 to the power of ``depth`` steps."""
    text = "true"
    for level in range(depth):
        text = f"{TEN}.all(x{level}, {text})"
    return text


@pytest.mark.parametrize(
    ("spec", "finds"),
    [
        ({"kinds": ["Check"], "must": "spec.interval >= 60000"}, ["checks.yaml:1", "checks.yaml:3"]),
        ({"kinds": ["Check"], "when": "metadata.name == 'home'", "must": "spec.interval > 60000"}, ["checks.yaml:3"]),
        ({"must": "kind != 'System' || 'owner' in metadata.labels"}, ["systems.yaml:1"]),
        ({"kinds": ["System"], "must": "resource.metadata.name.startsWith('x')"}, ["systems.yaml:1"]),
        ({"kinds": ["System"], "each": "spec.checks", "must": "item.check != 'home'"}, ["systems.yaml:1"]),
        ({"kinds": ["System"], "each": "spec.nothing", "must": "false"}, []),
        ({"kinds": ["Environment"], "each": "spec.fields", "must": "key == 'url'"}, []),
        ({"on": "slice", "must": "environment != 'staging'"}, ["checks.yaml:1", "checks.yaml:3"]),
        (
            {"on": "slice", "at": "system.metadata.name", "must": "assignment.thresholds.degraded < 2"},
            ["systems.yaml:1"],
        ),
        (
            {"on": "slice", "each": "spec.collectors", "must": "!item.config.url.contains('s.example')"},
            ["checks.yaml:1"],
        ),
        ({"on": "slice", "must": "size(slice.check.collectors) == 1 && check.metadata.name == metadata.name"}, []),
        ({"must": "[1, 2].exists(n, n == 2) && spec.all(k, k != 'x') && type(kind) == string"}, []),
    ],
)
def test_what_expressions_see(spec: dict[str, Any], finds: list[str], held: Held, policy: Policy, kit: Any) -> None:
    found = held({**kit.shop(), "policies/p.yaml": policy("mine", **spec)})
    assert [d.code for d in found] == ["policy/mine"] * len(finds), found
    assert [f"{d.place.path}:{d.place.line}" for d in found if d.place] == finds


def test_one_finding_for_all_slices_of_a_check(held: Held, policy: Policy, kit: Any) -> None:
    found = held({**kit.shop(), "policies/p.yaml": policy("mine", on="slice", must="false")})
    assert [d.message for d in found] == [
        "mine is broken (slice shop/ready/production and 1 more)",
        "mine is broken (slice shop/home/production and 1 more)",
    ]


def test_help_is_a_hint_and_severity_is_the_rules(held: Held, policy: Policy, kit: Any) -> None:
    spec = {"kinds": ["System"], "must": "false", "severity": "warning", "help": "https://wiki.example.net/x"}
    (found,) = held({**kit.shop(), "policies/p.yaml": policy("mine", **spec)})
    assert (found.severity, found.hint) == ("warning", "see https://wiki.example.net/x")


@pytest.mark.parametrize(
    ("must", "message", "column"),
    [
        ("spec.interval >=", "it isn't an expression of CEL", 17),
        ("spce.interval > 1", "nothing is called spce here", 2),
        ("spec.interval > limit", "nothing is called limit here", 18),
        ("sizes(spec.checks) > 1", "there is no function sizes", 2),
        ("spec.checks.size() + 1", "it comes to a number, and has to be true or false", 1),
        ("'x'", "it comes to a text", 1),
        ("null", "it comes to null", 1),
        ("metadata.labels.owner == 'x'", "there is no owner", 1),
        ("1 / 0 == 1", "division by zero", 1),
        ("9223372036854775807 + 1 > 0", "overflow", 1),
        ("metadata.name.matches('(')", "regex", 1),
        ("metadata.name + 1 == ''", "operation", 1),
    ],
)
def test_what_cannot_be_judged_is_told_at_the_rule(
    must: str, message: str, column: int, held: Held, policy: Policy, kit: Any
) -> None:
    text = f"""\
apiVersion: gitops/v2
kind: Policy
metadata: {{name: mine}}
spec:
  kinds: [System]
  message: no
  must: "{must}"
"""
    text = text.replace("message: no", "message: none")
    (found,) = held({**kit.shop(), "policies/p.yaml": text})
    assert (found.code, found.severity) == ("policy-broken", "error")
    assert message in found.message
    assert found.place is not None
    assert str(found.place).startswith("policies/p.yaml:7:")
    assert found.place.column in (9, 8 + column)
    assert "Traceback" not in found.message


@pytest.mark.parametrize(
    ("must", "why"),
    [
        (nested(12), "took too long"),
        (f"['{'a' * 500}']" + ".map(a, a+a+a+a+a+a+a+a+a+a)" * 12 + " == []", "it "),
        (f"{TEN}.map(a, {TEN})" + f".map(a, {TEN}.map(b, a))" * 12 + " == []", ""),
        ("[[[" * 60, "CEL"),
        ("(" * 900 + "1" + ")" * 900, ""),
        ("!" * 1900 + "true", ""),
        ("1" + "+1" * 990 + " > 0", ""),
        ("true ? " * 250 + "1", ""),
        ("-" * 1900 + "1 > 0", ""),
        ("metadata.name.matches('" + "(a*)*" * 300 + "b')", ""),
        ("'a'.matches('a{1000}{1000}{1000}')", ""),
    ],
)
def test_a_hostile_expression_harms_nobody(
    must: str, why: str, held: Held, policy: Policy, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.policy.judge._LEAST_SECONDS", 1.0)
    started = time.monotonic()
    found = held({**kit.shop(), "policies/p.yaml": policy("bomb", kinds=["System"], must=must)})
    assert time.monotonic() - started < 8
    assert all(d.code in ("policy-broken", "policy/bomb") for d in found), found
    if why:
        assert [d.code for d in found] == ["policy-broken"]
        assert why in found[0].message
    assert all(len(d.message) < 500 for d in found)


def test_a_hostile_rule_does_not_hide_what_others_find(
    held: Held, policy: Policy, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.policy.judge._LEAST_SECONDS", 0.5)
    rules = [policy("plain", kinds=["Check"], must="false"), policy("bomb", kinds=["System"], must=nested(12))]
    found = held({**kit.shop(), "policies/p.yaml": rules})
    assert {d.code for d in found} >= {"policy/plain", "policy-broken"}
    assert any("on System shop" in d.message for d in found)


def test_an_expression_has_a_length(held: Held, policy: Policy) -> None:
    found = held({"policies/p.yaml": policy("long", must="true || " * 400 + "true")})
    assert [d.code for d in found] == ["out-of-range"]
