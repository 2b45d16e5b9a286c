"""Whatever was applied before, a source ends up as if it had been applied to an empty store.

The one property that everything incremental has to keep. Repositories are random and small; names collide often, so
that things are renamed, moved to other files, deleted and declared again. Some can't be applied at all: then they are
refused whatever was there before, and leave it alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from reconciler.base.errors import InvalidDocuments
from reconciler.flows.plan import Options, make_plan
from reconciler.flows.position import unchanged
from reconciler.flows.settings import Settings
from reconciler.model.plan import Plan
from reconciler.model.resource import Key
from reconciler.plan.file import load_plan, save
from reconciler.store.open import open_store
from reconciler.store.sql_writer import SqlStore

if TYPE_CHECKING:
    from tests.conftest import Document, Kit

QUICK = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
DELETE = Settings(deletion="delete")
ENVIRONMENTS = ("e0", "e1", "e2", "e3")
CHECKS = ("c0", "c1", "c2")
SYSTEMS = ("s0", "s1", "s2")
URLS = (
    "https://{{ environment.a | default('none') }}.example.net/{{ system.id }}",
    "https://x.example.net/",
    "https://{{ environment.name | default('-') }}.example.net/{{ check.name }}/{{ environment.b | default(1) }}",
    "https://{{ system.name }}.example.net/{{ system.fields.f | default('') }}",
    "https://{{ environment.a }}.example.net/",
)


class Placed(NamedTuple):
    """A document, and which source and which file of it holds it."""

    document: Document
    source: int
    file: int


def subset(names: tuple[str, ...], least: int = 0) -> st.SearchStrategy[list[str]]:
    if not names:
        return st.just([])
    return st.lists(st.sampled_from(names), unique=True, min_size=min(least, len(names)), max_size=len(names))


@st.composite
def repositories(draw: st.DrawFn, kit: Kit, *, dangling: bool = True) -> list[Placed]:
    environments = tuple(draw(subset(ENVIRONMENTS, 2)))
    checks = tuple(draw(subset(CHECKS, 1)))
    systems = tuple(draw(subset(SYSTEMS, 1)))
    may_name = (ENVIRONMENTS, CHECKS) if dangling and draw(st.integers(0, 7)) == 0 else (environments, checks)
    urls = URLS if dangling and draw(st.integers(0, 3)) == 0 else URLS[:-1]
    documents = []
    for name in environments:
        fields = draw(st.dictionaries(st.sampled_from("ab"), st.sampled_from(("u", "v", "w")), max_size=2))
        below = [n for n in environments if n < name]
        parent = draw(st.sampled_from([*below, None]))
        documents.append(kit.environment(name, parent, **fields))
    for name in checks:
        documents.append(kit.check(name, draw(st.sampled_from(urls))))
    for name in systems:
        assignments: list[Any] = []
        members = draw(subset(may_name[0], 1))
        for check in draw(subset(may_name[1], 1)):
            where = draw(st.one_of(st.none(), st.just([]), subset(may_name[0])))
            assignments.append({"check": check, "environments": where})
        fields = draw(st.dictionaries(st.just("f"), st.sampled_from(("u", "v"))))
        below = [n for n in systems if n < name]
        needs = draw(subset(tuple(below)))
        documents.append(kit.system(name, members, assignments, dependencies=needs, fields=fields))
    placed = []
    for document in documents:
        metadata = document["metadata"]
        if draw(st.booleans()):
            metadata["title"] = draw(st.sampled_from(("T", "U")))
        if draw(st.integers(0, 3)) == 0:
            kin = {"Environment": ENVIRONMENTS, "Check": CHECKS, "System": SYSTEMS}[document["kind"]]
            metadata["renamedFrom"] = draw(st.sampled_from([n for n in kin if n != metadata["name"]]))
        placed.append(Placed(document, draw(st.integers(0, 1)), draw(st.integers(0, 7))))
    return draw(st.permutations(placed))


@st.composite
def commits(draw: st.DrawFn, kit: Kit, *, dangling: bool = True) -> list[list[Placed]]:
    """A few commits one after the other; most of a repository is as it was the commit before, in the same file."""
    history: list[list[Placed]] = [draw(repositories(kit, dangling=dangling))]
    for _ in range(draw(st.integers(1, 3))):
        small: bool = draw(st.booleans())
        if history[-1] and small:
            history.append(
                touched(history[-1], draw(st.integers(0, len(history[-1]) - 1)), draw(st.sampled_from("xyz")))
            )
            continue
        before = {key(p): p for p in history[-1]}
        other = {key(p): p for p in draw(repositories(kit, dangling=dangling))}
        taken = set(draw(st.lists(st.sampled_from(sorted({*before, *other})), max_size=3))) if before or other else ()
        after = {k: (other if k in taken else before).get(k) for k in {*before, *other}}
        left = [p for _, p in sorted(after.items()) if p is not None]
        history.append(left if dangling and draw(st.integers(0, 7)) == 0 else [pruned(p, left) for p in left])
    return history


def touched(repository: list[Placed], at: int, value: str) -> list[Placed]:
    """With one field of one document changed, as most commits do."""
    document = deepcopy(repository[at].document)
    if document["kind"] == "Check":
        document["metadata"]["title"] = value
    else:
        document["spec"]["fields"]["a" if document["kind"] == "Environment" else "f"] = value
    return [*repository[:at], repository[at]._replace(document=document), *repository[at + 1 :]]


def key(placed: Placed) -> tuple[str, str]:
    return placed.document["kind"], placed.document["metadata"]["name"]


def pruned(placed: Placed, left: list[Placed]) -> Placed:
    """Without references to what isn't there."""
    names = {key(p) for p in left}
    document = deepcopy(placed.document)
    spec = document["spec"]
    if ("Environment", spec.get("extends")) not in names:
        spec.pop("extends", None)
    if document["kind"] == "System":
        spec["environments"] = [e for e in spec["environments"] if ("Environment", e) in names]
        spec["checks"] = [c for c in spec["checks"] if ("Check", c["check"]) in names]
        spec["dependencies"] = [d for d in spec["dependencies"] if ("System", d["system"]) in names]
        for c in spec["checks"]:
            if c["environments"]:
                c["environments"] = [e for e in c["environments"] if ("Environment", e) in names]
    return placed._replace(document=document)


