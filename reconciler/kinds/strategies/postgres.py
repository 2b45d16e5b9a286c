"""The strategy postgres and its collector query."""

from typing import Literal

from pydantic import Field

from reconciler.kinds.modelling import Model
from reconciler.kinds.shared import CA_CERT, RUN_TIMEOUT, CaCert, Host, Password, Port, Timeout, Word
from reconciler.kinds.types import Text


class PostgresConfig(Model):
    """Where and as whom to connect."""

    host: Host = Field(description="The host.", examples=["{{ environment.databaseHost }}"])
    port: Port = Field(5432, description="The port.")
    database: Word = Field(description="The database.", examples=["orders"])
    user: Word = Field(description="The user.", examples=["probe"])
    password: Password | None = Field(
        None, description="The password; none: the server trusts the user.", examples=["${{ secrets.ORDERS_DB }}"]
    )
    ssl_mode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = Field(
        "prefer", description="Whether the connection is encrypted and the server verified."
    )
    ca_cert: CaCert | None = Field(None, description=CA_CERT, examples=["-----BEGIN CERTIFICATE-----\n..."])
    timeout: Timeout = Field(30_000, description=RUN_TIMEOUT)


class PostgresQuery(Model):
    """Runs one statement, in a transaction that is rolled back."""

    query: Text = Field(description="The statement.", examples=["select count(*) from orders"])
    max_rows: int = Field(100, ge=1, le=10_000, description="The most rows to read.")
    timeout: Timeout = Field(30_000, description="The time limit of the statement. A bare number counts milliseconds.")
