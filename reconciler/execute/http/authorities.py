"""The authorities that libcurl trusts: it brings a TLS of its own, which knows none."""

from __future__ import annotations

import os
import re
import ssl
from functools import cache

import pycurl  # type: ignore[import-untyped]

from reconciler.execute.trust import bundle

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")


def trust(curl: pycurl.Curl, ca: str | None) -> None:
    """Trust the system's authorities, and ``ca`` (PEM) beside them.

    Reading all of a system takes milliseconds, which libcurl saves itself only for a file it has read before; so ``ca``
    goes with the folder where OpenSSL looks up just the one it needs.
    """
    file, folder = _system()
    if ca is None and file is not None:
        curl.setopt(pycurl.CAINFO, file)
    elif ca is not None and folder is not None:
        curl.setopt(pycurl.CAINFO_BLOB, ca.encode())
        curl.setopt(pycurl.CAPATH, folder)
    else:
        curl.setopt(pycurl.CAINFO_BLOB, bundle(ca).encode())


@cache
def _system() -> tuple[str | None, str | None]:
    """The file, and the folder where each authority is found by the hash of its name; None for what isn't there."""
    paths = ssl.get_default_verify_paths()
    folder: str | None = paths.capath
    if folder is not None and not any(_HASHED.fullmatch(name) for name in os.listdir(folder)):
        folder = None
    return paths.cafile or None, folder
