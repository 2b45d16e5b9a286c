"""Which files are documents: the ``include`` and ``exclude`` globs of ``gitops.yaml``.

They mean what they mean in ``.gitignore``: a glob without a slash matches at any depth, one with a slash from the
source's folder; ``*`` and ``?`` stay within a name, ``**`` crosses folders; what names a folder means all in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from reconciler.base.errors import UsageError
from reconciler.source.head import CONFIG

_SUFFIXES = (".yaml", ".yml")


class Globs:
    """``match(path)``: is this file one of documents? Raises :class:`UsageError` for a glob that can't be meant.

    ``explicit`` is true when ``include`` was given: then every document in a matching file has to be ours. By default
    every ``.yaml`` and ``.yml`` file is looked at, and documents of other tools in them are passed over.
    """

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        included, excluded = list(include), list(exclude)
        self.explicit = bool(included)
        self._include = _compile(included) if included else None
        self._exclude = _compile(excluded) if excluded else None

    def match(self, path: str) -> bool:
        """``path`` is relative to the source's folder, with ``/``. ``gitops.yaml`` at its top is never a document."""
        if not path.endswith(_SUFFIXES) or path == CONFIG:
            return False
        if self._include is not None and not self._include.match(path):
            return False
        return self._exclude is None or not self._exclude.match(path)


def _compile(globs: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{_translate(glob)})" for glob in globs), re.DOTALL)


def _translate(glob: str) -> str:
    """A regular expression whose backtracking can't be exploited: each ``*`` and ``**`` but the last is atomic."""
    parts = [part for part in glob.removeprefix("./").split("/") if part]
    if not parts or ".." in parts or "." in parts or "\0" in glob:
        raise UsageError(
            f"the glob {glob!r} can't match any file", hint="globs are relative to the folder of gitops.yaml"
        )
    if glob.startswith("!"):
        raise UsageError(f"the glob {glob!r} begins with an exclamation mark", hint="list it under exclude instead")
    if "/" not in glob.removeprefix("./").rstrip("/"):
        parts.insert(0, "**")
    chunks: list[list[str]] = [[]]
    for part in parts:
        if part == "**":
            chunks.append([])
        else:
            chunks[-1].append(_segment(part))
    if not chunks[-1]:
        # A trailing ** wants something below, which the last chunk can say itself.
        chunks[-1].append("[^/]+")
    first, *others = ["/".join(chunk) for chunk in chunks]
    out = f"{first}/" if first and others else first
    for chunk in others[:-1]:
        if chunk:
            out += f"(?>(?:[^/]+/)*?{chunk}/)"
    if others:
        out += f"(?:[^/]+/)*?{others[-1]}"
    return rf"{out}(?:/.*)?\Z"


def _segment(part: str) -> str:
    """One name of a glob. Between two stars the first place that fits is as good as any later one."""
    fixed, pieces, at = "", [], 0
    while at < len(part):
        character = part[at]
        at += 1
        if character == "*":
            pieces.append(fixed)
            fixed = ""
        elif character == "?":
            fixed += "[^/]"
        elif character == "[":
            text, at = _class(part, at)
            fixed += text
        else:
            if character == "\\" and at < len(part):
                character, at = part[at], at + 1
            fixed += re.escape(character)
    pieces.append(fixed)
    if len(pieces) == 1:
        return fixed
    first, *middle, last = pieces
    # A trailing star of its own takes the rest of the name.
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle if piece) + f"[^/]*{last}(?=/|\\Z)"


def _class(part: str, at: int) -> tuple[str, int]:
    """A bracket expression whose ``[`` was at ``at - 1``; without its end it is a literal bracket."""
    negated = part[at : at + 1] in ("!", "^")
    start = at + negated
    end = part.find("]", start + 1)
    if end < 0:
        return re.escape("["), at
    inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", part[start:end])
    # An empty range such as [z-a] matches nothing, where the regular expression wouldn't compile.
    try:
        re.compile(f"[{inside}]")
    except re.error:
        return "(?!)", end + 1
    return f"(?!/)[{'^' if negated else ''}{inside}]", end + 1
