"""Names that a person would have chosen: of titles, in the alphabet that documents demand, told apart readably."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

LONGEST = 63
_SPELLED = str.maketrans({"ß": "ss", "æ": "ae", "ø": "o", "đ": "d", "ł": "l", "œ": "oe", "þ": "th", "ı": "i"})
_OTHER = re.compile(r"[^a-z0-9]+")
_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def slug(text: str, fallback: str = "") -> str:
    """``text`` as a name: small letters, digits and dashes, at most 63; ``fallback`` when nothing is left of it."""
    flat = unicodedata.normalize("NFKD", text.lower().translate(_SPELLED))
    name = _OTHER.sub("-", "".join(char for char in flat if not unicodedata.combining(char))).strip("-")
    return shortened(name) or fallback


def shortened(name: str, most: int = LONGEST) -> str:
    """At most ``most`` characters, cut between words where that keeps half of it."""
    if len(name) <= most:
        return name
    cut = name[:most]
    dash = cut.rfind("-") if name[most] != "-" else most
    return (cut[:dash] if dash > most // 2 else cut).strip("-")


def camel(text: str) -> str:
    """``api gateway`` as ``apiGateway``; empty when no letter or digit is in it."""
    words = _WORDS.findall(slug(text).replace("-", " "))
    joined = "".join(word if index == 0 else word.capitalize() for index, word in enumerate(words))
    return f"n{joined}" if joined[:1].isdigit() else joined


def secret_name(*parts: str) -> str:
    """``SHOP_PASSWORD`` out of titles and keys: a name that a secret may have, at most 63 characters."""
    name = "_".join(filter(None, (slug(part).replace("-", "_").upper() for part in parts)))
    name = name if name[:1].isalpha() else f"S_{name}"
    return name if len(name) <= LONGEST else f"{name[:40].strip('_')}_{name[-20:].strip('_')}"


def told_apart(candidates: Sequence[Sequence[str]], taken: Sequence[str] = ()) -> list[str]:
    """One name for each, all different: the first of its candidates that nobody else wants, else a number behind it.

    All who want the same name go on to their next candidate, so that no order decides who keeps the short one.
    """
    levels = [0] * len(candidates)
    while True:
        wanted = [names[min(level, len(names) - 1)] for names, level in zip(candidates, levels, strict=True)]
        counts = Counter([*wanted, *taken])
        again = [i for i, name in enumerate(wanted) if counts[name] > 1 and levels[i] < len(candidates[i]) - 1]
        if not again:
            break
        for index in again:
            levels[index] += 1
    return _numbered(wanted, set(taken))


def _numbered(wanted: Sequence[str], used: set[str]) -> list[str]:
    free = Counter(wanted)
    names: list[str] = []
    for name in wanted:
        chosen, number = name, 2
        while chosen in used or (chosen != name and chosen in free):
            chosen, number = f"{shortened(name, LONGEST - 1 - len(str(number)))}-{number}", number + 1
        used.add(chosen)
        names.append(chosen)
    return names
