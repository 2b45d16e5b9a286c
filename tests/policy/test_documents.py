"""What lies below policies/: whose it is, what of it is wrong, and what an operator's word is worth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.base.canonical import dumps
from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import UsageError
from reconciler.flows.policy_inputs import operator

Held = Callable[..., list[Diagnostic]]
Policy = Callable[..., dict[str, Any]]
PAST, FUTURE = "2020-01-31", "2999-01-31"


def exception(policy: str, *resources: str, until: str = FUTURE, **more: Any) -> dict[str, Any]:
    """A PolicyException."""
    spec = {"policy": policy, "resources": list(resources), "until": until, "owner": "me", "reason": "so", **more}
    return {"apiVersion": "gitops/v2", "kind": "PolicyException", "metadata": {"name": "x"}, "spec": spec}


@pytest.fixture
def operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts documents into an operator's folder."""

    def operators(*documents: dict[str, Any]) -> Path:
        folder = tmp_path / "operator"
        folder.mkdir(exist_ok=True)
        (folder / "rules.yaml").write_bytes(b"\n---\n".join(dumps(d) for d in documents))
        monkeypatch.setenv("GITOPS_POLICIES", str(folder))
        return folder

    return operators


@pytest.mark.parametrize(
    ("spec", "code", "place"),
    [
        ("{must: 'true'}", "conflict", "4:7"),
        ("{message: m}", "conflict", "4:7"),
        ("{must: 'true', uses: unused-check, message: m}", "conflict", "4:7"),
        ("{uses: unusedcheck}", "unknown-policy", "4:14"),
        ("{uses: unused-check, kinds: [Check]}", "conflict", "4:35"),
        ("{must: 'true', message: m, kinds: [Chek]}", "unknown-kind", "4:42"),
        ("{must: 'true', message: m, severity: fatal}", "unknown-value", "4:44"),
        ("{must: 'true', message: m, mist: 1}", "unknown-key", "4:34"),
        ("{must: 'true', message: m, at: 'spec..x y'}", "bad-value", "4:38"),
        (
            "{must: 'true', message: m, exceptions: [{resources: [a], until: 2030-01-01, owner: o, reason: r}]}",
            "bad-value",
            "4:60",
        ),
        (
            "{must: 'true', message: m, exceptions: [{resources: [A/a], until: 2030-02-30, owner: o, reason: r}]}",
            "bad-value",
            "4:73",
        ),
        ("{must: 'true', message: m, exceptions: [{resources: [A/a], owner: o, reason: r}]}", "missing-key", "4:47"),
    ],
)
def test_a_policy_that_is_wrong_is_told_with_its_place(spec: str, code: str, place: str, held: Held) -> None:
    text = f"apiVersion: gitops/v2\nkind: Policy\nmetadata: {{name: mine}}\nspec: {spec}\n"
    found = held({"policies/p.yaml": text})
    assert [d.code for d in found] == [code], found
    assert str(found[0].place) == f"policies/p.yaml:{place}", found


def test_what_lies_below_policies_is_no_document(held: Held, kit: Any) -> None:
    found = held(
        {
            "policies/check.yaml": kit.check("lost"),
            "policies/kyverno.yaml": "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\n",
        }
    )
    assert [(d.code, str(d.place), d.hint) for d in found] == [
        ("not-a-policy", "policies/check.yaml:1:37", "move the document elsewhere")
    ]
    assert held({"elsewhere/policies/check.yaml": kit.check("found")}) == []


def test_yaml_faults_of_policy_files_are_told(held: Held) -> None:
    assert [d.code for d in held({"policies/p.yaml": "a: [\n"})] == ["yaml-syntax"]


def test_two_rules_of_one_name(held: Held, policy: Policy) -> None:
    found = held({"policies/p.yaml": [policy("twice", must="true"), policy("twice", must="true")]})
    assert [(d.code, d.place.line if d.place else 0) for d in found] == [("policy-conflict", 3)]
    found = held({"policies/p.yaml": policy("unused-check", must="true")})
    assert [d.code for d in found] == ["policy-conflict"]


