"""Find the expressions of a template: ``{{``, an expression that may itself hold strings and braces, ``}}``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.render.faults import TemplateFault

_SIMPLE = re.compile(r"\{\{\s*([^\W\d]\w*(?:\.[^\W\d]\w*)*)\s*\}\}")
_NEXT = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[{}'"]""", re.DOTALL)
_TRIM = "whitespace around an expression can't be trimmed: the text is kept byte for byte"


def scan(source: str) -> Iterator[tuple[str, int, bool]]:
    """The pieces of a template in order: text, its offset, and whether it is an expression (stripped of blanks).

    ``${{`` stays text, with all that follows up to the next ``{{``: it names a secret, and CI systems use it too.
    Raises :class:`TemplateFault` for an expression that has no end.
    """
    done = search = 0
    while (start := source.find("{{", search)) >= 0:
        if start and source[start - 1] == "$":
            search = start + 2
            continue
        if start > done:
            yield source[done:start], done, False
        if simple := _SIMPLE.match(source, start):
            yield simple.group(1), simple.start(1), True
            done = search = simple.end()
            continue
        end = _end(source, start)
        inner = source[start + 2 : end]
        if inner[:1] in ("-", "+") or inner[-1:] in ("-", "+"):
            raise TemplateFault("template-syntax", _TRIM, offset=start, hint="for a sign, write a blank: `{{ -1 }}`")
        stripped = inner.strip()
        if not stripped:
            raise TemplateFault("template-syntax", "the expression is empty", offset=start)
        yield stripped, start + 2 + len(inner) - len(inner.lstrip()), True
        done = search = end + 2
    if done < len(source):
        yield source[done:], done, False


def _end(source: str, start: int) -> int:
    """Where the ``}}`` of the ``{{`` at ``start`` is: outside of strings, and not the end of a mapping."""
    depth, position = 0, start + 2
    while match := _NEXT.search(source, position):
        position = match.end()
        found = match.group()
        if found == "{":
            depth += 1
        elif found == "}":
            if depth:
                depth -= 1
            elif source.startswith("}", position):
                return match.start()
        elif len(found) == 1:
            raise TemplateFault("template-syntax", "this text is never closed by a quote", offset=match.start())
    raise TemplateFault("template-syntax", "this `{{` is never closed", offset=start, hint="add `}}`")
