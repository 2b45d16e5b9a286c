"""Addresses, and the words in them that tell where something runs: ``staging.example.net`` is a place of
``example.net``.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

PRODUCTION = "production"

_WORDS = {
    "development": ("dev", "develop", "development"),
    "test": ("test", "testing", "tst"),
    "qa": ("qa",),
    "integration": ("int", "integration"),
    "acceptance": ("acc", "acceptance", "uat"),
    "preview": ("preview",),
    "sandbox": ("sandbox", "sbx"),
    "demo": ("demo",),
    "staging": ("staging", "stage", "stg"),
    "preprod": ("preprod", "preproduction", "pre-prod"),
    "canary": ("canary",),
    PRODUCTION: ("prod", "prd", "production", "live"),
}
_OF_WORD = {word: name for name, words in _WORDS.items() for word in words}
_REGIONS = frozenset({"eu", "us", "ap", "emea", "apac", "asia"})
_DIRECTION = re.compile(r"(?:eu|us|ap|ca|sa|me|af)-?(?:north|south|east|west|central)+-?[0-9]?\Z|(?:eu|us|ap)-?[0-9]\Z")
_RANK = {name: index for index, name in enumerate(_WORDS)}


class Address(NamedTuple):
    """A URL taken apart. ``base`` is scheme, host and port; ``rest`` all behind it; credentials are left out."""

    base: str
    host: str
    rest: str
    username: str | None = None
    password: str | None = None


def address(url: str) -> Address | None:
    """The parts of ``url``; None when it has no host, isn't one, or holds a template there."""
    if "{{" in url.partition("://")[2].partition("/")[0] or "{{" in url.partition("://")[0]:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    shown = f"[{host}]" if ":" in host else host
    base = f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")
    rest = url.partition("://")[2]
    rest = rest[len(parts.netloc) :].partition("#")[0]
    return Address(base, host, rest, parts.username, parts.password)


def shown(url: str) -> str:
    """``url`` as it may be told to people: without credentials and query, and not too long."""
    place = re.sub(r"(^|://)[^/\s]*@", r"\1", url.partition("?")[0])
    return place[:80]


def known(word: str) -> str | None:
    """The environment that a word means; None when it means none."""
    word = word.lower()
    if word in _OF_WORD:
        return _OF_WORD[word]
    return word if word in _REGIONS or _DIRECTION.fullmatch(word) else None


def family(host: str) -> tuple[str, str | None]:
    """What hosts of the same thing have in common, and the environment that this one tells."""
    try:
        ip_address(host)
    except ValueError:
        pass
    else:
        return host, None
    labels = host.lower().rstrip(".").split(".")
    if len(labels) > 2 and labels[0] == "www":
        labels = labels[1:]
    kept: list[str] = []
    found: list[str] = []
    for index, label in enumerate(labels):
        last = len(labels) - 1
        if index == last and last > 0:
            kept.append(label)
        elif (place := known(label)) is not None and index < last - 1:
            found.append(place)
        else:
            kept.append(_without(label, found))
    return ".".join(kept), "-".join(dict.fromkeys(found)) or None


def _without(label: str, found: list[str]) -> str:
    """A label such as ``shop-staging`` without the part that names a place."""
    parts = label.split("-")
    places = [known(part) for part in parts]
    kept = [part for part, place in zip(parts, places, strict=True) if place is None]
    if not kept or len(kept) == len(parts):
        return label
    found += [place for place in places if place is not None]
    return "-".join(kept)


def stripped(title: str, environment: str | None) -> str:
    """``title`` without the words that name ``environment``: ``Shop (staging)`` is ``Shop``. May be empty."""
    if environment is None:
        return title
    names = [environment, *environment.split("-")]
    words = sorted({word for name in names for word in (name, *_WORDS.get(name, ()))}, key=len, reverse=True)
    either = "|".join(map(re.escape, words))
    pattern = rf"[\s_/|:.-]*[(\[]?(?<![A-Za-z0-9])(?:{either})(?:\s+env(?:ironment)?)?(?![A-Za-z0-9])[)\]]?"
    return re.sub(pattern, "", title, flags=re.IGNORECASE).strip(" _/|:.-")


def rank(environment: str) -> int:
    """From the first place to try something to the last; what isn't known stands between."""
    return max((_RANK[part] for part in environment.split("-") if part in _RANK), default=_RANK["staging"])
