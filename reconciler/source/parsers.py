"""Where YAML events come from: ruamel.yaml's C parser, and its pure one.

The C parser reads most files 30 times as fast. It stems from YAML 1.1 and refuses some of what 1.2 allows
(``[http://x]``, ``{url: http://a:80}``), so its refusal is never the last word: the pure parser judges then. The
events of both are the same classes. Imports are late: ruamel.yaml costs 30 ms, and a run without changed files needs
none of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Protocol, cast


class EventSource(Protocol):
    """A stream of parser events; every method may raise ``ruamel.yaml.error.YAMLError`` at a syntax fault."""

    def get_event(self) -> Any:
        """The next event."""

    def peek_event(self) -> Any:
        """The next event, which stays the next."""


Opener = Callable[[Any], EventSource]


@lru_cache(maxsize=1)
def c_parser() -> Opener | None:
    """The C parser's class, or ``None`` where its wheel is missing. It takes bytes or text."""
    for name in ("_ruamel_yaml", "_ruamel_yaml_clibz"):
        try:
            return cast("Opener", import_module(name).CParser)
        except ImportError:
            continue
    return None


@lru_cache(maxsize=1)
def pure_parser() -> Opener:
    """The class of a pure parser that needs no loader around it. It takes text."""
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.parser import Parser
    from ruamel.yaml.reader import Reader
    from ruamel.yaml.scanner import Scanner

    class PureParser(Reader, Scanner, Parser):
        """Reader, scanner and parser in one; the attributes are what they look for in a loader."""

        comment_handling = None
        processing_version = (1, 2)

        def __init__(self, text: str) -> None:
            self.doc_infos = [SimpleNamespace(tags=[], doc_version=None)]
            self._resolver = self
            Reader.__init__(self, text, loader=self)
            Scanner.__init__(self, loader=self)
            Parser.__init__(self, loader=self)

        def get_event(self) -> Any:
            """The next event, with the surrogate pairs of JSON's escapes joined to characters."""
            event = super().get_event()
            if getattr(event, "style", None) == '"' and not event.value.isascii():
                try:
                    event.value = event.value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
                except UnicodeDecodeError:
                    problem = "found half of a surrogate pair, which is no character"
                    raise MarkedYAMLError(None, None, problem, event.start_mark) from None
            return event

    return PureParser
