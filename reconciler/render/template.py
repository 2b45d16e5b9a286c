"""Templates: text with ``{{ expression }}`` in it, compiled once and rendered for every environment.

Text is kept byte for byte. There are no blocks, no comments and no trimming; what an expression yields is not rendered
again; ``${{ ... }}`` is not ours. :mod:`reconciler.render.sandbox` says what an expression may do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.render.bounds import MAX_EXPRESSIONS, MAX_TEMPLATE, MAX_TEXT, Frame, storable
from reconciler.render.cache import CostCache
from reconciler.render.expression import Clock, Expression, compile_expression, compiled
from reconciler.render.faults import Refused, TemplateCode, TemplateFault
from reconciler.render.scan import scan

__all__ = [
    "Clock",
    "Expression",
    "Template",
    "TemplateCode",
    "TemplateFault",
    "compile_expression",
    "compile_template",
]


class Template:
    """A compiled template. ``parts`` are its texts and expressions in order, ``roots`` the names it starts from."""

    __slots__ = ("_clock", "_clocked", "_offsets", "parts", "roots", "source")

    def __init__(
        self, source: str, parts: tuple[str | Expression, ...], *, offsets: tuple[int, ...], clock: Clock | None = None
    ) -> None:
        self.source = source
        self.parts = parts
        expressions = [part for part in parts if not isinstance(part, str)]
        self.roots: frozenset[str] = frozenset().union(*(part.roots for part in expressions))
        self._clocked = any(part.clocked for part in expressions)
        self._offsets = offsets
        self._clock = clock

    def render(self, context: Mapping[str, Any]) -> str:
        """The text for one context of JSON data, at most 64 KiB. Raises :class:`TemplateFault`."""
        frame = Frame(context, self._clock)
        rendered: list[str] = []
        size = 0
        try:
            for part in self.parts:
                piece = part if isinstance(part, str) else part.text_in(frame)
                size += len(piece)
                if size > MAX_TEXT:
                    raise TemplateFault("template-limit", f"the rendered text is longer than {MAX_TEXT} bytes")
                rendered.append(piece)
            return storable("".join(rendered))
        except TemplateFault as fault:
            raise fault.shifted(self._offsets[len(rendered)]) from None
        except Refused as refused:
            raise refused.at(0) from None

    def checked(self, roots: frozenset[str] | None, clock: Clock | None) -> Template:
        """Itself, when its expressions start from none but ``roots`` and have the clock they need."""
        if not self._clocked and (roots is None or self.roots <= roots):
            return self
        parts: list[str | Expression] = []
        for part, offset in zip(self.parts, self._offsets, strict=True):
            try:
                parts.append(part if isinstance(part, str) else part.checked(roots, clock))
            except TemplateFault as fault:
                raise fault.shifted(offset) from None
        return Template(self.source, tuple(parts), offsets=self._offsets, clock=clock)


_cache: CostCache[Template] = CostCache(64 * 2**20)


def compile_template(source: str, *, roots: frozenset[str] | None = None, clock: Clock | None = None) -> Template:
    """Compile a text; the same text gives the same template again. Raises :class:`TemplateFault`.

    ``roots`` are the names its expressions may start from (any, when none are given). Without a ``clock`` (milliseconds
    since 1970) a filter that reads the time is refused, since a plan must not differ from one minute to the next.
    """
    return (_cache.get(source) or _compiled(source)).checked(roots, clock)


def _compiled(source: str) -> Template:
    if len(source) > MAX_TEMPLATE:
        raise TemplateFault("template-limit", f"the text is longer than the {MAX_TEMPLATE} characters of a template")
    parts: list[str | Expression] = []
    offsets: list[int] = []
    cost, written = 512 + len(source), 0
    for piece, offset, is_expression in scan(source):
        if is_expression:
            if (written := written + len(piece)) > MAX_EXPRESSIONS:
                message = f"the expressions of the text have more than {MAX_EXPRESSIONS} characters"
                raise TemplateFault("template-limit", message, offset)
            try:
                expression = compiled(piece)
            except TemplateFault as fault:
                raise fault.shifted(offset) from None
            parts.append(expression)
            cost += expression.cost
        else:
            parts.append(piece)
        offsets.append(offset)
    return _cache.put(source, Template(source, tuple(parts), offsets=tuple(offsets)), cost)
