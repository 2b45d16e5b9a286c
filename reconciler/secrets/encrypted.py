"""Secrets in the store, encrypted with AES-256-GCM. Each row has a nonce of its own and is bound to its name, so that
the ciphertext of one secret can't be put in another's place."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reconciler.secrets.keys import VARIABLE, Key, unset
from reconciler.secrets.port import Listed, SecretName, SecretsError

LARGEST = 64 * 1024
"""Bytes of a value."""
_NONCE = 12


class Row(NamedTuple):
    """As it is stored. ``environment`` is empty for a secret that holds everywhere; ``nonce`` and ``ciphertext`` are
    base64; ``at`` None asks for the database's clock."""

    environment: str
    name: str
    key_id: str
    nonce: str
    ciphertext: str
    at: float | None
    actor: str


class Rows(Protocol):
    """Where rows are kept."""

    where: str

    def read(self, environment: str, name: str) -> Row | None:
        """One row."""

    def read_all(self) -> list[Row]:
        """All, by name."""

    def write(self, rows: Sequence[Row], *, only_over: Sequence[Row] = ()) -> bool:
        """Insert or replace these in one transaction; False, and nothing, where one of ``only_over`` has changed."""

    def remove(self, environment: str, name: str) -> bool:
        """Delete one; says whether it was there."""


class Encrypted:
    """The backend ``store``. ``keys``: the first encrypts, each decrypts what it was used for. Names can be listed
    and rows deleted without any."""

    def __init__(self, rows: Rows, keys: Sequence[Key]) -> None:
        self._rows = rows
        self._keys = {key.id: AESGCM(key.secret) for key in keys}
        self._first = keys[0].id if keys else ""
        self.title = f"the store {rows.where}"

    def get(self, name: SecretName) -> str | None:
        """See the port."""
        row = self._rows.read(name.environment or "", name.name)
        return None if row is None else self._opened(row)

    def place(self, name: SecretName) -> str:
        """See the port."""
        return f"{name} in {self.title}"

    def list(self) -> list[Listed]:
        """See the port. ``where`` tells the id of the key."""
        return [Listed(_name(row), f"key {row.key_id}", row.at, row.actor) for row in self._rows.read_all()]

    def set(self, name: SecretName, value: str, *, actor: str) -> None:
        """See the port."""
        data = value.encode()
        if not data or len(data) > LARGEST or b"\0" in data:
            raise SecretsError(f"the value of a secret has 1 to {LARGEST} bytes, none of them zero")
        self._rows.write([self._closed(name, data, at=None, actor=actor)])

    def delete(self, name: SecretName) -> bool:
        """See the port."""
        return self._rows.remove(name.environment or "", name.name)

    def rotate(self) -> int:
        """Encrypt anew, with the first key, what another one was used for; all or nothing. Returns how many rows.

        Raises :class:`SecretsError` where a row can't be read with any of the keys.
        """
        while True:
            old = [row for row in self._rows.read_all() if row.key_id != self._first]
            new = [self._closed(_name(row), self._opened(row).encode(), at=row.at, actor=row.actor) for row in old]
            if self._rows.write(new, only_over=old):
                return len(new)

    def _closed(self, name: SecretName, data: bytes, *, at: float | None, actor: str) -> Row:
        if not self._first:
            raise unset()
        nonce = os.urandom(_NONCE)
        closed = self._keys[self._first].encrypt(nonce, data, _bound(name, self._first))
        return Row(name.environment or "", name.name, self._first, _text(nonce), _text(closed), at, actor)

    def _opened(self, row: Row) -> str:
        name = _name(row)
        key = self._keys.get(row.key_id)
        if not self._keys:
            raise unset()
        if key is None:
            known = ", ".join(self._keys)
            raise SecretsError(
                f"the secret {name} was encrypted with the key {row.key_id}, and {VARIABLE} holds {known}",
                hint=f"put that key into {VARIABLE}, after the new one with a comma; or set the secret anew",
            )
        try:
            nonce, closed = (base64.b64decode(text, validate=True) for text in (row.nonce, row.ciphertext))
            return key.decrypt(nonce, closed, _bound(name, row.key_id)).decode()
        except (InvalidTag, ValueError):
            # Without what went wrong underneath: its context would hold pieces of the row.
            raise SecretsError(
                f"the row of the secret {name} was changed outside of this tool and can't be trusted",
                hint=f"set it anew: gitops secret set {name.name}",
            ) from None


def _name(row: Row) -> SecretName:
    return SecretName(row.name, row.environment or None)


def _bound(name: SecretName, key_id: str) -> bytes:
    return f"gitops secret\n{key_id}\n{name.environment or ''}\n{name.name}".encode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
