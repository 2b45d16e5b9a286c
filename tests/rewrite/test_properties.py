"""For any version 1 repository, however it is written: the rewritten text means what the old one meant."""

from __future__ import annotations

import json
import re
from random import Random
from types import SimpleNamespace
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from reconciler.flows import migrate
from reconciler.flows.load import read_file
from reconciler.flows.migrate_file import alike, migrate_file
from reconciler.flows.migrate_read import Wanted

API = "checkstack.io/v1alpha1"
WANTED = Wanted("test", False)
SOURCE: Any = SimpleNamespace(name="test", settings=SimpleNamespace(external={}))

names = st.sampled_from(["a", "b", "orders-http", "x1"])
words = st.sampled_from(
    ["plain", "two words", "it's", 'say "hi"', "größe", "# sign", "a: b", "yes", "012", "null", "", "x" * 90]
)
templates = st.sampled_from(
    [
        "{{ environment.baseUrl }}",
        "{{ environment.zone || 'none' }} and {{ system.name | upper }}",
        "{{ environment.tls ? 'https' : 'http' }}://x",
        "plain",
        "one\ntwo {{ environment.a }}\n\nthree",
        "${{ secrets.KEY }}",
    ]
)
urls = st.sampled_from(["https://a.example.net/", "https://{{ environment.host }}/", "{{ environment.baseUrl }}/ready"])
expressions = st.sampled_from(
    ["trigger.payload.newStatus == 'unhealthy'", "a && !b", "trigger.payload.totalChecks > 1 || true", "x ? y : z"]
)


def record(required: dict[str, Any], optional: dict[str, Any] | None = None) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional or {})


headers = st.one_of(
    st.lists(
        record({"name": st.sampled_from(["X-A", "X-B"]), "value": templates.filter(lambda t: "\n" not in t)}),
        max_size=3,
    ),
    st.dictionaries(st.sampled_from(["X-A", "X-B"]), templates.filter(lambda t: "\n" not in t), max_size=2),
)
request = record(
    {"url": urls},
    {
        "method": st.sampled_from(["GET", "POST"]),
        "headers": headers,
        "body": templates.filter(lambda t: "secrets" not in t),
    },
)
assertion = record({"field": st.just("statusCode"), "operator": st.just("equals"), "value": st.integers(100, 599)})
http = record(
    {"strategy": st.sampled_from(["http", "healthcheck-http.http"]), "intervalSeconds": st.integers(1, 90000)},
    {
        "config": record({}, {"timeout": st.integers(100, 30000)}),
        "collectors": st.lists(
            record(
                {"collectorId": st.sampled_from(["request", "healthcheck-http.request"]), "config": request},
                {"assertions": st.lists(assertion, max_size=2)},
            ),
            max_size=2,
        ),
        "anomaly": record({"enabled": st.booleans()}),
    },
)
lifted = record({"strategy": st.just("http"), "intervalSeconds": st.integers(1, 90000), "config": request})
script = record(
    {
        "strategy": st.just("script"),
        "intervalSeconds": st.integers(1, 600),
        "collectors": st.lists(
            record(
                {
                    "collectorId": st.just("execute"),
                    "config": record({"command": words.filter(bool)}, {"args": st.lists(words, max_size=3)}),
                }
            ),
            max_size=2,
        ),
    }
)
assignment = record(
    {"ref": record({"kind": st.just("Healthcheck"), "name": names})},
    {
        "degradedThreshold": st.integers(1, 3),
        "unhealthyThreshold": st.integers(4, 9),
        "satelliteIds": st.lists(names, max_size=3),
        "includeLocal": st.booleans(),
    },
)


def references(kind: str) -> st.SearchStrategy[Any]:
    return st.lists(record({"kind": st.just(kind), "name": names}), max_size=3)


system = record(
    {},
    {
        "fields": st.dictionaries(names, words, max_size=2),
        "groups": references("Group"),
        "environments": references("Environment"),
        "healthchecks": st.lists(assignment, max_size=3),
        "healthcheck": st.lists(assignment, max_size=2),
        "notificationPolicy": record({"autoOpenIncidentOnUnhealthy": st.booleans()}),
    },
)
trigger = record(
    {"event": st.just("healthcheck.system_health_changed")},
    {"filter": expressions, "for": st.one_of(record({"minutes": st.integers(1, 90)}), st.integers(1, 90)), "id": names},
)
action = st.recursive(
    record(
        {"action": st.just("automation.log"), "config": record({"message": words.filter(bool)})},
        {"continue_on_error": st.booleans()},
    ),
    lambda inner: st.one_of(
        record({"parallel": st.lists(inner, min_size=1, max_size=2)}),
        record(
            {
                "choose": st.lists(
                    record({"when": expressions, "sequence": st.lists(inner, max_size=2)}), min_size=1, max_size=2
                )
            }
        ),
        record({"repeat": record({"count": st.integers(1, 3)}), "sequence": st.lists(inner, min_size=1, max_size=2)}),
        record({"delay": record({"seconds": st.integers(1, 90)})}),
    ),
    max_leaves=4,
)
automation = record(
    {"triggers": st.lists(trigger, min_size=1, max_size=2), "actions": st.lists(action, max_size=3)},
    {
        "name": words,
        "description": words,
        "max_runs": st.integers(1, 9),
        "concurrency_scope": st.just("context"),
        "state_window_minutes": st.integers(1, 999),
        "conditions": st.lists(expressions, max_size=2),
    },
)
metadata = record(
    {"name": names}, {"title": words, "labels": st.dictionaries(names, words, max_size=2), "extra": words}
)


