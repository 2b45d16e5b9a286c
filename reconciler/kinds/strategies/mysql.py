"""The strategy mysql and its collector query."""

from typing import Literal

from pydantic import Field

from reconciler.kinds.modelling import Model
from reconciler.kinds.shared import CA_CERT, RUN_TIMEOUT, CaCert, Host, Password, Port, Timeout, Word
from reconciler.kinds.types import Text


class MysqlConfig(Model):
    """Where and as whom to connect."""

    host: Host = Field(description="The host.", examples=["{{ environment.databaseHost }}"])
    port: Port = Field(3306, description="The port.")
    database: Word = Field(description="The database.", examples=["orders"])
    user: Word = Field(description="The user.", examples=["probe"])
    password: Password | None = Field(
        None, description="The password; none: the server trusts the user.", examples=["${{ secrets.ORDERS_DB }}"]
    )
    ssl_mode: Literal["disabled", "preferred", "required", "verify-ca", "verify-identity"] = Field(
        "preferred", description="Whether the connection is encrypted and the server verified."
    )
    ca_cert: CaCert | None = Field(None, description=CA_CERT, examples=["-----BEGIN CERTIFICATE-----\n..."])
    timeout: Timeout = Field(30_000, description=RUN_TIMEOUT)


class MysqlQuery(Model):
    """Runs one statement, which reads or changes rows, in a transaction that is rolled back."""

    query: Text = Field(description="The statement.", examples=["select count(*) from orders"])
    max_rows: int = Field(100, ge=1, le=10_000, description="The most rows to read.")
    timeout: Timeout = Field(30_000, description="The time limit of the statement. A bare number counts milliseconds.")
