"""The strategy tls and its collector certificate."""

from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.marks import Checked, Templatable
from reconciler.kinds.modelling import Model
from reconciler.kinds.shared import RUN_TIMEOUT, Host, Port, Timeout


class TlsConfig(Model):
    """Where to connect, and whom to expect there."""

    host: Host = Field(description="The host.", examples=["{{ environment.host }}"])
    port: Port = Field(443, description="The port.")
    servername: Annotated[str, Templatable("host")] | None = Field(
        None, description="The name to ask for and to verify (SNI); none: the host.", examples=["orders.example.net"]
    )
    reject_unauthorized: bool = Field(
        True, description="Whether a certificate that can't be verified fails the run; if not, it is a result field."
    )
    min_version: Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] | None = Field(
        None, description="The oldest protocol to accept; none: what the host accepts."
    )
    ca_cert: Annotated[str, Checked("certificate")] | None = Field(
        None,
        description="Certificates of authorities as PEM, to trust beside those that the host trusts.",
        examples=["-----BEGIN CERTIFICATE-----\n..."],
    )
    timeout: Timeout = Field(30_000, description=RUN_TIMEOUT)


class TlsCertificate(Model):
    """Reads the certificate that the server presents."""
