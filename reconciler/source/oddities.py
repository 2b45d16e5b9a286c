"""Everything in a YAML document that isn't an ordinary key or value: tags, aliases, merge keys, limits and faults.

An instance gathers the documents and the faults of one stream. A fault that leaves the rest of the document readable is
recorded and reading goes on, so that it doesn't hide the next one; the document it is in is not returned.
"""

from __future__ import annotations

from typing import Any, Final

from reconciler.source import faults as f
from reconciler.source.faults import Parsed, Refused, YamlFault
from reconciler.source.limits import MAX_ALIASED, MAX_DEPTH, MAX_DOCUMENTS, MAX_FAULTS, MAX_PURE_BYTES_A_FILE
from reconciler.source.scalars import PLAIN, BadNumber

_CORE: Final = "tag:yaml.org,2002:"
_QUOTE_IT: Final = "put it in quotes if it is meant as text"
_QUOTE_TEMPLATE: Final = 'a value that begins with {{ must be quoted: "{{ ... }}"'


class _Merge:
    """The one key that stands for a plain ``<<`` until its map is complete."""

    def __repr__(self) -> str:
        return "<<"


MERGE: Final = _Merge()


class Budget:
    """What one file may still cost, shared by all its pieces: nodes that aliases stand for, and bytes read slowly."""

    def __init__(self) -> None:
        self.left = MAX_ALIASED
        self.slow = MAX_PURE_BYTES_A_FILE


