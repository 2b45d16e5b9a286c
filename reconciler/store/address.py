"""Addresses of stores, without opening any: which kind it is, and how it may be shown."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote

SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")
_SHOWN = ("host", "hostaddr", "port", "dbname", "user")
"""Of what may follow the question mark; options and passwords have no place in a message."""
_HOST = r"(\[[0-9a-fA-F:.%]+\]|[^:,\[\]/]*)(:[0-9]*)?"
_WHERE = re.compile(rf"{_HOST}(,{_HOST})*(/[^@]*)?")
_UNCLEAR = "postgresql://..."


def is_postgres(address: str) -> bool:
    """Whether it is the URL of a PostgreSQL database."""
    return address.startswith(_POSTGRES)


def told(address: str) -> str:
    """As it may be shown, whatever its kind."""
    return shown(address) if is_postgres(address) else address


def shown(address: str) -> str:
    """The URL of a PostgreSQL database without its password, however carelessly that was written.

    Everything from the first colon to the last ``@`` is taken for the password. Where it can't be told from the rest,
    as signs in it aren't escaped, nothing is shown at all.
    """
    head, _, query = address.split("://", 1)[1].partition("?")
    before, at, where = head.rpartition("@")
    if "@" in query or not _WHERE.fullmatch(where):
        return _UNCLEAR
    user = re.split("[:/]", before, maxsplit=1)[0]
    parts = [f"{key}={quote(value, safe='/:.,-_')}" for key, value in parse_qsl(query) if key in _SHOWN]
    return f"postgresql://{user}{at and '@'}{where}{'?' if parts else ''}{'&'.join(parts)}"
