"""Whatever stands in the other tool's files: valid documents or a sentence, never a traceback; and always the same."""

from __future__ import annotations

import copy
import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.flows.importing import NothingRead, convert
from reconciler.importers.names import LONGEST, camel, secret_name, slug, told_apart
from reconciler.importers.probe import plain
from reconciler.importers.text import written
from reconciler.source.yaml import load

GOLDENS = Path(__file__).parent / "goldens"
QUICK = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
ODD: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        2**70,
        10**30,
        "",
        " ",
        "{{",
        "{{ x }}",
        "${{ secrets.X }}",
        "$X",
        "https://",
        "://",
    ),
    *(
        "https://[",
        "https://a:b:c",
        "tcp://x:99999",
        "ü",
        "日本",
        "a" * 300,
        "\u0000",
        "\u2028",
        "a\nb",
        "a: b # c",
        [],
        {},
    ),
    *(
        [None],
        [[]],
        {"": {}},
        {"name": None},
        ["x"],
        {"a": [1]},
        "http",
        "gatus",
        "-----BEGIN CERTIFICATE-----",
        "(",
        "*",
    ),
]
SEEDS = {
    "gatus": ("everything/input/config.yaml", "alerts/input/config.yaml", "kinds-of-url/input/config.yaml"),
    "uptime-kuma": ("everything/input/backup.json", "notifications/input/backup.json", "databases/input/backup.json"),
    "blackbox": (
        "everything/input/prometheus.yml",
        "dns-icmp-grpc/input/blackbox.yml",
        "credentials/input/blackbox.yml",
    ),
}


def seed(format_: str, path: str) -> Any:
    return load((GOLDENS / format_ / path).read_bytes())[0][0].value


SEED_VALUES = [(format_, path, seed(format_, path)) for format_, paths in SEEDS.items() for path in paths]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


@st.composite
def configurations(draw: st.DrawFn) -> tuple[str, str, Any]:
    """A golden input in which a few things were replaced, dropped or repeated."""
    format_, path, value = draw(st.sampled_from(SEED_VALUES))
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 5))):
        where = draw(st.sampled_from([p for p in places(value) if p] or [()]))
        if not where:
            break
        at: Any = value
        for step in where[:-1]:
            at = at[step]
        what = draw(st.sampled_from(["replace", "replace", "drop", "repeat"]))
        if what == "replace":
            at[where[-1]] = copy.deepcopy(draw(st.sampled_from(ODD)))
        elif what == "drop":
            del at[where[-1]]
        elif isinstance(at, list):
            at.append(copy.deepcopy(at[where[-1]]))
    return format_, path, value


@QUICK
@given(configurations())
def test_valid_documents_or_a_sentence(configuration: tuple[str, str, Any]) -> None:
    format_, path, value = configuration
    with tempfile.TemporaryDirectory() as folder:
        name = "config.json" if path.endswith(".json") else "config.yaml"
        place = Path(folder) / name
        place.write_text(json.dumps(value), encoding="utf-8")
        others = [p for p in (GOLDENS / format_ / path).parent.iterdir() if p.name != Path(path).name and p.is_file()]
        files = [place, *others] if format_ == "blackbox" else [place]
        # Validation is part of it: documents that aren't valid would be an error of their own.
        with suppress(NothingRead):
            first = convert(format_, files)
            assert first.files == convert(format_, files).files
            assert first.files


@QUICK
@given(
    st.lists(
        st.one_of(
            st.text(max_size=60),
            st.builds(
                "{}://{}{}/{} {}".format,
                st.sampled_from(["http", "https", "tcp", "icmp", "ftp", ""]),
                st.sampled_from(
                    ["example.net", "staging.example.net", "a:b@dev-x.example.org", "[::1]", "10.0.0.1", "x"]
                ),
                st.sampled_from(["", ":80", ":x", ":99999999"]),
                st.text(max_size=20),
                st.text(max_size=20),
            ),
        ),
        max_size=12,
    )
)
def test_any_list_of_urls(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "list.txt"
        place.write_text("\n".join(lines).encode("utf-8", "replace").decode(), encoding="utf-8")
        with suppress(NothingRead):
            assert convert("urls", [place]).files == convert("urls", [place]).files


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number != 0 or str(number) == "0.0"),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
        st.sampled_from(
            ["yes", "null", "1.5", "0x1", "1_000", "5m", "a: b", "a #b", "- a", "{{ x }}", "${{ secrets.X }}"]
        ),
        st.sampled_from(
            ["1:30", "2024-01-01", "=", "<<", "a\nb\n", " a\nb", "a\n\nb", "\ta", "a:", "?", "!x", "&a", "*a", "|", "#"]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                ["metadata", "config", "headers", "assertions", "url", "name", "true", "a b", "ü: x", "12"]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=20,
)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.dictionaries(st.sampled_from(["metadata", "spec", "kind"]), VALUES, min_size=1), min_size=1, max_size=3)
)
def test_what_is_written_is_read_back(documents: list[dict[str, Any]]) -> None:
    text = written(documents)
    parsed, faults = load(text.encode())
    assert not faults, text
    assert [each.value for each in parsed] == [plain(document) for document in documents], text


@given(st.text(max_size=100))
def test_names_are_names(text: str) -> None:
    name = slug(text, "fallback")
    assert 0 < len(name) <= LONGEST
    assert name.strip("-") == name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert camel(text) == "" or camel(text).isidentifier()
    assert secret_name("x", text)[0].isalpha()
    assert len(secret_name(text, text)) <= LONGEST


@given(st.lists(st.lists(st.sampled_from(["a", "b", "a-2", "c" * 63]), min_size=1, max_size=3), max_size=8))
def test_names_differ(candidates: list[list[str]]) -> None:
    names = told_apart(candidates)
    assert len(set(names)) == len(names) == len(candidates)
    assert all(len(name) <= LONGEST for name in names)
