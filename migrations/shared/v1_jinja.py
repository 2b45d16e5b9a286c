"""Trees of version 1 expressions written as Jinja expressions of the same meaning.

Two things differ between the languages. What isn't there was empty in version 1 and is an error in version 2: a path
that may be missing gets a ``default``. And version 1 compared loosely, so that ``5 == "5"``: where the types don't
tell that both languages agree, the comparison becomes one of the ``loose_`` filters. What is written calls nothing: it
is paths, operators and filters.
"""

from __future__ import annotations

from difflib import get_close_matches

from .v1_expressions import Binary, Filter, Literal, Member, Name, Node, Not, Ternary, Untranslatable

_CONDITION, _OR, _AND, _NOT, _COMPARE, _FILTER, _ATOM = range(7)
_LOOSE = {"<": "loose_less", "<=": "loose_less_equal", ">": "loose_greater", ">=": "loose_greater_equal"}

# Name in version 1: name in version 2, most arguments, type of the result ("" where it depends on the operand).
_FILTERS: dict[str, tuple[str, int, str]] = {
    "default": ("v1_default", 1, ""),
    "upper": ("v1_upper", 0, ""),
    "lower": ("v1_lower", 0, ""),
    "capitalize": ("v1_capitalize", 0, ""),
    "trim": ("v1_trim", 0, ""),
    "truncate": ("v1_truncate", 1, ""),
    "length": ("v1_length", 0, "number"),
    "json": ("json", 0, ""),
    "iso": ("iso", 0, ""),
    "date": ("date", 1, ""),
    "join": ("v1_join", 1, ""),
    "replace": ("v1_replace", 2, ""),
    "not": ("not", 0, "bool"),
    "minutes": ("minutes", 0, "number"),
    "hours": ("hours", 0, "number"),
    "duration_since": ("duration_since", 0, "number"),
    "older_than": ("older_than", 1, "bool"),
}
_PLAIN_ON_TEXT = {"upper": "upper", "lower": "lower"}
_STRICT = frozenset({"json", "upper", "lower"})
"""Filters of version 2 that refuse what is missing; all others take it for none, as version 1 did."""

Path = tuple[str, ...]


