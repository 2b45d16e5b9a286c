"""Strategies whose client library is an extra of this distribution, and whether it is installed here. Imports none."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

EXTRAS: dict[str, tuple[str, str]] = {
    "postgres": ("postgres", "psycopg"),
    "mysql": ("mysql", "asyncmy"),
    "redis": ("redis", "redis"),
    # The smaller distribution, which requires the larger.
    "grpc": ("grpc", "grpc_health"),
    "ssh": ("ssh", "asyncssh"),
}
"""Strategy to extra and to the package it is imported as."""


def missing(strategy: str) -> str | None:
    """A sentence with a way out when the strategy can't run here, None when it can, or needs no extra."""
    return f"{sentence(strategy)}: {remedy(strategy)}" if absent(strategy) else None


def absent(strategy: str) -> bool:
    """Whether the strategy needs an extra that isn't installed here."""
    return strategy in EXTRAS and not _found(EXTRAS[strategy][1])


def sentence(strategy: str) -> str:
    """What is wrong then."""
    return f"the strategy {strategy} needs a client library that isn't installed here"


def remedy(strategy: str) -> str:
    """What to do then."""
    return f"pip install 'gitops-reconciler[{EXTRAS[strategy][0]}]'"


def still_true(told: str) -> bool:
    """Whether a :func:`sentence` that was told some time ago holds yet."""
    return any(absent(strategy) for strategy in EXTRAS if sentence(strategy) == told)


@cache
def _found(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False
