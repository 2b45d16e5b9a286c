"""The strategy redis and its collector command."""

from typing import Annotated

from pydantic import Field

from reconciler.kinds.marks import Templatable
from reconciler.kinds.modelling import Model
from reconciler.kinds.shared import CA_CERT, RUN_TIMEOUT, CaCert, Host, Password, Port, Timeout, Word


class RedisConfig(Model):
    """Where and as whom to connect."""

    host: Host = Field(description="The host.", examples=["{{ environment.cacheHost }}"])
    port: Port = Field(6379, description="The port.")
    database: int = Field(0, ge=0, le=65_535, description="The number of the database.")
    username: Word | None = Field(None, description="The user; none: the default user.", examples=["probe"])
    password: Password | None = Field(None, description="The password.", examples=["${{ secrets.CACHE }}"])
    tls: bool = Field(False, description="Whether the connection is encrypted and the server verified.")
    ca_cert: CaCert | None = Field(None, description=CA_CERT, examples=["-----BEGIN CERTIFICATE-----\n..."])
    timeout: Timeout = Field(30_000, description=RUN_TIMEOUT)


class RedisCommand(Model):
    """Runs one command; a reply that is an error fails the run."""

    command: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]*$")] = Field(
        "PING", description="The command.", examples=["LLEN"]
    )
    args: list[Annotated[str, Templatable()]] = Field(
        default_factory=list, description="Its arguments, as text.", examples=[["queue:orders"]]
    )
    timeout: Timeout = Field(30_000, description="The time limit of the command. A bare number counts milliseconds.")
