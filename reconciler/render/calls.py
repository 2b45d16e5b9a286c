"""Bind the arguments of filters and tests when an expression is compiled, and place their refusals when it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from reconciler.render.bounds import Frame
from reconciler.render.faults import Refused, TemplateFault
from reconciler.render.missing import Missing

if TYPE_CHECKING:
    from jinja2 import nodes

    from reconciler.render.expression import Run

Arguments = dict[str, "Run"]


def placed(run: Run, offset: int) -> Run:
    """``run``, with every refusal of its own turned into a fault at ``offset``."""

    def guarded(frame: Frame) -> Any:
        try:
            return run(frame)
        except Refused as refused:
            raise refused.at(offset) from None

    return guarded


def bound(
    function: Callable[..., Any], node: nodes.Filter | nodes.Test, what: str, build: Callable[[nodes.Node], Run]
) -> Arguments:
    """The arguments of a filter or test by the parameter of ``function`` they go to (all after frame and value)."""
    code = function.__code__
    names = code.co_varnames[2 : code.co_argcount]
    required = len(names) - len(function.__defaults__ or ())
    title, offset = node.name, node.lineno
    if node.dyn_args or node.dyn_kwargs:
        raise TemplateFault("template-syntax", f"the {what} `{title}` takes no `*` arguments", offset=offset)
    if len(node.args) > len(names):
        takes = f"at most {len(names)}" if names else "no"
        raise TemplateFault("template-syntax", f"the {what} `{title}` takes {takes} arguments", offset=offset)
    arguments: Arguments = {name: build(argument) for name, argument in zip(names, node.args, strict=False)}
    for pair in cast("list[nodes.Keyword]", node.kwargs):
        if pair.key not in names or pair.key in arguments:
            known = f"it takes: {', '.join(names)}" if names else "it takes none"
            raise TemplateFault(
                "template-syntax", f"the {what} `{title}` has no free argument `{pair.key}`", offset=offset, hint=known
            )
        arguments[pair.key] = build(pair.value)
    for key in names[:required]:
        if key not in arguments:
            raise TemplateFault("template-syntax", f"the {what} `{title}` needs its argument `{key}`", offset=offset)
    return arguments


def applied(function: Callable[..., Any], value: Run, arguments: Arguments, offset: int) -> Run:
    """Call ``function(frame, value, **arguments)`` each time."""
    pairs = list(arguments.items())

    def run(frame: Frame) -> Any:
        subject = value(frame)
        given = {key: argument(frame) for key, argument in pairs}
        try:
            frame.charge(4)
            result = function(frame, subject, **given)
        except Refused as refused:
            raise refused.at(offset) from None
        if type(result) is Missing:
            result.offset = offset
        return result

    return run


def default(value: Run, arguments: Arguments) -> Run:
    """The one filter that decides about a missing value: its replacement is only looked at when it is needed."""
    other = arguments.get("default_value")
    falsy = arguments.get("boolean")

    def run(frame: Frame) -> Any:
        subject = value(frame)
        if type(subject) is not Missing:
            if falsy is None or subject:
                return subject
            wanted = falsy(frame)
            if type(wanted) is Missing:
                raise wanted.fault()
            if not wanted:
                return subject
        return "" if other is None else other(frame)

    return run
