"""A digest of everything in the tool that decides what a document means.

A store filled by another release must be read anew, whatever the version number says: while developing it stays the
same. So the sources themselves are hashed, a few milliseconds for a hundred small files.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from os import walk
from pathlib import Path

from reconciler._version import __version__
from reconciler.base.bundled import bundled

_STAGES = ("base", "kinds", "model", "render", "source", "versioning", "flows", "plan")


@cache
def engine_digest() -> str:
    """32 hexadecimal digits; equal on every machine with the same release and the same third-party plugins."""
    h = blake2b(__version__.encode(), digest_size=16)
    package = Path(__file__).resolve().parent.parent
    for folder in [*(package / s for s in _STAGES), bundled("migrations"), bundled("schemas")]:
        for place, folders, files in walk(folder):
            folders[:] = sorted(f for f in folders if f != "__pycache__")
            for name in sorted(files):
                if name.endswith((".py", ".json")):
                    h.update(name.encode())
                    with open(f"{place}/{name}", "rb") as file:
                        h.update(file.read())
    for name in _plugins():
        h.update(name.encode())
    return h.hexdigest()


def _plugins() -> list[str]:
    from reconciler.kinds.table import entries

    return sorted(f"{e.subject}@{e.head} {e.model}" for e in entries() if not e.model.startswith("reconciler."))
