"""What a field means, on a screen."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from reconciler.base.canonical import dumps
from reconciler.kinds.explain import Child, Explained
from reconciler.report.diagnostics_json import FORMAT
from reconciler.report.style import Style
from reconciler.report.table import table

_WIDTH = 96


def explained_text(found: Explained, style: Style) -> Iterator[str]:
    """The field, then what stands below it."""
    need = "required" if found.required else f"default {found.default}" if found.default is not None else "optional"
    yield f"{style(found.path, 'bold')}  {found.type}, {need}"
    for text in (found.description, *found.notes):
        yield from (f"  {line}" for line in wrap(text, _WIDTH))
    for example in found.examples:
        yield f"  example: {example if isinstance(example, str) else dumps(example).decode()}"
    if found.children:
        yield ""
        yield from _children(found.children, style)
    if found.pins:
        yield ""
        yield style("What can stand here; each can be explained", "bold")
        yield from (f"  {line}" for line in wrap(", ".join(found.pins), _WIDTH, break_on_hyphens=False))
    if found.results:
        yield ""
        rows = [[f.name, f.type, ", ".join(operators)] for f, operators in found.results]
        yield from table(["ASSERTIONS NAME", "TYPE", "OPERATORS"], rows, style)


def explained_json(found: Explained) -> dict[str, Any]:
    """The same facts."""
    told = found._asdict()
    told["children"] = [c._asdict() for c in found.children]
    told["results"] = [
        {"name": f.name, "type": f.type, "description": f.description, "operators": list(operators)}
        for f, operators in found.results
    ]
    return {"format": FORMAT, **told}


def _children(children: tuple[Child, ...], style: Style) -> Iterator[str]:
    width = max(len(c.name) for c in children)
    indent = " " * (width + 4)
    for c in children:
        name = style(c.name.ljust(width), "bold")
        yield f"  {name}  {c.type}{', required' if c.required else ''}"
        yield from (f"{indent}{line}" for line in wrap(c.description, _WIDTH - len(indent)))
