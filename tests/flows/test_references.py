"""Faults between documents: references, circles, names declared twice, environments that aren't there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reconciler.base.errors import InvalidDocuments
from reconciler.source import yaml
from reconciler.store.sql_writer import SqlStore

if TYPE_CHECKING:
    from tests.conftest import Kit


def test_a_reference_that_leads_nowhere_is_an_error_at_its_line(kit: Kit, memory: SqlStore) -> None:
    text = """\
        apiVersion: gitops/v2
        kind: System
        metadata: {name: shop}
        spec:
          environments:
            - prodction
          checks:
            - check: redy
        """
    files = {"s.yaml": text, "rest.yaml": [kit.environment("production"), kit.check("ready")]}
    faults = kit.faults(memory, files)
    assert [(f.code, str(f.place), f.hint, f.excerpt) for f in faults] == [
        ("unresolved-reference", "s.yaml:6:7", "did you mean 'production'?", "    - prodction"),
        ("unresolved-reference", "s.yaml:8:14", "did you mean 'ready'?", "    - check: redy"),
    ]


def test_a_name_declared_twice_is_told_with_both_places(kit: Kit, memory: SqlStore) -> None:
    files: dict[str, Any] = {
        "b.yaml": [kit.system("x"), kit.system("a")],
        "a.yaml": "# first\n" + '{"apiVersion": "gitops/v2", "kind": "System", "metadata": {"name": "a"}}\n',
    }
    [fault] = kit.faults(memory, files)
    assert fault.place is not None
    assert (fault.code, fault.message, fault.place.path, fault.place.line) == (
        "duplicate-name",
        "System a is declared twice",
        "b.yaml",
        3,
    )
    assert [(m, str(p)) for m, p in fault.related] == [("first declared here", "a.yaml:2:1")]


def test_a_file_of_many_faults_is_not_read_again_for_each(
    kit: Kit, memory: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    load = yaml.load

    def counted(data: bytes, *args: Any, **how: Any) -> Any:
        reads.append(len(data))
        return load(data, *args, **how)

    monkeypatch.setattr(yaml, "load", counted)
    faults = kit.faults(memory, {"a.yaml": [kit.system("many") for _ in range(40)]})
    assert len(faults) == 39
    assert len(reads) <= 3


def test_a_name_declared_again_in_a_new_file_is_told(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"a.yaml": kit.system("a")})
    [fault] = kit.faults(memory, {"a.yaml": kit.system("a"), "b.yaml": kit.system("a")})
    assert (fault.code, fault.related[0][1].path) == ("duplicate-name", "a.yaml")


def test_a_name_may_be_used_once_for_each_kind(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"a.yaml": [kit.system("a"), kit.check("a"), kit.environment("a")]})
    assert memory.counts() == (3, 0)


def test_environments_extend_each_other(kit: Kit, memory: SqlStore) -> None:
    files: dict[str, Any] = {
        "e.yaml": [
            kit.environment("c", "b", own="c"),
            kit.environment("b", "a", over="b"),
            kit.environment("a", over="a", far="a"),
        ],
        "c.yaml": kit.check("up", "https://{{ environment.own }}.{{ environment.over }}.{{ environment.far }}.net/"),
        "s.yaml": kit.system("s", ["c"], ["up"]),
    }
    kit.apply(memory, files)
    assert kit.urls(memory) == {"s/up/c": "https://c.b.a.net/"}
    files["e.yaml"][2]["spec"]["fields"]["far"] = "z"
    plan = kit.apply(memory, files).plan
    assert plan.counts == {"resources": {"update": 1}, "slices": {"update": 1}}
    assert kit.urls(memory) == {"s/up/c": "https://c.b.z.net/"}


def test_a_field_of_the_environment_never_wins_over_its_name(kit: Kit, memory: SqlStore) -> None:
    files: dict[str, Any] = {
        "e.yaml": kit.environment("e", id="field", name="field"),
        "c.yaml": kit.check("up", "https://x.net/{{ environment.id }}/{{ environment.name }}"),
        "s.yaml": kit.system("s", ["e"], ["up"]),
    }
    kit.apply(memory, files)
    assert kit.urls(memory) == {"s/up/e": "https://x.net/e/e"}


@pytest.mark.parametrize("n", [2, 5])
def test_a_circle_of_environments_is_told_once(kit: Kit, memory: SqlStore, n: int) -> None:
    files = {f"{i}.yaml": kit.environment(f"e{i}", f"e{(i + 1) % n}") for i in range(n)}
    files["s.yaml"] = kit.system("s", ["e0"])
    [fault] = kit.faults(memory, files)
    circle = " → ".join([*(f"e{i}" for i in range(n)), "e0"])
    assert (fault.code, fault.message) == ("cycle", f"a circle: {circle}")
    assert fault.place is not None
    assert fault.place.path == f"{n - 1}.yaml"
    assert fault.place.column > 1


def test_a_circle_that_a_change_closes_is_found(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"a.yaml": kit.environment("a"), "b.yaml": kit.environment("b", "a")})
    [fault] = kit.faults(memory, {"a.yaml": kit.environment("a", "b"), "b.yaml": kit.environment("b", "a")})
    assert fault.code == "cycle"


def test_a_circle_through_another_source_is_found(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"a.yaml": kit.system("a")}, source="one")
    kit.apply(memory, {"b.yaml": kit.system("b", dependencies=["a"])}, source="two")
    [fault] = kit.faults(memory, {"a.yaml": kit.system("a", dependencies=["b"])}, source="one")
    assert (fault.code, fault.message) == ("cycle", "a circle: a → b → a")
    assert fault.place is not None
    assert (fault.place.path, fault.excerpt is None) == ("a.yaml", False)


def test_a_circle_of_dependencies(kit: Kit, memory: SqlStore) -> None:
    files: dict[str, Any] = {
        "a.yaml": kit.system("a", dependencies=["b"]),
        "b.yaml": kit.system("b", dependencies=["c", "d"]),
        "c.yaml": kit.system("c", dependencies=["a"]),
        "d.yaml": kit.system("d"),
    }
    assert [f.message for f in kit.faults(memory, files)] == ["a circle: a → b → c → a"]
    assert [f.code for f in kit.faults(memory, {"a.yaml": kit.system("a", dependencies=["a"])})] == ["self-reference"]


def test_an_environment_that_extends_itself_is_told_by_itself(kit: Kit, memory: SqlStore) -> None:
    assert [f.code for f in kit.faults(memory, {"e.yaml": kit.environment("e", "e")})] == ["self-reference"]


def test_two_ways_to_one_place_are_no_circle(kit: Kit, memory: SqlStore) -> None:
    files: dict[str, Any] = {
        "a.yaml": kit.system("a", dependencies=["b", "c"]),
        "b.yaml": kit.system("b", dependencies=["d"]),
        "c.yaml": kit.system("c", dependencies=["d"]),
        "d.yaml": kit.system("d"),
    }
    assert kit.apply(memory, files).generation == 1


def test_a_document_that_failed_itself_draws_no_others_along(kit: Kit, memory: SqlStore) -> None:
    files = kit.shop()
    broken = kit.check("ready")
    broken["spec"]["interval"] = "never"
    files["checks.yaml"] = [broken, kit.check("home")]
    [fault] = kit.faults(memory, files)
    assert fault.place is not None
    assert (fault.place.path, fault.place.line) == ("checks.yaml", 1)


def test_a_file_that_is_no_yaml_draws_no_others_along(kit: Kit, memory: SqlStore) -> None:
    for broken in ("a: [", "metadata: {name: ready}\n  kind: x\n\tmetadata: {name: home}\n"):
        names = "".join(f"---\nkind: Check\nmetadata:\n  name: {n}\n" for n in ("ready", "home"))
        faults = kit.faults(memory, {**kit.shop(), "checks.yaml": names + "---\n" + broken})
        assert {f.place.path for f in faults if f.place} == {"checks.yaml"}


def test_failing_documents_keep_what_refers_to_them_quiet_over_applies(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    files = kit.shop()
    broken = kit.check("ready")
    broken["spec"]["interval"] = "never"
    files["checks.yaml"] = [broken, kit.check("home")]
    assert len(kit.faults(memory, files)) == 1


def test_every_fault_of_a_repository_comes_at_once_and_sorted(kit: Kit, memory: SqlStore) -> None:
    files = kit.shop(url="{{ environment.nothing }}")
    files["systems.yaml"].append(kit.system("other", ["nowhere"], ["nothing"]))
    files["z.yaml"] = [kit.document("Check", "z", {}), kit.document("Sistem", "y")]
    with pytest.raises(InvalidDocuments) as caught:
        kit.plan(memory, files)
    found = caught.value.diagnostics
    assert [d.order for d in found] == sorted(d.order for d in found)
    assert {d.place.path for d in found if d.place} == {"checks.yaml", "systems.yaml", "z.yaml"}
    codes = [d.code for d in found]
    assert codes.count("template-undefined") == 1
    assert codes.count("unresolved-reference") == 2
    errors = sum(d.severity == "error" for d in found)
    assert caught.value.message == f"{errors} errors in the documents; nothing was changed"


def test_without_an_environment_a_template_tells_check_system_and_line(kit: Kit, memory: SqlStore) -> None:
    check = """\
        apiVersion: gitops/v2
        kind: Check
        metadata: {name: up}
        spec:
          interval: 30s
          strategy: {type: http@3}
          collectors:
            - type: request@1
              config:
                url: "https://{{ environment.host }}/"
        """
    [fault] = kit.faults(memory, {"c.yaml": check, "s.yaml": kit.system("s", [], ["up"])})
    assert (fault.code, str(fault.place)) == ("template-undefined", "c.yaml:10:38")
    assert "check up runs without an environment on system s" in fault.message
    assert fault.hint
    files: dict[str, Any] = {
        "c.yaml": check.replace("environment.host", "environment.host | default('h')"),
        "s.yaml": kit.system("s", [], ["up"]),
    }
    kit.apply(memory, files)
    assert kit.urls(memory) == {"s/up/-": "https://h/"}


def test_each_environment_that_lacks_a_field_is_named(kit: Kit, memory: SqlStore) -> None:
    files = kit.shop(url="{{ environment.other }}")
    files["environments.yaml"].append(kit.environment("third", other="https://x.example.net"))
    files["systems.yaml"] = [kit.system("shop", ["production", "staging", "third"], ["ready"])]
    [fault] = kit.faults(memory, files)
    assert "in environments production and staging, on system shop" in fault.message
    places = [(words, str(place)) for words, place in fault.related]
    assert [words for words, _ in places] == ["environment production", "environment staging"]
    assert [place.split(":")[:2] for _, place in places] == [["environments.yaml", "1"], ["environments.yaml", "3"]]


@pytest.mark.parametrize(
    ("assigned", "found"),
    [
        (None, ["a", "b"]),
        ([], [None]),
        (["b"], ["b"]),
        (["b", "a"], ["a", "b"]),
        (["c"], [None]),
        (["c", "a"], ["a"]),
    ],
)
def test_where_a_check_runs(kit: Kit, memory: SqlStore, assigned: list[str] | None, found: list[str | None]) -> None:
    files: dict[str, Any] = {
        "e.yaml": [kit.environment(name) for name in "abc"],
        "c.yaml": kit.check("up"),
        "s.yaml": kit.system("s", ["a", "b"], [{"check": "up", "environments": assigned}]),
    }
    plan = kit.apply(memory, files).plan
    assert [r.environment for r in memory.slice_rows()] == found
    outside = [d for d in plan.warnings if d.code == "outside-membership"]
    assert len(outside) == (1 if assigned and "c" in assigned else 0)


@pytest.mark.parametrize("template", ["{{ environment.big }}", "{{ 'a' * 1000 }}" * 60])
def test_a_slice_is_bounded_however_many_templates_fill_it(kit: Kit, memory: SqlStore, template: str) -> None:
    check = kit.check("ready")
    headers = [{"name": f"X-{n}", "value": template} for n in range(20)]
    check["spec"]["collectors"][0]["config"]["headers"] = headers
    files = {"a.yaml": [kit.environment("live", big="a" * 60_000), kit.system("shop", ["live"], ["ready"]), check]}
    [fault] = kit.faults(memory, files)
    assert (fault.code, fault.message.split(" (")[0]) == (
        "template-limit",
        "the templates of the check make more than 1048576 bytes together",
    )
    del headers[15:]
    kit.apply(memory, files)


def test_a_system_in_no_environment_runs_once(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"c.yaml": kit.check("up"), "s.yaml": kit.system("s", [], ["up"])})
    assert list(kit.slices(memory)) == ["s/up/-"]
