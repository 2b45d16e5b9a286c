"""The server that webhooks come in through.

::

    serving     from its start to its end: signals, the log
    server      HTTP: how much, how slow, how many, and nothing more
    receiver    whose hook it is, whether it is signed, and into the inbox with it; owns the store's connection
    hooks       the triggers of the store, and the keys of their tokens

Whoever isn't known learns nothing: a hook that isn't there and a signature that is wrong are answered alike, after the
same work.
"""

from __future__ import annotations

from importlib.util import find_spec


def missing() -> str | None:
    """What to do where the library for it isn't installed; None where it is."""
    return None if find_spec("aiohttp") else "pip install 'gitops-reconciler[webhooks]'"
