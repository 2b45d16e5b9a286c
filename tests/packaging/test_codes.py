"""README.md explains every code that a diagnostic can carry, and none that there isn't."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from reconciler.kinds.pins import _WORDS

ROOT = Path(__file__).parents[2]
_CODE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_MAKERS = {
    *("Fault", "Diagnostic", "YamlFault", "TemplateFault", "Refused", "file_fault"),
    *("_Fault", "_fault", "_Complaint", "PydanticCustomError"),
}
"""Calls whose first argument is a code."""
_CONSTANTS = ("source/faults.py", "source/tree.py")
"""Modules whose upper-case constants are codes."""
_TUPLES = ("kinds/faults.py", "versioning/shape.py")
"""Modules with functions that return a code as the first of a tuple."""


def codes() -> set[str]:
    """Of all modules, by where they stand in the code."""
    found = {f"unknown-{word}" for table, word in _WORDS.items() if table != "kinds"}  # composed from the table's word
    for file in sorted((ROOT / "reconciler").rglob("*.py")):
        where = file.relative_to(ROOT / "reconciler").as_posix()
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found.update(c for c in _in(tree, where) if _CODE.fullmatch(c))
    return found


def _in(tree: ast.Module, where: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _MAKERS and node.args:
                yield from _texts(node.args[0])
            for keyword in node.keywords:
                if keyword.arg in ("code", "custom_error_type"):
                    yield from _texts(keyword.value)
        elif isinstance(node, ast.FunctionDef):
            names = [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]
            if "code" in names:
                defaults = dict(zip(reversed(node.args.args), reversed(node.args.defaults), strict=False))
                values = [*defaults.items(), *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]
                yield from (t for a, v in values if a.arg == "code" and v is not None for t in _texts(v))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            names = [getattr(target, "id", "") for target in node.targets[0].elts]
            if "code" in names and isinstance(node.value, ast.Tuple):
                yield from _texts(node.value.elts[names.index("code")])
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id == "code" or (where in _CONSTANTS and node.targets[0].id.isupper()):
                yield from _texts(node.value)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and where in _TUPLES:
            yield from _texts(node.value.elts[0])


def _texts(node: ast.expr) -> Iterator[str]:
    """The text, or the texts of a choice."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def documented() -> list[str]:
    """The first column of the table below the headline, with several codes in one row."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"^## Diagnostics\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    rows = re.findall(r"^\| (`[^|]+) \|", section[1], re.MULTILINE)
    return [code for row in rows for code in re.findall(r"`([a-z0-9-]+)`", row)]


def test_every_code_is_documented_and_no_other() -> None:
    told = documented()
    assert len(told) == len(set(told)), "a code stands twice in README.md"
    assert set(told) == codes(), "the table of codes in README.md differs from what the code base uses"


def test_the_walk_finds_codes_of_all_stages() -> None:
    """A guard against a table that is complete because nothing was found."""
    assert {
        *("yaml-syntax", "symlink", "unknown-key", "template-undefined", "migration-failed"),
        *("duplicate-name", "cycle", "settings", "bad-value", "missing-pin", "foreign-document"),
    } <= codes()
    assert len(codes()) >= 45
