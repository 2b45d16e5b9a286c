"""What ``validate --only-changed`` finds is what a whole validation finds, restricted to what the change can touch.

Sound: it tells nothing that a whole validation doesn't. Complete: it misses nothing that the commit before didn't have.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import InvalidDocuments
from reconciler.flows.check_changed import check
from reconciler.flows.plan import Options, make_plan
from reconciler.flows.settings import Settings
from reconciler.source.delta import TreeDelta
from reconciler.store.open import open_store

if TYPE_CHECKING:
    from tests.conftest import Document, Files, Kit

QUICK = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
NAMES = {
    "Environment": ("e0", "e1", "e2"),
    "Check": ("c0", "c1"),
    "System": ("s0", "s1"),
    "ServiceAccount": ("a0", "a1"),
}
URLS = (
    "https://x.example.net/",
    "https://{{ environment.a | default('none') }}.example.net/",
    "https://{{ environment.a }}.example.net/{{ system.fields.f }}",
    "{{ environment.b }}",
    "https://{{ system.nmae }}/",
    "https://{{ oops",
)


@st.composite
def documents(draw: st.DrawFn, kit: Kit) -> Document:
    """One of any kind, which may name what isn't there, and may have a fault of its own."""
    kind = draw(st.sampled_from(sorted(NAMES)))
    name = draw(st.sampled_from(NAMES[kind]))

    def some(of: str) -> list[str]:
        return draw(st.lists(st.sampled_from(NAMES[of]), unique=True, max_size=3))

    if kind == "Environment":
        fields = draw(
            st.dictionaries(st.sampled_from("ab"), st.sampled_from(("u", "https://v.example.net/")), max_size=2)
        )
        document = kit.environment(name, draw(st.sampled_from([None, None, "e0", "e1"])), **fields)
    elif kind == "Check":
        document = kit.check(name, draw(st.sampled_from(URLS)))
    elif kind == "System":
        where = draw(st.sampled_from([None, [], ["e0"], ["e1", "e2"]]))
        checks: list[Any] = [{"check": c, "environments": where} for c in some("Check")]
        needs = draw(st.sampled_from([(), (), ("s0",)])) if name != "s0" else ()
        fields = draw(st.dictionaries(st.just("f"), st.sampled_from(("u", "v"))))
        document = kit.system(name, some("Environment"), checks, dependencies=needs, fields=fields)
    else:
        document = kit.document("ServiceAccount", name, {"permissions": ["incident.manage"]})
    match draw(st.integers(0, 15)):
        case 0:
            document["spec"]["colour"] = "red"
        case 1:
            document["metadata"]["renamedFrom"] = draw(st.sampled_from([n for n in NAMES[kind] if n != name]))
        case 2:
            document["metadata"]["title"] = draw(st.sampled_from("TU"))
    return document


def old_automation(account: str) -> Document:
    """Of version 1, where an account that isn't there is a warning only."""
    return {
        "apiVersion": "checkstack.io/v1alpha1",
        "kind": "Automation",
        "metadata": {"name": "nightly"},
        "spec": {
            "run-as": account,
            "triggers": [{"event": "automation.cron", "config": {"cronExpression": "0 3 * * *"}}],
            "actions": [{"id": "log", "action": "automation.log", "config": {"message": "hi"}}],
        },
    }


@st.composite
def repositories(draw: st.DrawFn, kit: Kit) -> dict[str, Any]:
    files: dict[str, Any] = {}
    for number in range(draw(st.integers(1, 6))):
        files[f"{number}.yaml"] = draw(st.lists(documents(kit), max_size=3))
    if draw(st.booleans()):
        files["old.yaml"] = [old_automation(draw(st.sampled_from(NAMES["ServiceAccount"])))]
    if draw(st.integers(0, 9)) == 0:
        files["broken.yaml"] = "metadata:\n  name: s0\n  - name: e0\n"
    return files


@st.composite
def steps(draw: st.DrawFn, kit: Kit) -> tuple[dict[str, Any], dict[str, Any]]:
    """A repository, and the same with a file or two that differ."""
    before = draw(repositories(kit))
    after = deepcopy(before)
    for _ in range(draw(st.integers(0, 2))):
        path = draw(st.sampled_from([*sorted(before), "new.yaml"]))
        if draw(st.integers(0, 4)) == 0:
            after.pop(path, None)
        elif path == "old.yaml":
            after[path] = [old_automation(draw(st.sampled_from(NAMES["ServiceAccount"])))]
        else:
            there = after.get(path)
            kept = there[:1] if isinstance(there, list) and draw(st.booleans()) else []
            after[path] = [*kept, *draw(st.lists(documents(kit), max_size=2))]
    return before, after


def whole(files: Files) -> tuple[Diagnostic, ...]:
    store = open_store(":memory:")
    try:
        return make_plan(files, Settings(), store, options=Options(force=True, trust_external=True)).warnings
    except InvalidDocuments as invalid:
        return invalid.diagnostics
    finally:
        store.close()


def at(d: Diagnostic) -> tuple[Any, ...]:
    """The place, and what is wrong there: the environment counts, and of the systems anyone may be told."""
    message = "" if d.code == "unresolved-reference" else re.sub(r"(, )?\b(in|on) system \S+\)", "", d.message)
    return d.place, d.severity, d.code, message


def said(d: Diagnostic) -> tuple[Any, ...]:
    """The same for a document that moved within its file; a document is a line here."""
    assert d.place is not None
    return d.place.path, d.excerpt, d.place.column, *at(d)[1:]


@QUICK
@given(data=st.data())
def test_sound_and_complete(kit: Kit, data: st.DataObject) -> None:
    before, after = data.draw(steps(kit))
    old, new = kit.files(before), kit.files(after)
    were, are = whole(old), whole(new)
    found = check(TreeDelta(old, new), Settings(), name="shop").diagnostics
    # Who of two bearers of a name counts, and what fields a circle has, is nobody's to say.
    assume(not {d.code for d in (*were, *are)} & {"cycle", "duplicate-name"})
    assert {at(d) for d in found} <= {at(d) for d in are}
    known = {said(d) for d in were}
    missed = {said(d) for d in are if said(d) not in known} - {said(d) for d in found}
    assert not missed
    if before == after:
        assert not found


@QUICK
@given(data=st.data())
def test_names_that_are_declared_twice(kit: Kit, data: st.DataObject) -> None:
    """Whichever file changed: the same places are told as in a whole validation."""
    before, after = data.draw(steps(kit))
    old, new = kit.files(before), kit.files(after)
    were, are = (
        {said(d) for d in diagnostics if d.code in ("duplicate-name", "unknown-key", "yaml-syntax")}
        for diagnostics in (whole(old), whole(new))
    )
    found = {said(d) for d in check(TreeDelta(old, new), Settings(), name="shop").diagnostics}
    assert are - were <= found
    assert {d for d in found if d[4] == "duplicate-name"} <= are