def test_exceptions_hold_until_their_last_day(held: Held, policy: Policy, kit: Any, monkeypatch: Any) -> None:
    from datetime import date

    rule = policy("no", kinds=["Check"], must="false")
    shop = kit.shop()
    files = {**shop, "policies/p.yaml": rule, "policies/e.yaml": exception("no", "Check/rea*", until="2026-03-01")}
    monkeypatch.setattr("reconciler.flows.policing.today", lambda: date(2026, 3, 1))
    assert [d.message for d in held(files)] == ["no is broken (Check home)"]
    monkeypatch.setattr("reconciler.flows.policing.today", lambda: date(2026, 3, 2))
    found = held(files)
    assert [d.code for d in found] == ["policy/no", "policy/no", "policy-exception-expired"]
    assert "me answers for it" in (found[2].hint or "")
    assert found[2].severity == "warning"


@pytest.mark.parametrize(
    ("pattern", "left"), [("Check/home", 1), ("Check/*", 0), ("*/*", 0), ("System/home", 2), ("check/home", 2)]
)
def test_whom_an_exception_names(pattern: str, left: int, held: Held, policy: Policy, kit: Any) -> None:
    rule = policy("no", kinds=["Check"], must="false", exceptions=[exception("", pattern)["spec"]])
    del rule["spec"]["exceptions"][0]["policy"]
    assert len(held({**kit.shop(), "policies/p.yaml": rule})) == left


def test_an_exception_from_nothing_is_a_warning(held: Held, kit: Any) -> None:
    found = held({**kit.shop(), "policies/e.yaml": exception("unused-chek", "Check/a")})
    assert [(d.code, d.severity, d.hint) for d in found] == [
        ("policy-exception", "warning", "did you mean unused-check?")
    ]


def test_a_pull_request_cannot_except_from_an_operators_rule(
    held: Held, policy: Policy, kit: Any, operators: Callable[..., Path]
) -> None:
    operators(policy("no", kinds=["System"], must="false"))
    found = held({**kit.shop(), "policies/e.yaml": exception("no", "*/*")})
    assert [(d.code, d.severity) for d in found] == [("policy-exception", "error"), ("policy/no", "error")]


def test_an_operator_excepts_from_his_own(held: Held, policy: Policy, kit: Any, operators: Callable[..., Path]) -> None:
    operators(policy("no", kinds=["System"], must="false"), exception("no", "System/shop"))
    assert held(kit.shop()) == []


@pytest.mark.parametrize("take", ["must", "uses"])
def test_a_pull_request_cannot_replace_an_operators_rule(
    take: str, held: Held, policy: Policy, kit: Any, operators: Callable[..., Path]
) -> None:
    if take == "must":
        operators(policy("no", kinds=["System"], must="false"))
        found = held({**kit.shop(), "policies/p.yaml": policy("no", must="true")})
    else:
        operators(policy("x", uses="interval-too-short", **{"with": {"least": "1h"}}))
        found = held({**kit.shop(), "policies/p.yaml": policy("y", uses="interval-too-short", severity="warning")})
    assert [d.code for d in found] == ["policy-conflict"]
    assert found[0].severity == "error"


def test_an_operators_preset_cannot_be_lowered(held: Held, kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITOPS_POLICY_PRESET", "recommended")
    shop = kit.shop()
    codes = {d.code for d in held({**shop, "policies/e.yaml": exception("system-without-owner", "System/*")}, "off")}
    assert {"policy-exception", "policy/system-without-owner", "policy/check-without-assertion"} <= codes
    severities = {d.code: d.severity for d in held(shop, "off")}
    assert severities["policy/system-without-owner"] == "warning"
    severities = {d.code: d.severity for d in held(shop, "strict")}
    assert severities["policy/system-without-owner"] == "error"


def test_operators_files_are_named_by_folders(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "r.yaml").write_text("{}")
    for separator in (":", ","):
        found = operator({"GITOPS_POLICIES": f"{tmp_path}/a{separator}{tmp_path}/b"})
        assert [Path(path).parent.name for path, _ in found.files] == ["a", "b"]
    with pytest.raises(UsageError, match="isn't there"):
        operator({"GITOPS_POLICIES": f"{tmp_path}/c"})
    with pytest.raises(UsageError, match="GITOPS_POLICY_PRESET"):
        operator({"GITOPS_POLICY_PRESET": "loose"})
    assert operator({}).files == ()


def test_without_the_library_nothing_passes(
    held: Held, policy: Policy, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.flows.policies.find_spec", lambda name: None)
    found = held({**kit.shop(), "policies/p.yaml": policy("mine", must="true")}, "recommended")
    assert [(d.code, d.severity) for d in found] == [("policy-library", "error")] * 2
    assert all("gitops-reconciler[policy]" in (d.hint or "") for d in found)