def document(kind: str, spec: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return record({"apiVersion": st.just(API), "kind": st.just(kind), "metadata": metadata, "spec": spec})


documents = st.lists(
    st.one_of(
        document("Healthcheck", http),
        document("Healthcheck", lifted),
        document("Healthcheck", script),
        document("System", system),
        document("Automation", automation),
        document("Environment", record({}, {"fields": st.dictionaries(names, words, max_size=2)})),
        document("Group", st.just({})),
    ),
    min_size=1,
    max_size=4,
)


class Scribe:
    """Writes data as YAML as many hands would: every choice of style is the random one's."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.step = random.choice([1, 2, 4])
        self.offset = random.choice([0, 2])
        self.comments: list[str] = []
        self.anchors: dict[str, str] = {}

    def file(self, data: list[dict[str, Any]]) -> str:
        text = "---\n".join("\n".join(self.document(each)) + "\n" for each in data)
        return text.replace("\n", self.random.choice(["\n", "\n", "\r\n"]))

    def document(self, data: dict[str, Any]) -> list[str]:
        self.anchors = {}
        return self.map(data, 0)

    def shuffled(self, data: dict[str, Any]) -> dict[str, Any]:
        items = list(data.items())
        if self.random.random() < 0.3:
            self.random.shuffle(items)
        return dict(items)

    def comment(self) -> str:
        self.comments.append(f"# c{len(self.comments)};")
        return self.comments[-1]

    def maybe(self, chance: float = 0.15) -> str:
        return f"  {self.comment()}" if self.random.random() < chance else ""

    def above(self, indent: int) -> list[str]:
        lines = [""] if self.random.random() < 0.08 else []
        return lines + ([" " * indent + self.comment()] if self.random.random() < 0.15 else [])

    def map(self, data: dict[str, Any], indent: int) -> list[str]:
        lines = []
        for key, value in self.shuffled(data).items():
            lines += self.above(indent)
            lines += self.pair(f"{' ' * indent}{self.scalar(key, flow=False, key=True)}:", value, indent, self.step)
        return lines

    def items(self, data: list[Any], indent: int) -> list[str]:
        lines = []
        for value in data:
            lines += self.above(indent)
            if isinstance(value, dict) and value and self.random.random() < 0.6:
                first, *rest = list(self.map(value, indent + 2))
                while not first.strip() or first.lstrip().startswith("#"):
                    lines.append(first)
                    first, *rest = rest
                lines += [f"{' ' * indent}- {first[indent + 2 :]}", *rest]
            else:
                lines += self.pair(f"{' ' * indent}-", value, indent, 2)
        return lines

    def pair(self, head: str, value: Any, indent: int, step: int) -> list[str]:
        """A value after its key or dash; now and then with an anchor, or as an alias of one."""
        known = json.dumps(value)
        if known in self.anchors and self.random.random() < 0.7:
            return [f"{head} *{self.anchors[known]}{self.maybe()}"]
        if value and self.random.random() < 0.1:
            name = f"a{len(self.anchors)}"
            lines = self.value(f"{head} &{name}", value, indent, step, listed=head.endswith("-"))
            self.anchors[known] = name
            return lines
        return self.value(head, value, indent, step, listed=head.endswith("-"))

    def value(self, head: str, value: Any, indent: int, step: int, *, listed: bool) -> list[str]:
        if isinstance(value, dict) and value and self.random.random() < 0.75:
            return [head + self.maybe(), *self.map(value, indent + step)]
        if isinstance(value, list) and value and self.random.random() < 0.75:
            return [head + self.maybe(), *self.items(value, indent + (2 if listed else self.offset))]
        if (
            isinstance(value, str)
            and "\n" in value
            and not value.startswith(("\n", " "))
            and self.random.random() < 0.6
        ):
            body = [" " * (indent + step) + line if line else "" for line in value.split("\n")]
            return [f"{head} |-", *body]
        return [f"{head} {self.flow(value)}{self.maybe()}"]

    def flow(self, value: Any) -> str:
        if isinstance(value, dict):
            pairs = (f"{self.scalar(k, flow=True, key=True)}: {self.flow(v)}" for k, v in self.shuffled(value).items())
            return "{" + ", ".join(pairs) + self.random.choice(["", "", " "]) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(self.flow, value)) + "]"
        return self.scalar(value, flow=True)

    def scalar(self, value: Any, *, flow: bool, key: bool = False) -> str:
        if not isinstance(value, str):
            return (
                {True: "true", False: "false", None: "null"}.get(value, str(value))
                if not isinstance(value, int) or isinstance(value, bool)
                else str(value)
            )
        plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9]+)*", value) and value.lower() not in (
            "yes",
            "null",
            "true",
            "false",
        )
        style = self.random.choice("p's\"" if plain and not (flow and ":" in value) else "'\"")
        if style in "ps":
            return value
        if style == "'" and "\n" not in value:
            return "'" + value.replace("'", "''") + "'"
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(documents, st.randoms(use_true_random=False))
def test_means_the_same_and_loses_nothing(data: list[dict[str, Any]], random: Random) -> None:
    scribe = Scribe(random)
    text = scribe.file(data)
    old = text.encode()
    note(text)
    change = migrate_file("x.yaml", old, WANTED)
    note((change.new or b"").decode())
    assert change.failed == []
    new = change.old if change.new is None else change.new
    before = read_file("x.yaml", "", old, source="test", explicit=False).resources
    after = read_file("x.yaml", "", new, source="test", explicit=False).resources
    assert len(before) == len(after)
    assert all(map(alike, before, after))
    assert migrate._slices(before, SOURCE) == migrate._slices(after, SOURCE)
    assert migrate_file("x.yaml", new, WANTED).new is None
    assert [comment for comment in scribe.comments if comment not in new.decode()] == []
    assert (b"\r\n" in old) == (b"\r\n" in new)
    assert b"\n" not in old.replace(b"\r\n", b"") or b"\r" not in new