class Writer:
    """Writes trees for one place of a document.

    ``safe`` maps the paths that always have a value there to their type (``string``, ``number``, or empty for any).
    ``roots`` are the names there are; what starts from another was always empty, and is written as that. None: any.
    ``renamed`` maps paths of version 1 to those of version 2, longest match first.
    """

    def __init__(self, safe: dict[Path, str], roots: frozenset[str] | None, renamed: dict[Path, Path]) -> None:
        self._safe = safe
        self._roots = roots
        self._renamed = renamed
        self.unknown: list[str] = []

    def template(self, node: Node) -> str:
        """The expression for between braces: what is missing shows as nothing."""
        return self._write(node, "''")[0]

    def expression(self, node: Node) -> str:
        """The bare expression: what is missing is none."""
        return self._write(node, "none")[0]

    def _write(self, node: Node, empty: str = "none") -> tuple[str, int]:
        """The text of a node and how tightly it binds. ``empty`` stands in for a missing path."""
        if isinstance(node, Literal):
            return _literal(node), _ATOM
        if isinstance(node, (Name, Member)):
            return self._path(node, empty)
        if isinstance(node, Not):
            return f"not {self._at(node.operand, _NOT)}", _NOT
        if isinstance(node, Ternary):
            return self._ternary(node, empty), _CONDITION
        if isinstance(node, Filter):
            return self._filter(node)
        if node.sign == "&&":
            return f"{self._at(node.left, _AND)} and {self._at(node.right, _NOT)}", _AND
        if node.sign == "||":
            return f"{self._at(node.left, _OR)} or {self._at(node.right, _AND)}", _OR
        return self._comparison(node)

    def _at(self, node: Node, level: int, empty: str = "none") -> str:
        text, own = self._write(node, empty)
        return text if own >= level else f"({text})"

    def _ternary(self, node: Ternary, empty: str) -> str:
        then = self._at(node.then, _OR, empty)
        if then.endswith(("is none", "is not none")):
            # Jinja would read the `if` that follows as the argument of the test.
            then = f"({then})"
        return f"{then} if {self._at(node.test, _OR)} else {self._at(node.other, _CONDITION, empty)}"

    def _path(self, node: Name | Member, empty: str) -> tuple[str, int]:
        keys = _keys(node)
        if keys is not None:
            if self._roots is not None and keys[0] not in self._roots:
                self.unknown.append(".".join(keys))
                return empty, _ATOM
            keys = self._new(keys)
            node = _rebuilt(keys, node)
            if keys in self._safe:
                return self._chain(node), _ATOM
        return f"{self._chain(node)} | default({empty})", _FILTER

    def _new(self, keys: Path) -> Path:
        for length in range(len(keys), 0, -1):
            if keys[:length] in self._renamed:
                return self._renamed[keys[:length]] + keys[length:]
        return keys

    def _chain(self, node: Node) -> str:
        """A path without a default: only its end is asked whether it is there."""
        if isinstance(node, Name):
            if not _plain(node.name):
                raise Untranslatable(f"the name {node.name} can't be written in version 2", 0)
            return node.name
        if not isinstance(node, Member):
            return self._at(node, _ATOM)
        base = self._chain(node.base)
        if isinstance(node.key, str):
            if node.quote or not _plain(node.key):
                return f"{base}[{_quoted(node.key, node.quote or chr(34))}]"
            return f"{base}.{node.key}"
        return f"{base}[{self._write(node.key)[0]}]"

    def _filter(self, node: Filter) -> tuple[str, int]:
        known = _FILTERS.get(node.name)
        if known is None:
            close = get_close_matches(node.name, list(_FILTERS), n=1)
            meant = f'; did you mean "{close[0]}"?' if close else ""
            raise Untranslatable(f"version 1 has no filter {node.name}{meant}", node.offset)
        name, most, _ = known
        if name == "not":
            return self._write(Not(node.operand))
        if node.name in _PLAIN_ON_TEXT and self._type(node.operand) == "string":
            name = _PLAIN_ON_TEXT[node.name]
        operand = self._operand(node.operand, name)
        arguments = ", ".join(self._write(a)[0] for a in node.arguments[:most])
        return f"{operand} | {name}({arguments})" if arguments else f"{operand} | {name}", _FILTER

    def _operand(self, node: Node, name: str) -> str:
        """What a filter is applied to; most take a missing path for none by themselves."""
        text = self._at(node, _FILTER)
        if name not in _STRICT and isinstance(node, (Name, Member)):
            return text.removesuffix(" | default(none)")
        return text

    def _comparison(self, node: Binary) -> tuple[str, int]:
        left, right = node.left, node.right
        if node.sign in ("==", "!="):
            for one, other in ((left, right), (right, left)):
                if isinstance(other, Literal) and other.value is None:
                    test = "is none" if node.sign == "==" else "is not none"
                    return f"{self._at(one, _FILTER)} {test}", _COMPARE
            if self._agree(left, right):
                return f"{self._at(left, _FILTER)} {node.sign} {self._at(right, _FILTER)}", _COMPARE
            text = f"{self._operand(left, 'loose_equal')} | loose_equal({self._write(right)[0]})"
            return (text, _FILTER) if node.sign == "==" else (f"not {text}", _NOT)
        if self._type(left) == self._type(right) == "number":
            return f"{self._at(left, _FILTER)} {node.sign} {self._at(right, _FILTER)}", _COMPARE
        name = _LOOSE[node.sign]
        return f"{self._operand(left, name)} | {name}({self._write(right)[0]})", _FILTER

    def _agree(self, left: Node, right: Node) -> bool:
        """Whether strict and loose equality can't differ for these two."""
        types = self._type(left), self._type(right)
        if types[0] and types[0] == types[1]:
            return True
        return any(isinstance(n, Literal) and isinstance(n.value, str) and _only_text(n.value) for n in (left, right))

    def _type(self, node: Node) -> str:
        """``string``, ``number`` or ``bool`` where the tree tells, else empty."""
        if isinstance(node, Literal):
            if isinstance(node.value, bool):
                return "bool"
            return "string" if isinstance(node.value, str) else "" if node.value is None else "number"
        if isinstance(node, Not) or (isinstance(node, Binary) and node.sign not in ("&&", "||")):
            return "bool"
        if isinstance(node, Filter):
            if node.name in ("upper", "lower", "capitalize", "trim", "truncate", "replace"):
                return "string" if self._type(node.operand) == "string" else ""
            return _FILTERS[node.name][2] if node.name in _FILTERS else ""
        if isinstance(node, Ternary):
            then = self._type(node.then)
            return then if then == self._type(node.other) else ""
        if isinstance(node, (Name, Member)):
            keys = _keys(node)
            return self._safe.get(self._new(keys), "") if keys else ""
        return ""


def _keys(node: Node) -> Path | None:
    """The keys of a path of names and text alone, else None."""
    keys: list[str] = []
    while isinstance(node, Member) and isinstance(node.key, str):
        keys.append(node.key)
        node = node.base
    return (node.name, *reversed(keys)) if isinstance(node, Name) else None


def _rebuilt(keys: Path, old: Node) -> Name | Member:
    """A path of these keys, with the quotes that the last ones had."""
    quotes: list[str] = []
    while isinstance(old, Member):
        quotes.append(old.quote)
        old = old.base
    node: Name | Member = Name(keys[0])
    for index, key in enumerate(keys[1:], 1):
        back = len(keys) - 1 - index
        node = Member(node, key, quotes[back] if back < len(quotes) else "")
    return node


def _plain(name: str) -> bool:
    """Whether version 2 can say the name after a dot."""
    return "$" not in name and not name.startswith("_")


def _only_text(value: str) -> bool:
    """Whether nothing but this text is written so: no number, true, false, null, list or map looks like it."""
    if value.strip() in ("true", "false", "null", "undefined", "NaN", "Infinity", "-Infinity"):
        return False
    if value.strip()[:1] in ("[", "{"):
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def _literal(node: Literal) -> str:
    value = node.value
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    return _quoted(value, node.quote or "'") if isinstance(value, str) else repr(value)


def _quoted(text: str, quote: str) -> str:
    for raw, escaped in (("\\", "\\\\"), (quote, f"\\{quote}"), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r")):
        text = text.replace(raw, escaped)
    return f"{quote}{text}{quote}"
