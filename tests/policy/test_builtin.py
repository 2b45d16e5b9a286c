"""Each built-in rule finds what it is about, at its place, and nothing where it is kept."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest

from reconciler.base.diagnostics import Diagnostic
from reconciler.policy.builtin import BUILTINS, preset_rules
from reconciler.policy.rules import Written

Held = Callable[..., list[Diagnostic]]

GOOD = """\
    apiVersion: gitops/v2
    kind: Environment
    metadata: {name: staging}
    spec: {fields: {url: "https://s.example.net"}}
    ---
    apiVersion: gitops/v2
    kind: Environment
    metadata: {name: production}
    spec: {fields: {url: "https://p.example.net"}}
    ---
    apiVersion: gitops/v2
    kind: System
    metadata: {name: shop, labels: {owner: commerce}}
    spec:
      environments: [staging, production]
      checks:
        - check: ready
          thresholds: {degraded: 2, unhealthy: 4}
    ---
    apiVersion: gitops/v2
    kind: Check
    metadata: {name: ready}
    spec:
      interval: 30s
      strategy: {type: http@3, config: {timeout: 8s}}
      collectors:
        - type: request@1
          config: {url: "{{ environment.url }}/ready"}
          assertions:
            - {field: statusCode, operator: equals, value: 200}
    ---
    apiVersion: gitops/v2
    kind: Automation
    metadata: {name: note, description: writes a line when something changes}
    spec:
      triggers: [{event: healthcheck.system_health_changed}]
      actions: [{action: log@1, config: {message: hello}}]
    """

BROKEN = {
    "check-without-assertion": [
        ("          assertions:\n            - {field: statusCode, operator: equals, value: 200}\n", "", "27:7"),
    ],
    "system-without-owner": [("labels: {owner: commerce}", "title: Shop", "13:18")],
    "interval-too-short": [("interval: 30s", "interval: 9s", "24:13"), ("interval: 30s", "interval: 1s", "24:13")],
    "literal-credential": [
        ("hello", "AKIAIOSFODNN7EXAMPLE", "37:47"),
        ("hello", "ghp_" + "a1" * 18, "37:47"),
        ("/ready", "/ready?u=https://me:hunter22@example.net", "28:21"),
    ],
    "automation-without-description": [(", description: writes a line when something changes", "", "34:18")],
    "unused-check": [("- check: ready\n          thresholds: {degraded: 2, unhealthy: 4}", "[]", "20:18")],
    "unused-environment": [("[staging, production]", "[staging]", "8:18")],
    "threshold-never-reached": [
        ("degraded: 2, unhealthy: 4", "degraded: 5, unhealthy: 4", "18:30"),
        ("degraded: 2, unhealthy: 4", "degraded: 2, unhealthy: 1001", "18:44"),
        ("interval: 30s", "interval: 4d", "18:44"),
    ],
    "environments-differ": [
        ('/ready"}', '/ready", body: "{{ environment.region | default(\'eu\') }}"}', "28:58"),
    ],
}
"""Rule to edits of GOOD, and the place of what is found then."""


def test_each_rule_is_tried() -> None:
    assert set(BROKEN) == set(BUILTINS)


def test_what_keeps_all_rules_is_left_alone(held: Held) -> None:
    assert held({"a.yaml": dedent(GOOD)}, "strict") == []


@pytest.mark.parametrize(
    ("rule", "old", "new", "place"), [(rule, *edit) for rule, edits in BROKEN.items() for edit in edits]
)
def test_a_rule_finds_what_it_is_about(rule: str, old: str, new: str, place: str, held: Held) -> None:
    text = GOOD
    if rule == "environments-differ":
        text = text.replace('"https://s.example.net"', '"https://s.example.net", region: us')
    assert old in text
    text = dedent(text.replace(old, new)).replace("checks:\n    []", "checks: []")
    found = [d for d in held({"a.yaml": text}, "strict") if d.code == f"policy/{rule}"]
    assert [str(d.place) for d in found] == [f"a.yaml:{place}"], found
    assert found[0].severity == BUILTINS[rule].strict
    assert (found[0].excerpt is None) == (rule == "literal-credential")


def test_a_preset_asks_for_no_less_than_the_one_below() -> None:
    names = [[r.name for r in preset_rules(p, Written("preset", ""))] for p in ("off", "recommended", "strict")]
    assert names[0] == []
    assert set(names[1]) < set(names[2]) == set(BUILTINS)


def test_a_credential_is_never_repeated(held: Held) -> None:
    secret = "AKIAIOSFODNN7EXAMPLE"
    found = held({"a.yaml": dedent(GOOD.replace("hello", f"key {secret} here"))}, "recommended")
    assert [d.code for d in found] == ["policy/literal-credential"]
    assert secret not in repr(found)


def test_looking_for_credentials_uses_no_network(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process apart inherits this."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    found = held({"a.yaml": dedent(GOOD.replace("hello", "AKIAIOSFODNN7EXAMPLE"))}, "strict")
    assert [d.code for d in found] == ["policy/literal-credential"]


def test_no_other_rule_shows_the_line_of_a_credential(held: Held, policy: Callable[..., dict[str, Any]]) -> None:
    secret = "AKIAIOSFODNN7EXAMPLE"
    rule = policy("mine", kinds=["Automation"], must="false", at="spec.actions[0].config.message")
    found = held({"a.yaml": dedent(GOOD.replace("hello", secret)), "policies/p.yaml": rule}, "recommended")
    assert {d.code for d in found} == {"policy/mine", "policy/literal-credential"}
    assert secret not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "${{ secrets.PAGER }}",
        "it is down",
        "https://example.net/{{ trigger.payload.systemId }}",
        "0ff1ce00-1111-2222-3333-444455556666",
    ],
)
def test_what_only_names_a_credential_is_none(text: str, held: Held) -> None:
    codes = [d.code for d in held({"a.yaml": dedent(GOOD.replace("hello", f'"{text}"'))}, "recommended")]
    assert "policy/literal-credential" not in codes


def test_options_of_a_built_in_rule(held: Held, policy: Callable[..., dict[str, Any]]) -> None:
    found = held(
        {"a.yaml": dedent(GOOD), "policies/p.yaml": policy("x", uses="interval-too-short", **{"with": {"least": "1m"}})}
    )
    assert [(d.code, str(d.place), d.severity) for d in found] == [
        ("policy/interval-too-short", "a.yaml:24:13", "error")
    ]
    wrong = policy("x", uses="interval-too-short", **{"with": {"lest": "1m", "least": 5}})
    assert sorted(d.code for d in held({"policies/p.yaml": wrong})) == ["bad-value", "unknown-key"]


def test_a_rule_about_the_whole_source_waits_until_all_of_it_is_known(held: Held) -> None:
    """The system that runs the check has a fault of its own, so nobody knows whether it is used."""
    text = GOOD.replace("environments: [staging", "envs: []\n      environments: [staging")
    assert [d.code for d in held({"a.yaml": dedent(text)}, "recommended")] == ["unknown-key"]


def test_version_1_is_shown_where_it_says_so(held: Held) -> None:
    text = """\
        apiVersion: checkstack.io/v1alpha1
        kind: Healthcheck
        metadata: {name: old}
        spec:
          strategy: healthcheck-http.http
          intervalSeconds: 5
          config: {timeout: 4000}
          collectors:
            - collectorId: healthcheck-http.request
              config: {url: "https://example.net"}
        """
    found = [d for d in held({"a.yaml": dedent(text)}, "strict") if d.code == "policy/interval-too-short"]
    assert [str(d.place) for d in found] == ["a.yaml:6:20"], held({"a.yaml": dedent(text)}, "strict")
