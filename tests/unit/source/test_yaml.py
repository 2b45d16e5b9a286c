"""Values, lines and faults of YAML files."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.source import parsers
from reconciler.source.limits import MAX_BYTES, MAX_DOCUMENTS, MAX_FAULTS
from reconciler.source.yaml import YamlFault, load


@pytest.fixture(params=["c", "pure"])
def _each_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure":
        for module in ("yaml", "recover"):
            monkeypatch.setattr(f"reconciler.source.{module}.c_parser", lambda: None)


def one(text: str | bytes) -> Any:
    data = text.encode() if isinstance(text, str) else text
    parsed, faults = load(data)
    assert faults == []
    assert len(parsed) == 1
    return parsed[0].value


def fault(text: str | bytes) -> YamlFault:
    data = text.encode() if isinstance(text, str) else text
    _, faults = load(data)
    assert len(faults) == 1, faults
    return faults[0]


@pytest.mark.usefixtures("_each_parser")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("Off", "Off"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("012", 12),
        ("-012", -12),
        ("+3", 3),
        ("0o14", 12),
        ("0xfF", 255),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z"),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".", "."),
        ("-x", "-x"),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("0x7fffffffffffffff", 2**63 - 1),
        ("0o777777777777777777777", 2**63 - 1),
        ("1.10", 1.1),
        ("v1", "v1"),
        ("'1'", "1"),
        ('"null"', "null"),
        ("!!str 1", "1"),
        ("! 1", "1"),
        ("!!int '5'", 5),
        ("!!float 2", 2.0),
        ("!!bool 'true'", True),
        ("!!null ''", None),
        ("!!map {a: 1}", {"a": 1}),
        ("!!seq [1]", [1]),
        ("[http://x]", ["http://x"]),
        ("{url: http://a:80/b}", {"url": "http://a:80/b"}),
        ("|\n   one\n    two\n", "one\n two\n"),
        (r'"\u00e9\ud83d\ude00"', "é\U0001f600"),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: Any) -> None:
    read = one(f"k: {text}\n")
    assert read == {"k": value}
    assert type(read["k"]) is type(value)


@pytest.mark.usefixtures("_each_parser")
@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a: .inf", "bad-number", 1, 4),
        ("a:\n  - -.INF", "bad-number", 2, 5),
        ("a: .nan", "bad-number", 1, 4),
        ("a: 9223372036854775808", "bad-number", 1, 4),
        ("a: 0xffffffffffffffff", "bad-number", 1, 4),
        ("a: " + "9" * 5000, "bad-number", 1, 4),
        ("a: 1234567e12345", "bad-number", 1, 4),
        ("a: !!int x", "bad-number", 1, 4),
        ("a: !!bool yes", "unknown-tag", 1, 4),
        ("a: !!timestamp 2024-01-01", "unknown-tag", 1, 4),
        ("a:\n  b: !secret x", "unknown-tag", 2, 6),
        ("a: !vault [x]", "unknown-tag", 1, 4),
        ("a: !!set {x: }", "unknown-tag", 1, 4),
        ("é: 1\na: 2\né: 3", "duplicate-key", 3, 1),
        ("1: x", "bad-key", 1, 1),
        ("true: x", "bad-key", 1, 1),
        ("null: x", "bad-key", 1, 1),
        ("1.5: x", "bad-key", 1, 1),
        ("? [a]\n: x", "bad-key", 1, 3),
        ("é: {{ x }}", "bad-key", 1, 5),
        ("a:\n\tb: 1", "tab-indent", 2, 1),
        ("a:\n  b: 1\n \tc: 2", "tab-indent", 3, 2),
        ("a: *nope", "yaml-syntax", 1, 4),
        ("a: b: c", "yaml-syntax", 1, 5),
        ("a: [1, 2\nb: 3\n", "yaml-syntax", 2, 2),
        ("a: 'x", "yaml-syntax", 1, 6),
        ("a: @x", "yaml-syntax", 1, 4),
        ('a: "\\ud83d"', "yaml-syntax", 1, 4),
        ("é: a\x07", "bad-encoding", 1, 5),
        ("a: 1\x00", "bad-encoding", 1, 5),
        ("a: x\u2028y", "bad-encoding", 1, 5),
        ("a: x\x85y", "bad-encoding", 1, 5),
        (b"a: 1\n\xc3\xa9: \xff\n", "bad-encoding", 2, 4),
        (b"\xff\xfea\x00", "bad-encoding", 1, 1),
        (b"a\x00:\x00", "bad-encoding", 1, 1),
        (b"\x00\x00\x00a", "bad-encoding", 1, 1),
        ("a: &x [*x]", "yaml-limit", 1, 8),
        ("%A\n", "yaml-syntax", 2, 1),
        ("[" * 100_000, "yaml-limit", 1, 65),
        ("{a: " * 100_000, "yaml-limit", 1, 257),
        ("- " * 100_000, "yaml-limit", 1, 129),
    ],
)
def test_a_fault_has_a_code_and_its_place(text: str | bytes, code: str, line: int, column: int) -> None:
    found = fault(text)
    assert (found.code, found.line, found.column) == (code, line, column)


def test_the_second_of_two_keys_is_named_with_the_first() -> None:
    found = fault("# c\na:\n  x: 1\n  y: 2\n  x: 3\n")
    assert found.line == 5
    assert "'x'" in found.message
    assert "first in line 3" in found.message


def test_an_unquoted_template_says_so() -> None:
    for text in ("url: {{ environment.baseUrl }}", "url: {{ environment.baseUrl }}/ready"):
        found = load(text.encode())[1][0]
        assert found.hint is not None
        assert "quoted" in found.hint


def test_several_faults_of_one_document_are_all_told() -> None:
    parsed, faults = load(b"a: .inf\nb: !x 1\n1: 2\nc: 3\nc: 4\n")
    assert parsed == []
    assert [(f.code, f.line) for f in faults] == [
        ("bad-number", 1),
        ("unknown-tag", 2),
        ("bad-key", 3),
        ("duplicate-key", 5),
    ]


def test_faults_of_one_document_are_bounded() -> None:
    _, faults = load(b"".join(b"%d: x\n" % i for i in range(10_000)))
    assert len(faults) == MAX_FAULTS + 1
    assert faults[-1].code == "yaml-limit"
    _, faults = load(b"a: 1\n" * 1000)
    assert "first in line 1" in faults[0].message


@pytest.mark.usefixtures("_each_parser")
def test_a_broken_document_hides_no_neighbour() -> None:
    data = (
        b"# first\na: 1\n---\nb: [1\n---\nc: 3\n--- # empty\n---\nd: 'x\n---\n# only a comment\n---\n"
        b"e: |\n  --- no marker\n  x\n...\n%YAML 1.2\n---\nf: \xff\n---\ng: 7\ng: 8\n---\nh: 9\n"
    )
    parsed, faults = load(data)
    assert [(p.index, p.line, p.value) for p in parsed] == [
        (0, 2, {"a": 1}),
        (2, 6, {"c": 3}),
        (6, 13, {"e": "--- no marker\nx\n"}),
        (9, 24, {"h": 9}),
    ]
    assert [(f.code, f.line) for f in faults] == [
        ("yaml-syntax", 5),
        ("yaml-syntax", 10),
        ("bad-encoding", 19),
        ("duplicate-key", 22),
    ]


@pytest.mark.usefixtures("_each_parser")
@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n---\nb: 2\n",
        "\ufeffa: 1\n---\nb: 2\n",
        "a: 1\r\n---\r\nb: 2\r\n",
        "---\na: 1\n---\nb: 2",
        "---\na: 1\n...\n---\nb: 2\n...\n",
        "%YAML 1.2\n---\na: 1\n...\n%YAML 1.2\n---\nb: 2\n",
        "# x\n\n---\n# y\na: 1\n--- {b: 2}\n",
        "a: 1\n...\nb: 2\n",
        "--- &x\na: 1\n--- !!map\nb: 2\n",
    ],
)
def test_documents_are_parted_by_markers(text: str) -> None:
    parsed, faults = load(text.encode())
    assert faults == []
    assert [(p.index, p.value) for p in parsed] == [(0, {"a": 1}), (1, {"b": 2})]


@pytest.mark.parametrize("text", ["", "# only\n", "---\n", "---\n---\n...\n", "null\n", "...\n", "\ufeff", "--- ~"])
def test_empty_documents_are_left_out(text: str) -> None:
    assert load(text.encode()) == ([], [])


def test_empty_documents_count() -> None:
    parsed, _ = load(b"---\n---\n# x\n---\nnull\n---\n- 1\n---\ntext\n")
    assert [(p.index, p.line, p.value) for p in parsed] == [(3, 7, [1]), (4, 9, "text")]


@pytest.mark.usefixtures("_each_parser")
def test_merge_keys_yield_to_explicit_ones() -> None:
    read = one(
        "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\n"
        "one: {y: 0, <<: *a}\nmany:\n  <<: [*a, *b]\n  w: 3\nplain: {'<<': 1}\nvalue: <<\n"
    )
    assert read["one"] == {"x": 1, "y": 0}
    assert read["many"] == {"x": 1, "y": 1, "z": 2, "w": 3}
    assert read["plain"] == {"<<": 1}
    assert read["value"] == "<<"


def test_a_merge_of_something_else_is_refused() -> None:
    found = fault("a:\n  b: 1\n  <<: 1\n  c: 2\nd: 3\n")
    assert (found.code, found.line, found.column) == ("bad-key", 3, 3)
    inside = fault("k: &k {x: 1}\na:\n  <<:\n    <<: *k\n  b:\n    <<: 1\n")
    assert (inside.code, inside.line, inside.column) == ("bad-key", 6, 5)
    assert fault("b: &b {x: 1}\na: {<<: *b, <<: *b}").code == "duplicate-key"


def test_aliases_are_copies() -> None:
    read = one("a: &a {x: [1]}\nb: *a\nc: &s text\nd: *s\n*s : key\n")
    assert read["a"] == read["b"]
    assert read["a"] is not read["b"]
    assert read["a"]["x"] is not read["b"]["x"]
    assert (read["d"], read["text"]) == ("text", "key")


def bomb(levels: int) -> str:
    lines = ["l0: &l0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"l{i}: &l{i} [{','.join([f'*l{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


def test_aliases_are_weighed_by_what_they_stand_for() -> None:
    assert fault(bomb(9)).code == "yaml-limit"
    assert len(one(bomb(4))["l3"]) == 10
    many = "---\n".join([bomb(4) + "\n"] * 20)
    parsed, faults = load(many.encode())
    assert faults
    assert {f.code for f in faults} == {"yaml-limit"}
    assert parsed


def test_aliases_count_towards_the_depth() -> None:
    deep = "a: &a " + "[" * 60 + "]" * 60 + "\nb: [[[[[[[*a]]]]]]]\n"
    assert fault(deep).code == "yaml-limit"


def test_limits_of_a_file() -> None:
    assert fault(b"-" * (50 * 1024 * 1024)).code == "yaml-limit"
    assert fault(b"x" * (MAX_BYTES + 1)).code == "yaml-limit"
    parsed, faults = load(b"--- {a: 1}\n" * (MAX_DOCUMENTS + 1))
    assert len(parsed) == MAX_DOCUMENTS
    assert [f.code for f in faults] == ["yaml-limit"]


def test_the_c_parser_is_there() -> None:
    assert parsers.c_parser() is not None
