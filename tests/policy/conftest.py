"""A repository in memory with policies, and what holding it to them comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import InvalidDocuments
from reconciler.flows.settings import Settings
from reconciler.policy.names import Preset
from reconciler.store.open import open_store

Told = Callable[..., list[str]]
Held = Callable[..., list[Diagnostic]]


@pytest.fixture(autouse=True)
def _nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITOPS_POLICIES", raising=False)
    monkeypatch.delenv("GITOPS_POLICY_PRESET", raising=False)


@pytest.fixture
def held(kit: Any) -> Held:
    """All diagnostics of files, held to a preset and to what lies in policies/."""

    def held(files: Mapping[str, Any], preset: Preset = "off") -> list[Diagnostic]:
        store = open_store(":memory:")
        try:
            return list(kit.plan(store, files, settings=Settings(policies=preset), force=True).warnings)
        except InvalidDocuments as invalid:
            return list(invalid.diagnostics)
        finally:
            store.close()

    return held


@pytest.fixture
def told(held: Held) -> Told:
    """The same as ``path:line:column severity code``."""

    def told(files: Mapping[str, Any], preset: Preset = "off") -> list[str]:
        return [f"{d.place} {d.severity} {d.code}" for d in held(files, preset)]

    return told


@pytest.fixture
def policy() -> Callable[..., dict[str, Any]]:
    """A policy document."""

    def policy(name: str, **spec: Any) -> dict[str, Any]:
        if "must" in spec:
            spec.setdefault("message", f"{name} is broken")
        return {"apiVersion": "gitops/v2", "kind": "Policy", "metadata": {"name": name}, "spec": spec}

    return policy
