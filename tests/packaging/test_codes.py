"""One table explains every code that a diagnostic can carry, and none that there isn't.

examples/reference/diagnostics.md shows it.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

from reconciler.kinds.pins import _WORDS
from reconciler.report.codes import MEANINGS, TABLE, markdown

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


def test_every_code_has_a_meaning_and_no_other() -> None:
    assert sum(len(row.codes) for row in TABLE) == len(MEANINGS), "a code stands twice in the table"
    assert set(MEANINGS) == codes(), "reconciler/report/codes.py differs from what the code base uses"
    assert all(len(meaning) < 100 and "\n" not in meaning for meaning in MEANINGS.values())


def test_the_page_shows_the_table() -> None:
    page = ROOT / "examples" / "reference" / "diagnostics.md"
    text = page.read_text(encoding="utf-8")
    found = re.search(r"^\| code \| means \|\n(?:\|.*\n)+", text, re.MULTILINE)
    assert found is not None
    if os.environ.get("GITOPS_UPDATE_GOLDENS"):
        page.write_text(text.replace(found[0], markdown()), encoding="utf-8")
    else:
        assert found[0] == markdown(), f"GITOPS_UPDATE_GOLDENS=1 pytest {__file__} refreshes it"


def test_the_walk_finds_codes_of_all_stages() -> None:
    """A guard against a table that is complete because nothing was found."""
    assert {
        *("yaml-syntax", "symlink", "unknown-key", "template-undefined", "migration-failed"),
        *("duplicate-name", "cycle", "settings", "bad-value", "missing-pin", "foreign-document"),
    } <= codes()
    assert len(codes()) >= 45
