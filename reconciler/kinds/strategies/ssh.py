"""The strategy ssh and its collector command."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from reconciler.kinds.modelling import Model, conflict
from reconciler.kinds.shared import RUN_TIMEOUT, Host, Password, Port, Timeout, Word
from reconciler.kinds.types import Text


class SshConfig(Model):
    """Where and as whom to log in: with a password or a private key."""

    host: Host = Field(description="The host.", examples=["{{ environment.bastion }}"])
    port: Port = Field(22, description="The port.")
    username: Word = Field(description="The user.", examples=["probe"])
    password: Password | None = Field(None, description="The password.", examples=["${{ secrets.BASTION }}"])
    private_key: Password | None = Field(
        None, description="The private key, in OpenSSH or PEM form.", examples=["${{ secrets.BASTION_KEY }}"]
    )
    passphrase: Password | None = Field(
        None, description="What the private key is locked with.", examples=["${{ secrets.KEY_PASSPHRASE }}"]
    )
    host_key: Text | None = Field(
        None,
        description="The server's public key as in `known_hosts`, to make sure who answers; none: any key.",
        examples=["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI..."],
    )
    timeout: Timeout = Field(30_000, description=RUN_TIMEOUT)

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.password is None and self.private_key is None:
            raise conflict("needs password or privateKey", code="missing-key")
        if self.passphrase is not None and self.private_key is None:
            raise conflict("passphrase needs privateKey", "privateKey", code="missing-key")
        return self


class SshCommand(Model):
    """Runs one command over there; an exit code other than 0 fails the run."""

    command: Annotated[str, Field(min_length=1, max_length=100_000)] = Field(
        description="The command. It is not rendered, so that no field can smuggle words into it.",
        examples=["systemctl is-active orders"],
    )
    timeout: Timeout = Field(30_000, description="The time limit of the command. A bare number counts milliseconds.")
