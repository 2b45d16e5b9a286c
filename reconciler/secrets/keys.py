"""The master keys of the encrypted store: ``GITOPS_MASTER_KEY``.

One key, or several with commas while they are changed: the first encrypts, each of them decrypts. A key is 32 bytes as
base64 or hexadecimal, or ``file:/path`` to a file that holds it so, or as 32 raw bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from reconciler.secrets.files import whole_file
from reconciler.secrets.port import SecretsError

VARIABLE = "GITOPS_MASTER_KEY"
_FILE = "file:"
_LARGEST = 4096
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{43}=?")
_MAKE = "make one with: head -c 32 /dev/urandom | base64"


class Key(NamedTuple):
    """``id`` tells keys apart without telling anything about them; it stands beside what was encrypted."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.id})"


def master_keys(environ: Mapping[str, str]) -> tuple[Key, ...]:
    """All of them, the encrypting one first. Raises :class:`SecretsError`, which never holds any part of a key."""
    parts = [part.strip() for part in environ.get(VARIABLE, "").split(",")]
    if not any(parts):
        raise unset()
    return tuple(_key(part, number) for number, part in enumerate(parts, 1) if part)


def unset() -> SecretsError:
    """What is said where a key is needed and there is none."""
    return SecretsError(f"{VARIABLE} isn't set, so that secrets in the store can't be read or kept", hint=_MAKE)


def _key(text: str, number: int) -> Key:
    where = VARIABLE if number == 1 else f"key {number} of {VARIABLE}"
    if text.startswith(_FILE):
        path = text.removeprefix(_FILE)
        secret = _from_file(path, where)
        where = f"the file {path} that {where} names"
    else:
        secret = _decoded(text)
    if secret is None:
        raise SecretsError(f"{where} holds no key of 32 bytes in base64 or hexadecimal", hint=_MAKE)
    return Key(hmac.new(secret, b"gitops: id of a master key", hashlib.sha256).hexdigest()[:8], secret)


def _from_file(path: str, where: str) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        data = whole_file(handle, _LARGEST)
    except OSError as error:
        raise SecretsError(f"{path}, which {where} names, can't be read: {error.strerror}") from error
    if data is None:
        raise SecretsError(f"{path}, which {where} names, is no file")
    if len(data) == 32:
        return data
    return _decoded(data.decode("ascii", "replace").strip())


def _decoded(text: str) -> bytes | None:
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    if not _BASE64.fullmatch(text):
        return None
    try:
        found = base64.b64decode(text.rstrip("=").replace("-", "+").replace("_", "/") + "=", validate=True)
    except binascii.Error:
        return None
    return found if len(found) == 32 else None
