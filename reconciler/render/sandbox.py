"""Expressions beyond dotted paths: Jinja2 parses them, a written-out list of its nodes becomes closures.

Jinja2 itself compiles to Python code and guards that code at run time; escapes from its sandbox went through what the
generated code could reach. Here nothing is generated: a node that isn't in the table can't be said, members are keys of
mappings, there are no calls, and what operators and filters make is bounded. It also compiles several times faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import nodes

from reconciler.render import calls, members
from reconciler.render.bounds import MAX_DEPTH, Frame
from reconciler.render.expression import Compiled, Run
from reconciler.render.faults import TemplateCode, TemplateFault, closest, shown
from reconciler.render.filters import FILTERS
from reconciler.render.missing import Missing
from reconciler.render.operate import BINARY, COMPARE, Binary, concatenated, sign
from reconciler.render.predicates import TESTS
from reconciler.render.syntax import parse


def compile_tree(source: str) -> Compiled:
    """Compile a whole expression. Raises :class:`TemplateFault`; its length was checked before."""
    builder = _Builder()
    try:
        run = builder.soft(parse(source), 0)
    except (RecursionError, MemoryError, OverflowError):
        raise TemplateFault("template-limit", "the expression is nested too deeply") from None
    return Compiled(run, builder.names, builder.clocked, makes=True, cost=1024 + 600 * builder.nodes)


class _Builder:
    """``soft`` closures may give a :class:`Missing`, ``strict`` ones raise its fault, ``lenient`` ones make it null."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.clocked: int | None = None
        self.nodes = 0

    def soft(self, node: nodes.Node, depth: int) -> Run:
        if depth > MAX_DEPTH:
            raise TemplateFault("template-limit", "the expression is nested too deeply", offset=node.lineno)
        self.nodes += 1
        build = _TABLE.get(type(node))
        if build is None:
            raise TemplateFault("template-unsafe", "templates don't allow this", offset=node.lineno)
        return build(self, node, depth + 1)

    def strict(self, node: nodes.Node, depth: int) -> Run:
        run = self.soft(node, depth)
        if not isinstance(node, _MAY_MISS):
            return run

        def use(frame: Frame) -> Any:
            value = run(frame)
            if type(value) is Missing:
                raise value.fault()
            return value

        return use

    def lenient(self, node: nodes.Node, depth: int) -> Run:
        run = self.soft(node, depth)

        def null(frame: Frame) -> Any:
            value = run(frame)
            return None if type(value) is Missing else value

        return null


def _const(builder: _Builder, node: nodes.Const, depth: int) -> Run:
    value = node.value
    return lambda frame: value


def _name(builder: _Builder, node: nodes.Name, depth: int) -> Run:
    _public(node.name, node.lineno)
    builder.names.setdefault(node.name, node.lineno)
    return members.root(node.name, offset=node.lineno)


def _attribute(builder: _Builder, node: nodes.Getattr, depth: int) -> Run:
    offset = node.lineno + 1
    _public(node.attr, offset)
    return members.key(
        builder.soft(node.node, depth), node.attr, path=_path(node.node), step=f".{node.attr}", offset=offset
    )


def _item(builder: _Builder, node: nodes.Getitem, depth: int) -> Run:
    argument = node.arg
    if isinstance(argument, nodes.Slice):
        limits = [
            None if limit is None else builder.strict(limit, depth)
            for limit in (argument.start, argument.stop, argument.step)
        ]
        return members.part(builder.strict(node.node, depth), limits, offset=node.lineno)
    base = builder.soft(node.node, depth)
    if isinstance(argument, nodes.Const) and isinstance(argument.value, str):
        name = argument.value
        return members.key(base, name, path=_path(node.node), step=f"[{name!r}]", offset=node.lineno)
    return members.item(base, builder.strict(argument, depth), path=_path(node.node), offset=node.lineno)


def _list(builder: _Builder, node: nodes.List | nodes.Tuple, depth: int) -> Run:
    items = [builder.strict(item, depth) for item in node.items]
    return lambda frame: [item(frame) for item in items]


def _mapping(builder: _Builder, node: nodes.Dict, depth: int) -> Run:
    for pair in node.items:
        if not (isinstance(pair.key, nodes.Const) and isinstance(pair.key.value, str)):
            raise TemplateFault("template-syntax", "the keys of a mapping are texts in quotes", offset=pair.lineno)
    pairs = [(pair.key.as_const(), builder.strict(pair.value, depth)) for pair in node.items]
    return lambda frame: {key: value(frame) for key, value in pairs}


def _choice(builder: _Builder, node: nodes.CondExpr, depth: int) -> Run:
    if node.expr2 is None:
        raise TemplateFault("template-syntax", "the `if` has no `else`", offset=node.lineno, hint="add `else ''`")
    test = builder.strict(node.test, depth)
    then, other = builder.soft(node.expr1, depth), builder.soft(node.expr2, depth)
    return lambda frame: then(frame) if test(frame) else other(frame)


def _and(builder: _Builder, node: nodes.And, depth: int) -> Run:
    left, right = builder.strict(node.left, depth), builder.strict(node.right, depth)
    return lambda frame: left(frame) and right(frame)


def _or(builder: _Builder, node: nodes.Or, depth: int) -> Run:
    left, right = builder.strict(node.left, depth), builder.strict(node.right, depth)
    return lambda frame: left(frame) or right(frame)


def _not(builder: _Builder, node: nodes.Not, depth: int) -> Run:
    value = builder.strict(node.node, depth)
    return lambda frame: not value(frame)


