"""From the text of an expression to Jinja2's tree; everything that is no expression of ours ends here."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import TemplateSyntaxError, nodes
from jinja2.lexer import TokenStream
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reconciler.render.faults import TemplateFault
from reconciler.render.tokens import tokens


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(optimized=False, cache_size=0)


def parse(source: str) -> nodes.Expr:
    """The tree of a whole expression, whose ``lineno`` are offsets. Raises :class:`TemplateFault`."""
    parser = Parser(_environment(), "")
    try:
        parser.stream = TokenStream(tokens(source), None, None)
        tree = parser.parse_expression()
        if parser.stream:
            token = parser.stream.current
            raise TemplateFault(
                "template-syntax",
                f"`{_written(token.value)}` isn't expected here",
                offset=token.lineno,
                hint=_meant(token.value),
            )
    except TemplateSyntaxError as error:
        raise TemplateFault("template-syntax", _sentence(error.message or ""), offset=error.lineno) from None
    return tree


def _written(value: Any) -> str:
    written = str(value)
    return written if len(written) <= 60 else written[:57] + "..."


def _meant(value: Any) -> str | None:
    if value == "=":
        return "write `==` to compare"
    return "write `value if condition else other`" if value == ":" else None


def _sentence(message: str) -> str:
    """Jinja2's message without its words for whole templates."""
    message = message.strip().rstrip(".").replace("end of template", "end of the expression")
    if message == "unexpected 'end of the expression'":
        return "the expression ends too early"
    return _written(message) if len(message) <= 60 else message[:200]