class Oddities:
    """``parsed`` and ``faults`` of one stream. ``first_index`` and ``first_line`` place it inside its file (from 0)."""

    def __init__(self, budget: Budget, *, first_index: int = 0, first_line: int = 0) -> None:
        self.parsed: list[Parsed] = []
        self.faults: list[YamlFault] = []
        self.count = 0
        self._budget = budget
        self._first_index, self._first_line = first_index, first_line
        self._line = 0
        self._faults_before = 0
        self._merges: list[Any] = []

    def start(self, first: Any) -> None:
        """A document begins; ``first`` is the event of its first node."""
        self._line = first.start_mark.line
        self._faults_before = len(self.faults)
        self.count += 1

    def finish(self, root: list[Any]) -> None:
        """A document is complete. Empty ones are counted and left out, faulty ones too."""
        if len(self.faults) == self._faults_before and root and root[0] is not None:
            line = self._first_line + self._line + 1
            self.parsed.append(Parsed(self._first_index + self.count - 1, line, root[0]))

    def fault(self, event: Any, code: str, message: str, hint: str | None = None) -> YamlFault:
        """Record a fault at the start of ``event``. Raises ``Refused`` when the document has too many."""
        mark = event.start_mark
        found = YamlFault(code, message, self._first_line + mark.line + 1, mark.column + 1, hint)
        if len(self.faults) - self._faults_before >= MAX_FAULTS:
            message = f"more than {MAX_FAULTS} faults in one document; the rest of it isn't shown"
            raise Refused(found._replace(code=f.YAML_LIMIT, message=message, hint=None))
        self.faults.append(found)
        return found

    def bad_number(self, event: Any, bad: BadNumber) -> None:
        """A plain scalar that reads as a number without a form in JSON."""
        self.fault(event, f.BAD_NUMBER, str(bad), _QUOTE_IT)

    def key(self, event: Any, value: Any, current: dict[Any, Any]) -> Any:
        """The key to use for ``value``, which is no plain new string: a merge, a duplicate, or no string at all."""
        if value == "<<" and not getattr(event, "style", "'") and event.ctag is None:
            value = MERGE
        elif type(value) in (dict, list):
            if hasattr(event, "anchor"):  # an alias; a collection that ends here was reported where it began
                self.collection_key(event)
            return object()
        elif type(value) is not str:
            shown = getattr(event, "value", None) or "an empty key"
            name = {bool: "a boolean", type(None): "null"}.get(type(value), "a number")
            self.fault(event, f.BAD_KEY, f"a key must be text, and {shown} is read as {name}", "put the key in quotes")
            return object()
        if value in current:
            self.fault(event, f.DUPLICATE_KEY, f"the key {_shown(value)} appears twice in the same map")
            return object()
        if value is MERGE:
            self._merges.append(event)
        return value

    def collection_key(self, event: Any, *, is_map: bool = False) -> None:
        """A map or list where a key is expected; most often a template that lacks its quotes."""
        hint = _QUOTE_TEMPLATE if is_map and event.flow_style else None
        self.fault(event, f.BAD_KEY, "a key must be text, and this one is a map or a list", hint)

    def merge(self, current: dict[Any, Any]) -> None:
        """Put the fields of ``<<`` underneath those of its map; the first of several maps wins."""
        value, event = current.pop(MERGE), self._merges.pop()
        for base in value if type(value) is list else [value]:
            if type(base) is not dict:
                self.fault(
                    event,
                    f.BAD_KEY,
                    "<< merges a map or a list of maps into this one, and got something else",
                    'write "<<" in quotes if it is meant as an ordinary key',
                )
                return
            for key, inner in base.items():
                current.setdefault(key, inner)

    def alias(self, event: Any, anchors: dict[str, Any], current: Any, stack: list[tuple[Any, Any]]) -> Any:
        """A copy of what the alias stands for. Raises ``Refused`` when all of them would grow too large."""
        name = event.anchor
        if name not in anchors:
            hint = f'put it in quotes if "*{name}" is meant as text'
            self.fault(
                event, f.YAML_SYNTAX, f"the alias *{name} has no anchor &{name} before it in this document", hint
            )
            return f"*{name}"
        value = anchors[name]
        if type(value) not in (dict, list):
            return value
        if value is current or any(value is frame[0] for frame in stack):
            self.fault(event, f.YAML_LIMIT, f"the alias *{name} stands inside its own anchor, so it would never end")
            return f"*{name}"
        return self._copy(event, value, MAX_DEPTH - len(stack))

    def _copy(self, event: Any, value: Any, room: int) -> Any:
        if type(value) not in (dict, list):
            return value
        self._budget.left -= 1 + len(value)
        if self._budget.left < 0:
            raise Refused(self._refusal(event, f"the aliases of this file stand for more than {MAX_ALIASED:,} nodes"))
        if room <= 0:
            self.too_deep(event)
        if type(value) is list:
            return [self._copy(event, inner, room - 1) for inner in value]
        return {key: self._copy(event, inner, room - 1) for key, inner in value.items()}

    def tagged(self, event: Any) -> Any:
        """The value of a scalar with an explicit tag."""
        tag, text = str(event.ctag), event.value
        if tag in ("!", _CORE + "str"):
            return text
        name = tag.removeprefix(_CORE)
        wanted = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}.get(name)
        if wanted is None or name == tag:
            return self._unknown_tag(event, tag)
        try:
            value = PLAIN[text]
        except BadNumber as bad:
            self.bad_number(event, bad)
            return text
        if type(value) not in wanted:
            code = f.BAD_NUMBER if name in ("int", "float") else f.UNKNOWN_TAG
            self.fault(event, code, f"{_shown(text)} is no !!{name}", f"remove the tag !!{name}, or mend the value")
            return text
        return float(value) if name == "float" and value is not None else value

    def collection_tag(self, event: Any, *, is_map: bool) -> None:
        """Maps and lists may only be called what they are."""
        tag = str(event.ctag)
        if tag not in ("!", _CORE + ("map" if is_map else "seq")):
            self._unknown_tag(event, tag)

    def _unknown_tag(self, event: Any, tag: str) -> str:
        shown = tag.replace(_CORE, "!!")
        hint = "remove the tag; put the value in quotes if the ! belongs to it"
        self.fault(event, f.UNKNOWN_TAG, f"the tag {shown} means nothing here", hint)
        return ""

    def too_deep(self, event: Any) -> None:
        """Raises ``Refused``."""
        raise Refused(self._refusal(event, f"maps and lists are nested more than {MAX_DEPTH} levels deep"))

    def too_many(self, event: Any) -> None:
        """Raises ``Refused``."""
        raise Refused(self._refusal(event, f"a file may hold at most {MAX_DOCUMENTS:,} documents"))

    def _refusal(self, event: Any, message: str) -> YamlFault:
        mark = event.start_mark
        return YamlFault(f.YAML_LIMIT, message, self._first_line + mark.line + 1, mark.column + 1)


def _shown(value: Any) -> str:
    text = str(value)
    return repr(text) if len(text) <= 60 else repr(text[:57] + "...")
