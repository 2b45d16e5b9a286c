"""A digest of everything in the tool that decides what a document means.

A store filled by another release must be read anew, whatever the version number says: while developing it stays the
same. So the digest is over the content of the files. Where an installer has noted their hashes (the ``RECORD`` of a
wheel) those are taken, which is one small file to read instead of a hundred.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b, sha256
from pathlib import Path

from reconciler._version import __version__
from reconciler.base.bundled import bundled

_STAGES = ("base", "kinds", "model", "render", "source", "versioning", "flows", "plan", "policy")
_BUNDLED = ("migrations", "schemas")
_PACKAGE = Path(__file__).resolve().parent.parent


@cache
def engine_digest() -> str:
    """32 hexadecimal digits; equal on every machine with the same release and the same third-party plugins."""
    h = blake2b(__version__.encode(), digest_size=16)
    for line in sorted(_recorded() or _hashed()):
        h.update(line.encode())
    for name in _plugins():
        h.update(name.encode())
    return h.hexdigest()


def _recorded() -> list[str] | None:
    """``path hash`` of each file that counts, as the installer noted them; None for a checkout."""
    if not (_PACKAGE / "_bundled").is_dir():
        return None
    record = _PACKAGE.parent / f"gitops_reconciler-{__version__}.dist-info" / "RECORD"
    try:
        rows = [line.split(",") for line in record.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    prefix = f"{_PACKAGE.name}/"
    files = {row[0].removeprefix(prefix): row[1] for row in rows if len(row) == 3 and row[0].startswith(prefix)}
    folders = (*(f"{s}/" for s in _STAGES), *(f"_bundled/{b}/" for b in _BUNDLED))
    found = [
        f"{path.removeprefix('_bundled/')} {hashed}"
        for path, hashed in files.items()
        if hashed.startswith("sha256=") and path.endswith((".py", ".json")) and path.startswith(folders)
    ]
    return found or None


def _hashed() -> Iterator[str]:
    for name, folder in [*((s, _PACKAGE / s) for s in _STAGES), *((b, bundled(b)) for b in _BUNDLED)]:
        for place, folders, files in os.walk(folder):
            folders[:] = [f for f in folders if f != "__pycache__"]
            below = os.path.relpath(place, folder)
            where = name if below == "." else f"{name}/{below}"
            for file in files:
                if file.endswith((".py", ".json")):
                    with open(f"{place}/{file}", "rb") as opened:
                        hashed = urlsafe_b64encode(sha256(opened.read()).digest()).rstrip(b"=").decode()
                    yield f"{where}/{file} sha256={hashed}"


def _plugins() -> list[str]:
    from reconciler.kinds.table import entries

    return sorted(f"{e.subject}@{e.head} {e.model}" for e in entries() if not e.model.startswith("reconciler."))
