"""Expressions: compiled once for all the templates that hold them, evaluated against JSON data.

Most expressions in real documents are dotted paths (``environment.baseUrl``). Those never load Jinja2, which costs more
than rendering thousands of them; a differential test holds both ways to the same results.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from reconciler.render.bounds import MAX_EXPRESSION, MAX_TEXT, MAX_WORK, Frame, storable, text, weigh
from reconciler.render.cache import CostCache
from reconciler.render.faults import Refused, TemplateFault
from reconciler.render.missing import Missing, root_hint

Clock = Callable[[], float]
"""Milliseconds since 1970, for the few filters that read the time."""
Run = Callable[[Frame], Any]

_PATH = re.compile(r"[^\W\d_]\w*(?:\.[^\W\d_]\w*)*\Z")
_WORDS = frozenset({"true", "false", "none", "True", "False", "None", "not", "and", "or", "if", "else", "in", "is"})


class Compiled(NamedTuple):
    """What compiling yields: ``names`` are the roots with their first offsets, ``clocked`` where the clock is read,
    ``makes`` that a value may be new instead of a part of the context, ``cost`` about the bytes it keeps."""

    run: Run
    names: Mapping[str, int]
    clocked: int | None = None
    makes: bool = False
    cost: int = 1400


class Expression:
    """One compiled expression; ``roots`` are the names it starts from. Made by :func:`compile_expression`."""

    __slots__ = ("_clock", "_compiled", "_run", "clocked", "cost", "roots", "source")

    def __init__(self, source: str, compiled: Compiled, *, clock: Clock | None = None) -> None:
        self.source = source
        self.roots = frozenset(compiled.names)
        self.cost = compiled.cost + len(source)
        self.clocked = compiled.clocked is not None
        self._compiled = compiled
        self._run = compiled.run
        self._clock = clock

    def evaluate(self, context: Mapping[str, Any]) -> Any:
        """The value, JSON data again. Raises :class:`TemplateFault`, also for a value that isn't there."""
        value = self.evaluate_in(Frame(context, self._clock))
        # A made value can hold the same long text many times over; whoever writes it as JSON would pay for each.
        if isinstance(value, (list, dict)) and self._compiled.makes and weigh(value, MAX_WORK) > MAX_WORK:
            raise TemplateFault("template-limit", "the expression makes a value that is too big")
        return value

    def text(self, context: Mapping[str, Any]) -> str:
        """The value as it shows in a rendered text, at most 64 KiB. Raises :class:`TemplateFault`."""
        try:
            return storable(self.text_in(Frame(context, self._clock)))
        except Refused as refused:
            raise refused.at(0) from None

    def evaluate_in(self, frame: Frame) -> Any:
        """The value within a render that is under way, so that all its expressions share one allowance of work."""
        try:
            value = self._run(frame)
        except Refused as refused:
            raise refused.at(0) from None
        except (RecursionError, MemoryError, OverflowError):
            raise TemplateFault("template-limit", "the expression takes more than a template may") from None
        if type(value) is Missing:
            raise value.fault()
        return value

    def text_in(self, frame: Frame) -> str:
        """The text within a render that is under way."""
        value = self.evaluate_in(frame)
        if type(value) is not str:
            try:
                value = text(frame, value)
            except Refused as refused:
                raise refused.at(0) from None
        if len(value) > MAX_TEXT:
            raise TemplateFault("template-limit", f"the text is longer than the {MAX_TEXT} characters a value may have")
        return str(value)

    def checked(self, roots: frozenset[str] | None, clock: Clock | None) -> Expression:
        """Itself when it starts from none but ``roots`` and has the clock it needs; else the first fault is raised."""
        if roots is not None and not self.roots <= roots:
            raise self._foreign(roots)
        if self._compiled.clocked is None:
            return self
        if clock is None:
            raise TemplateFault(
                "template-unsafe",
                "the filter reads the clock; only automations may",
                offset=self._compiled.clocked,
                hint="a plan would differ from one minute to the next",
            )
        return Expression(self.source, self._compiled, clock=clock)

    def _foreign(self, roots: frozenset[str]) -> TemplateFault:
        name, offset = min(
            ((name, at) for name, at in self._compiled.names.items() if name not in roots), key=lambda item: item[1]
        )
        hint = root_hint(name, roots)
        if self.source[offset - 1 : offset] == "-" and self.source[offset - 2 : offset - 1].isalnum():
            hint = 'a key with a hyphen is written in brackets: environment["base-url"]'
        return TemplateFault("template-undefined", f"`{name[:60]}` is undefined", offset=offset, hint=hint)


_cache: CostCache[Expression] = CostCache(48 * 2**20)


def compile_expression(source: str, *, roots: frozenset[str] | None = None, clock: Clock | None = None) -> Expression:
    """Compile a bare expression, without braces. Raises :class:`TemplateFault`.

    ``roots`` are the names it may start from (any, when none are given). Without a ``clock`` (milliseconds since 1970)
    a filter that reads the time is refused.
    """
    stripped = source.strip()
    try:
        return compiled(stripped).checked(roots, clock)
    except TemplateFault as fault:
        raise fault.shifted(len(source) - len(source.lstrip())) from None


def compiled(source: str) -> Expression:
    """The expression of a stripped text, cached; its roots and clock are still to be checked."""
    if found := _cache.get(source):
        return found
    if len(source) > MAX_EXPRESSION:
        raise TemplateFault("template-limit", f"the expression is longer than {MAX_EXPRESSION} characters")
    if not source:
        raise TemplateFault("template-syntax", "the expression is empty")
    if _PATH.match(source) and (root := source.partition(".")[0]) not in _WORDS:
        expression = Expression(source, Compiled(path_run(source), {root: 0}))
    else:
        from reconciler.render.sandbox import compile_tree

        expression = Expression(source, compile_tree(source))
    return _cache.put(source, expression, expression.cost)


def path_run(source: str) -> Run:
    """Evaluate a dotted path without a parser."""
    keys = source.split(".")

    def run(frame: Frame) -> Any:
        value = frame.context
        try:
            for key in keys:
                value = value[key]
        except (KeyError, TypeError):
            return _first_missing(keys, frame.context)
        return value

    return run


def _first_missing(keys: list[str], context: Any) -> Missing:
    value, offset = context, 0
    for index, key in enumerate(keys):
        try:
            value = value[key]
        except (KeyError, TypeError):
            step = f".{key}" if index else key
            return Missing(".".join(keys[:index]), step, key, value, offset=offset)
        offset += len(key) + 1
    raise LookupError(f"no member of {'.'.join(keys)} is missing")