def files(repository: list[Placed], source: int | None = None) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = {"empty.yaml": []}
    for document, owner, file in repository:
        if source in (None, owner):
            found.setdefault(f"{file}.yaml", []).append(document)
    return found


@contextmanager
def empty() -> Iterator[SqlStore]:
    store = open_store(":memory:")
    try:
        yield store
    finally:
        store.close()


def content(store: SqlStore, *, active_only: bool = False) -> dict[str, Any]:
    """Everything a store holds that doesn't tell when it came: keyed by names, without uids."""
    names = {uid: str(key) for uid, key in store.names().items()}
    names[0] = "-"
    rows = [s for s in store.resources() if not active_only or s.status == "active"]
    kept = {s.uid for s in rows}
    keys = [s.resource.key for s in rows]
    return {
        "resources": {str(s.resource.key): (s.status, s.resource) for s in rows},
        "slices": {
            tuple(names[uid] for uid in key): (s.digest, s.body)
            for key, s in store.slices(list(store.slice_digests())).items()
            if key.system in kept
        },
        "edges": sorted((str(k), str(key), x) for k in keys for uid, key, x in store.referrers([k]) if uid in kept),
    }


def tried(kit: Kit, store: SqlStore, given: Any, source: str = "shop", how: Settings = DELETE) -> Plan | None:
    """Apply and give the plan; None when the documents can't be applied."""
    try:
        return kit.apply(store, given, source=source, settings=how, force=True).plan
    except InvalidDocuments:
        return None


