"""How many connections to PostgreSQL there may be, and how long anything may take on them: ``GITOPS_DATABASE_*``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple, Self

from reconciler.base.errors import UsageError

_VARIABLES = {
    "pool_max": "GITOPS_DATABASE_POOL_MAX",
    "lock_pool_max": "GITOPS_DATABASE_LOCK_POOL_MAX",
    "pool_connection_timeout_ms": "GITOPS_DATABASE_POOL_CONNECTION_TIMEOUT_MS",
    "pool_idle_timeout_ms": "GITOPS_DATABASE_POOL_IDLE_TIMEOUT_MS",
    "lock_idle_tx_timeout_ms": "GITOPS_DATABASE_LOCK_IDLE_TX_TIMEOUT_MS",
    "lock_timeout_ms": "GITOPS_DATABASE_LOCK_TIMEOUT_MS",
}


class PgSettings(NamedTuple):
    """Counts of connections, and milliseconds. Each is named as its variable is."""

    pool_max: int = 20
    lock_pool_max: int = 10
    pool_connection_timeout_ms: int = 10_000
    pool_idle_timeout_ms: int = 30_000
    lock_idle_tx_timeout_ms: int = 30_000
    lock_timeout_ms: int = 30_000

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """What the variables say, and the defaults. Raises ``UsageError``."""
        said = {}
        for name, variable in _VARIABLES.items():
            text = environ.get(variable, "").strip()
            if not text:
                continue
            if not text.isdecimal() or not 0 < int(text) < 2**31:
                raise UsageError(f"{variable}={text} is no whole number above 0", hint="leave it away for the default")
            said[name] = int(text)
        return cls(**said)


def pg_settings(environ: Mapping[str, str] | None = None) -> PgSettings:
    """What the variables of this process say. Raises ``UsageError``."""
    return PgSettings.read(os.environ if environ is None else environ)
