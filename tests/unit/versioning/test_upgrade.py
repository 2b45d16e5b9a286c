"""What a document is to us, and what is said about it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.kinds.table import KINDS, V1_KINDS
from reconciler.versioning.upgrade import upgrade

V1, V2 = "checkstack.io/v1alpha1", "gitops/v2"


@pytest.mark.parametrize(
    "data",
    [None, 5, "x", [], {}, {"kind": "System"}, {"apiVersion": 2}, {"apiVersion": "apps/v1", "kind": "Deployment"}],
)
def test_documents_of_others(data: Any) -> None:
    assert upgrade(data) == (None, None, 0, (), [], True, None)


@pytest.mark.parametrize(
    ("api", "kind", "code", "declared", "words"),
    [
        ("gitops/v3", "System", "newer-version", 3, "written for a newer release"),
        ("gitops/v1", "System", "unknown-version", 0, "no version of ours"),
        ("gitops/v2beta", "System", "unknown-version", 0, "no version of ours"),
        ("checkstack.io/v1", "System", "unknown-version", 0, "no version of ours"),
        ("GitOps/v2", "System", "unknown-version", 0, "no version of ours"),
        (V2, "Systm", "unknown-kind", 2, "no kind 'Systm'"),
        (V2, "Healthcheck", "unknown-kind", 2, "no kind 'Healthcheck'"),
        (V2, None, "missing-key", 2, "kind is missing"),
        (V2, 5, "wrong-type", 2, "has to be text"),
        (V1, "Check", "unknown-kind", 1, "no kind 'Check'"),
        (V1, None, "missing-key", 1, "kind is missing"),
    ],
)
def test_refused(api: str, kind: Any, code: str, declared: int, words: str) -> None:
    found = upgrade({"apiVersion": api, "kind": kind, "metadata": {"name": "a"}, "spec": {}})
    [fault] = found.faults
    assert (found.kind, found.data, found.declared, found.foreign) == (None, None, declared, False)
    assert (fault.code, fault.severity) == (code, "error")
    assert words in fault.message
    assert fault.path in (("apiVersion",), ("kind",))


def test_hints() -> None:
    assert "did you mean System?" in str(upgrade({"apiVersion": V2, "kind": "Systm"}).faults[0].hint)
    assert upgrade({"apiVersion": V2, "kind": "Healthcheck"}).faults[0].hint == "version 2 calls it Check"
    assert "write gitops/v2" in str(upgrade({"apiVersion": "gitops/2", "kind": "System"}).faults[0].hint)


@pytest.mark.parametrize("kind", ["SLO", "Satellite", "View"])
def test_kinds_without_counterpart_are_left_out_by_name(kind: str) -> None:
    found = upgrade({"apiVersion": V1, "kind": kind, "metadata": {"name": "x"}, "spec": {"region": "eu"}})
    [fault] = found.faults
    assert (found.kind, found.data, found.declared) == (None, None, 1)
    assert (fault.code, fault.severity, fault.path) == ("unsupported-kind", "warning", ("kind",))
    assert kind in fault.message


def check(strategy: dict[str, Any], *collectors: dict[str, Any]) -> dict[str, Any]:
    spec = {"interval": "1m", "strategy": strategy, "collectors": list(collectors)}
    return {"apiVersion": V2, "kind": "Check", "metadata": {"name": "a"}, "spec": spec}


def test_pins_behind_head_are_migrated_in_a_copy() -> None:
    old = check({"type": "http@2", "config": {"timeout": 5, "url": "x"}}, {"type": "request@1", "config": {"url": "y"}})
    found = upgrade(old)
    assert found.data == check(
        {"type": "http@3", "config": {"timeout": 5}}, {"type": "request@1", "config": {"url": "y"}}
    )
    assert old["spec"]["strategy"]["type"] == "http@2"
    assert [s.partition(":")[0] for s in found.steps] == ["strategies/http v2 to v3"]
    [note] = found.faults
    assert (note.code, note.severity, note.path) == ("left-out", "warning", ("spec", "strategy", "config", "url"))


def test_collectors_are_known_by_their_strategy() -> None:
    found = upgrade(check({"type": "script@1"}, {"type": "execute@1", "config": {"command": "a b"}}))
    assert found.data is not None
    assert found.data["spec"]["collectors"] == [{"type": "execute@2", "config": {"script": "'a b'"}}]


def test_old_pins_are_held_against_their_own_schema() -> None:
    found = upgrade(check({"type": "http@1", "config": {"timeot": 1}}, {"type": "request@1", "config": {}}))
    [fault] = found.faults
    assert found.data is None
    assert (fault.code, fault.path) == ("unknown-key", ("spec", "strategy", "config", "timeot"))
    assert "did you mean timeout?" in str(fault.hint)


@pytest.mark.parametrize("pin", ["http", "http@", "http@9", "http@x", "nothing@1", 5, None, "http@²"])
def test_what_pins_can_not_say_is_left_to_validation(pin: Any) -> None:
    data = check({"type": pin, "config": 5})
    found = upgrade(data)
    assert found.data is data
    assert found.faults == []


def test_faults_hide_no_neighbours() -> None:
    found = upgrade(
        {
            "apiVersion": V1,
            "kind": "Healthcheck",
            "metadata": {"name": "a", "nmae": "b"},
            "spec": {
                "strategy": "http",
                "intervalSeconds": "5",
                "config": {"timeot": 5},
                "collectors": [{"collectorId": "request", "config": {"url": "{{ a", "body": "{{ }}"}}],
            },
        }
    )
    assert sorted(f.code for f in found.faults) == [
        "unknown-key",
        "untranslatable",
        "untranslatable",
        "v1-unknown-key",
        "wrong-type",
    ]


@pytest.mark.parametrize("value", [{5: 1}, {"a": float("nan")}, {"a": [float("inf")]}, {"a": {True: 1}}, {"a": 10**40}])
def test_what_json_has_no_form_for(value: Any) -> None:
    found = upgrade({"apiVersion": V1, "kind": "Environment", "metadata": {"name": "a"}, "spec": {"fields": value}})
    assert found.data is not None or {f.code for f in found.faults} <= {"bad-key", "bad-value"}


def test_nesting_without_end() -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    for kind in V1_KINDS:
        upgrade(
            {
                "apiVersion": V1,
                "kind": kind,
                "metadata": {"name": "a"},
                "spec": {"fields": {"a": deep}, "actions": deep},
            }
        )
    upgrade({"apiVersion": V2, "kind": "Automation", "spec": {"actions": deep}})


KEYS = st.sampled_from(
    [
        "apiVersion",
        "kind",
        "metadata",
        "name",
        "spec",
        "strategy",
        "type",
        "config",
        "collectors",
        "collectorId",
        "url",
        "triggers",
        "event",
        "actions",
        "action",
        "choose",
        "when",
        "repeat",
        "sequence",
        "healthchecks",
        "ref",
        "fields",
        "intervalSeconds",
        "labels",
        "run-as",
        "conditions",
        "for",
        "window",
        "headers",
        "value",
        "command",
        "args",
    ]
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([V1, V2, *KINDS, *V1_KINDS, "http@1", "http", "execute@1", "{{ a", "{{ a.b }}", "a &&", "request"]),
)
JSON = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)
BLOCK = st.recursive(
    st.fixed_dictionaries({"action": st.just("a.b")}, optional={"config": JSON}),
    lambda inner: (
        st.fixed_dictionaries({"sequence": st.lists(inner, max_size=2)})
        | st.fixed_dictionaries(
            {"repeat": st.fixed_dictionaries({"count": JSON, "sequence": st.lists(inner, max_size=2)})}
        )
        | st.fixed_dictionaries({"parallel": st.lists(inner | st.lists(inner, max_size=2), max_size=2)})
    ),
    max_leaves=4,
)
SPECS = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"strategy": st.sampled_from(["http", "script", "x.y"]), "intervalSeconds": st.integers(1, 99) | VALUES},
        optional={
            "config": JSON,
            "collectors": st.lists(st.fixed_dictionaries({"collectorId": VALUES, "config": JSON})),
        },
    ),
    st.fixed_dictionaries(
        {
            "triggers": st.lists(
                st.fixed_dictionaries({"event": st.text(min_size=1)}, optional={"for": JSON, "config": JSON})
            )
        },
        optional={"actions": st.lists(BLOCK, max_size=3), "conditions": st.lists(JSON, max_size=2)},
    ),
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "apiVersion": st.sampled_from([V1, V2]),
        "kind": st.sampled_from([*KINDS, "Healthcheck"]),
        "metadata": st.just({"name": "a"}) | JSON,
        "spec": SPECS,
    }
)


@settings(max_examples=400, deadline=None)
@given(DOCUMENTS | JSON)
def test_never_raises(data: Any) -> None:
    found = upgrade(data)
    assert all(f.code != "migration-failed" for f in found.faults), found.faults
    assert found.data is not None or found.foreign or found.faults
