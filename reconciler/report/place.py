"""More of a diagnostic's place than where it begins: where it ends, and what makes it the same one tomorrow."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256

from reconciler.base.diagnostics import Diagnostic

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'')
_PLAIN = re.compile(r"(?:[^\s:,\[\]{}]|:(?=[^\s,\[\]{}]))+")
_MEANT = re.compile(r"did you mean (?P<quote>['\"]?)(?P<word>[^\s'\"?]+)(?P=quote)\?")


def end_column(excerpt: str | None, column: int) -> int:
    """The column after the word, or the quoted text, that begins at ``column`` of the line; at least one further."""
    found = _word(excerpt, column)
    return column + max(1, len(found))


def replacement(d: Diagnostic) -> str | None:
    """What to write instead of what stands at the place, where the hint knows it and the place holds just that."""
    meant = _MEANT.match(d.hint or "")
    if meant is None or d.place is None:
        return None
    found = _word(d.excerpt, d.place.column)
    quote = found[:1] if found[:1] in ("'", '"') else ""
    bare = found[1:-1] if quote else found
    # The sentence names the wrong word; where the place holds another one, it isn't what has to be replaced.
    if not bare or not re.search(rf"['`.]{re.escape(bare)}['`]", d.message):
        return None
    return f"{quote}{meant['word']}{quote}"


def _word(excerpt: str | None, column: int) -> str:
    line = excerpt or ""
    found = _QUOTED.match(line, column - 1) or _PLAIN.match(line, column - 1)
    return found.group() if found else ""


def fingerprints(diagnostics: Iterable[Diagnostic]) -> Iterator[tuple[Diagnostic, str]]:
    """Each with a digest that stays the same when lines above it come and go.

    Of its code, its file and the text of its line; what is told several times of the same text is numbered.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    for d in diagnostics:
        line = " ".join((d.excerpt or "").split())
        what = (d.code, d.place.path if d.place else "", line)
        seen[what] += 1
        yield d, sha256("\0".join((*what, str(seen[what]))).encode("utf-8", "surrogatepass")).hexdigest()


def utf16(excerpt: str | None, column: int) -> int:
    """A column in characters as one in UTF-16 code units, which SARIF and language servers count in."""
    return column + sum(1 for c in (excerpt or "")[: column - 1] if c > "\uffff")