def holds(kit: Kit, store: SqlStore, given: Any, plan: Plan, how: Settings) -> None:
    """After an apply: whole, nothing pending, and the short way to know it agrees with the long one."""
    kit.sound(store)
    assert load_plan(save(plan)) == plan
    tree = kit.files(given)
    short = unchanged(store, "shop", tree.tree, how)
    long = make_plan(tree, how, store, options=Options(force=True))
    assert short is not None
    assert not short.pending
    assert not long.pending
    assert long.resources == ()
    assert long.reread == 0
    assert (short.warnings, short.totals, short.orphans) == (long.warnings, long.totals, long.orphans)
    assert plan.totals == long.totals
    assert (plan.totals.resources, plan.totals.slices) == store.counts("shop")


@QUICK
@given(data=st.data())
def test_incremental_equals_cold(kit: Kit, data: st.DataObject) -> None:
    with empty() as store:
        for repository in data.draw(commits(kit), "commits"):
            given = files(repository)
            before = content(store)
            plan = tried(kit, store, given)
            with empty() as cold:
                fresh = tried(kit, cold, given)
                assert (plan is None) == (fresh is None)
                if plan is None or fresh is None:
                    assert content(store) == before
                    continue
                assert content(store) == content(cold)
                assert plan.totals == fresh.totals
                assert plan.warnings == fresh.warnings
                assert store.blobs("shop") == cold.blobs("shop")
            holds(kit, store, given, plan, DELETE)


@QUICK
@given(data=st.data())
def test_orphans_dont_touch_what_is_active(kit: Kit, data: st.DataObject) -> None:
    with empty() as store:
        for repository in data.draw(commits(kit), "commits"):
            given = files(repository)
            plan = tried(kit, store, given, how=Settings())
            with empty() as cold:
                fresh = tried(kit, cold, given)
                assert (plan is None) == (fresh is None)
                if plan is None or fresh is None:
                    continue
                assert content(store, active_only=True) == content(cold)
            holds(kit, store, given, plan, Settings())


@QUICK
@given(data=st.data())
def test_two_sources_end_up_as_one_would(kit: Kit, data: st.DataObject) -> None:
    """The order of applies between sources may refuse some of them, but never makes a difference in the end."""
    history = data.draw(commits(kit, dangling=False), "commits")

    def bring(store: SqlStore, repository: list[Placed]) -> bool:
        done = [False, False]
        for _ in range(4):
            for source in (0, 1):
                done[source] = tried(kit, store, files(repository, source), f"source-{source}") is not None
                kit.sound(store)
            if all(done):
                return True
        return False

    with empty() as store, empty() as cold:
        came = [bring(store, repository) for repository in history]
        # Two sources that need each other can be led there in steps, but not from nothing.
        assume(came[-1] and bring(cold, history[-1]))
        assert content(store) == content(cold)
        for source in (0, 1):
            assert not kit.plan(
                store, files(history[-1], source), source=f"source-{source}", settings=DELETE, quick=False
            ).pending


@QUICK
@given(data=st.data())
def test_order_and_split_of_documents_mean_nothing(kit: Kit, data: st.DataObject) -> None:
    repository = data.draw(repositories(kit, dangling=False), "commit")
    otherwise = [
        p._replace(file=data.draw(st.integers(0, 4))) for p in data.draw(st.permutations(repository), "otherwise")
    ]
    with empty() as one, empty() as other:
        assume(tried(kit, one, files(repository)) is not None)
        assert tried(kit, other, files(otherwise)) is not None
        assert digests(one) == digests(other)
        assert content(one)["slices"] == content(other)["slices"]
        plan = tried(kit, one, files(otherwise))
        assert plan is not None
        assert not plan.pending
        assert content(one) == content(other)


def digests(store: SqlStore) -> dict[Key, str]:
    return {s.resource.key: s.resource.digest for s in store.resources()}