def _sign(builder: _Builder, node: nodes.Neg | nodes.Pos, depth: int) -> Run:
    symbol, value = ("-" if isinstance(node, nodes.Neg) else "+"), builder.strict(node.node, depth)
    return calls.placed(lambda frame: sign(symbol, value(frame)), node.lineno)


def _binary(builder: _Builder, node: nodes.BinExpr, depth: int) -> Run:
    function = BINARY[node.operator]
    left, right = builder.strict(node.left, depth), builder.strict(node.right, depth)
    return calls.placed(lambda frame: function(frame, left(frame), right(frame)), node.lineno)


def _concat(builder: _Builder, node: nodes.Concat, depth: int) -> Run:
    values = [builder.strict(value, depth) for value in node.nodes]
    return calls.placed(lambda frame: concatenated(frame, [value(frame) for value in values]), node.lineno)


def _compare(builder: _Builder, node: nodes.Compare, depth: int) -> Run:
    first = builder.strict(node.expr, depth)
    rest: list[tuple[Binary, Run]] = [(COMPARE[each.op], builder.strict(each.expr, depth)) for each in node.ops]

    def run(frame: Frame) -> bool:
        left = first(frame)
        for function, operand in rest:
            right = operand(frame)
            if not function(frame, left, right):
                return False
            left = right
        return True

    # Jinja2 numbers a comparison by what follows it.
    return calls.placed(run, node.expr.lineno)


def _filter(builder: _Builder, node: nodes.Filter, depth: int) -> Run:
    offset = node.lineno
    if node.node is None or (entry := FILTERS.get(node.name)) is None:
        raise _unknown("filter", node.name, list(FILTERS), offset)
    if entry.clock and builder.clocked is None:
        builder.clocked = offset
    how = {"soft": builder.soft, "lenient": builder.lenient, "strict": builder.strict}
    value = how[entry.missing](node.node, depth)
    arguments = calls.bound(entry.call, node, "filter", lambda each: how[entry.missing](each, depth))
    if entry.missing == "soft":
        return calls.default(value, arguments)
    return calls.applied(entry.call, value, arguments, offset)


def _test(builder: _Builder, node: nodes.Test, depth: int) -> Run:
    if node.name in ("defined", "undefined"):
        calls.bound(_no_arguments, node, "test", lambda each: builder.soft(each, depth))
        soft, wanted = builder.soft(node.node, depth), node.name == "undefined"
        return lambda frame: (type(soft(frame)) is Missing) is wanted
    function = TESTS.get(node.name)
    if function is None:
        raise _unknown("test", node.name, [*TESTS, "defined", "undefined"], node.lineno)
    arguments = calls.bound(function, node, "test", lambda each: builder.strict(each, depth))
    return calls.applied(function, builder.strict(node.node, depth), arguments, node.lineno)


def _no_arguments(frame: Frame, value: Any) -> Any:
    return value


def _call(builder: _Builder, node: nodes.Call, depth: int) -> Run:
    hint, called = "values are changed by filters: `value | upper`", node.node
    if isinstance(called, nodes.Getattr):
        _public(called.attr, called.lineno + 1)
        meant = closest(called.attr, list(FILTERS))
        hint = f"write `| {meant}`" if meant else hint
    raise TemplateFault("template-unsafe", "templates can't call functions or methods", offset=node.lineno, hint=hint)


def _public(name: str, offset: int) -> None:
    if name.startswith("_"):
        hint = 'a key that begins with an underscore is written in brackets: environment["_key"]'
        raise TemplateFault("template-unsafe", f"`{name[:60]}` begins with an underscore", offset=offset, hint=hint)


def _unknown(what: str, name: str, known: list[str], offset: int) -> TemplateFault:
    meant = closest(name, known)
    hint = f"did you mean {meant}?" if meant else f"there are: {shown(known)}"
    code: TemplateCode = "template-unsafe" if name in ("attr", "map", "xmlattr") else "template-syntax"
    return TemplateFault(code, f"there is no {what} `{name[:60]}`", offset=offset, hint=hint)


def _path(node: nodes.Node) -> str:
    """The chain of members as written, for messages; calls itself at most :data:`MAX_DEPTH` times."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{_path(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem):
        return f"{_path(node.node)}[{repr(node.arg.value) if isinstance(node.arg, nodes.Const) else '...'}]"
    return "value"


_MAY_MISS = (nodes.Name, nodes.Getattr, nodes.Getitem, nodes.CondExpr, nodes.Filter)
_TABLE: dict[type[nodes.Node], Callable[[_Builder, Any, int], Run]] = {
    nodes.Const: _const,
    nodes.Name: _name,
    nodes.Getattr: _attribute,
    nodes.Getitem: _item,
    nodes.List: _list,
    nodes.Tuple: _list,
    nodes.Dict: _mapping,
    nodes.CondExpr: _choice,
    nodes.And: _and,
    nodes.Or: _or,
    nodes.Not: _not,
    nodes.Neg: _sign,
    nodes.Pos: _sign,
    nodes.Concat: _concat,
    nodes.Compare: _compare,
    nodes.Filter: _filter,
    nodes.Test: _test,
    nodes.Call: _call,
    nodes.Add: _binary,
    nodes.Sub: _binary,
    nodes.Mul: _binary,
    nodes.Div: _binary,
    nodes.FloorDiv: _binary,
    nodes.Mod: _binary,
    nodes.Pow: _binary,
}
