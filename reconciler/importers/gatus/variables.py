"""Variables of Gatus' own environment, which the files don't tell: ``$NAME``, ``${NAME}``, and ``$$`` for a dollar."""

from __future__ import annotations

import re
from typing import Any, Literal

from reconciler.importers.names import camel, slug
from reconciler.importers.port import Notes
from reconciler.importers.probe import At
from reconciler.importers.templates import literal

Form = Literal["text", "host", "url"]

_VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)")


def named(text: str) -> list[str]:
    """The variables in ``text``."""
    return [m[1] or m[2] for m in _VARIABLE.finditer(text) if m[0] != "$$"]


def plain(text: str) -> str:
    """``text`` with its escaped dollars as they are meant, and its variables as they stand."""
    return _VARIABLE.sub(lambda m: "$" if m[0] == "$$" else m[0], text)


def filled(text: str, at: At, fields: dict[str, Any], notes: Notes, *, form: Form = "text") -> str:
    """``text`` with its variables as fields of the system, whose values somebody has to write.

    ``form`` says what kind of value is invented for them until then.
    """
    source = literal(text)

    def put(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        variable = match[1] or match[2]
        name = camel(variable)
        value = _guess(source, match, slug(variable, "value"), form)
        fields[name] = value
        notes.left(
            at,
            f"the variable {variable} stands for something that the file doesn't tell",
            f"write its value in the system's fields, where {name} is {value} now",
        )
        return f"{{{{ system.fields.{name} }}}}"

    return _VARIABLE.sub(put, source)


def _guess(text: str, match: re.Match[str], word: str, form: Form) -> str:
    """Something that fits the place, leads nowhere, and can't be overlooked."""
    if form != "url":
        return f"{word}.invalid" if form == "host" else word
    before, after = text[: match.start()], text[match.end() :]
    if not before and after.startswith("://"):
        return "https"
    if not before and after[:1] in ("", "/"):
        return f"https://{word}.invalid"
    authority = "://" in before and "/" not in before.partition("://")[2]
    if authority and before.endswith(":") and not before.endswith("://"):
        return "443"
    return f"{word}.invalid" if authority else word
