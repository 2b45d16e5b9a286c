"""Templates and expressions at run time. What can't be evaluated is a sentence, and never anything else.

All templates and expressions of one scope share the work that one render may do, so that a config of a thousand of
them, or as many conditions, cost no more than a single one can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from reconciler.automate.context import Scope
from reconciler.base.canonical import dumps, loads
from reconciler.base.diagnostics import Path
from reconciler.kinds.texts import reach
from reconciler.render.bounds import MAX_TEXT, MAX_WORK, Frame, storable, weigh
from reconciler.render.expression import compile_expression
from reconciler.render.faults import Refused, TemplateFault
from reconciler.render.template import compile_template

MAX_RENDERED = 1024 * 1024
"""Characters of all the rendered texts of one block."""


class Broken(Exception):
    """It can't be evaluated, or there is no doing it; the message is a sentence for people."""


def evaluate(source: str, scope: Scope, what: str = "the expression") -> Any:
    """The value of a bare expression. Raises :class:`Broken`, which says ``what`` can't be evaluated."""
    try:
        expression = compile_expression(source, clock=scope.clock)
        with _allowance(scope) as frame:
            value = expression.evaluate_in(frame)
    except TemplateFault as fault:
        raise Broken(f"{what} can't be evaluated: {_sentence(fault)}") from None
    # A made value can hold the same long text many times over; whoever writes it as JSON would pay for each.
    if isinstance(value, (list, dict)) and weigh(value, MAX_WORK) > MAX_WORK:
        raise Broken(f"{what} can't be evaluated: it makes a value that is too big")
    return value


def text(source: str, scope: Scope, what: str) -> str:
    """The text of a template. Raises :class:`Broken`."""
    return _Job(scope).text(source, what)


def whole(value: Any, scope: Scope, what: str) -> Any:
    """JSON data with all texts in it rendered; keys aren't. Raises :class:`Broken`."""
    return _Job(scope).whole(value, what)


def config(action: str, given: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """An action's config with those fields rendered that its model marks; secrets stay references, scripts untouched.

    Raises :class:`Broken`, also for an action that this installation lacks.
    """
    job, filled = _Job(scope), loads(dumps(dict(given)))
    for keys in places(action):
        if keys[0] in filled:
            for path, value in reach(filled, keys, ()):
                _put(filled, path, job.whole(value, f"config.{spelled(path)}"))
    return dict(filled)


@cache
def places(action: str) -> tuple[tuple[str, ...], ...]:
    """The keys of an action's config that are rendered while it runs. Raises :class:`Broken`."""
    from reconciler.kinds import shape
    from reconciler.kinds.marks import Runtime, Secret, SecretName

    found = []
    for keys, marks in shape.marked(model(action)):
        rendered = any(isinstance(mark, Runtime) and mark.form == "template" for mark in marks)
        if rendered and not any(isinstance(mark, (Secret, SecretName)) for mark in marks):
            found.append(keys)
    return tuple(found)


@cache
def model(action: str) -> Any:
    """The model of an action's config, by its name with a version. Raises :class:`Broken`."""
    from reconciler.kinds.pins import resolve
    from reconciler.kinds.table import extend

    extend()
    loaded, fault = resolve("actions", action, ())
    if loaded is None or fault is not None:
        raise Broken(fault.message if fault is not None else f"there is no action {action} in this installation")
    return loaded.model


def spelled(path: Path) -> str:
    """A path as messages show it: ``headers[0].value``."""
    written = ""
    for step in path:
        written += f"[{step}]" if isinstance(step, int) else f".{step}" if written else str(step)
    return written


class _Job:
    """The rendering of one block."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._left = MAX_RENDERED

    def text(self, source: str, what: str) -> str:
        if "{{" not in source:
            return source
        pieces: list[str] = []
        size = 0
        try:
            parts = compile_template(source, clock=self._scope.clock).parts
            with _allowance(self._scope) as frame:
                for part in parts:
                    pieces.append(part if isinstance(part, str) else part.text_in(frame))
                    size += len(pieces[-1])
                    if size > MAX_TEXT:
                        raise Refused("template-limit", f"the rendered text is longer than {MAX_TEXT} bytes")
            made = storable("".join(pieces))
            self._left -= len(made)
            if self._left < 0:
                raise Refused("template-limit", f"all rendered texts are longer than {MAX_RENDERED} characters")
            return made
        except (TemplateFault, Refused) as fault:
            raise Broken(f"{what} can't be rendered: {_sentence(fault)}") from None

    def whole(self, value: Any, what: str) -> Any:
        if isinstance(value, str):
            return self.text(value, what)
        if isinstance(value, dict):
            return {key: self.whole(item, f"{what}.{key}") for key, item in value.items()}
        if isinstance(value, list):
            return [self.whole(item, f"{what}[{index}]") for index, item in enumerate(value)]
        return value


@contextmanager
def _allowance(scope: Scope) -> Iterator[Frame]:
    """One render within what its scope may still do."""
    frame = Frame(scope, scope.clock)
    frame.left = scope.left
    try:
        yield frame
    finally:
        scope.left = frame.left


def _sentence(fault: TemplateFault | Refused) -> str:
    hint = getattr(fault, "hint", None)
    return f"{fault.message} ({hint})" if hint else fault.message


def _put(holder: Any, path: Path, value: Any) -> None:
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
