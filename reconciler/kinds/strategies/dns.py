"""The strategy dns and its collector lookup."""

from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.marks import Checked, Templatable
from reconciler.kinds.modelling import Model
from reconciler.kinds.shared import RUN_TIMEOUT, Host, Port, Timeout


class DnsConfig(Model):
    """Whom to ask."""

    nameserver: Host | None = Field(
        None, description="The server to ask; none: those of the host.", examples=["192.0.2.53"]
    )
    port: Port = Field(53, description="Its port.")
    protocol: Literal["udp", "tcp", "tls"] = Field(
        "udp", description="How to ask; a truncated answer is asked for by TCP. With `tls`, the port 53 means 853."
    )
    servername: Annotated[str, Templatable("host")] | None = Field(
        None,
        description="With `tls`, the name to ask for and to verify (SNI); none: the server's.",
        examples=["dns.example.net"],
    )
    ca_cert: Annotated[str, Checked("certificate")] | None = Field(
        None,
        description="With `tls`, certificates of authorities as PEM, to trust beside those that the host trusts.",
        examples=["-----BEGIN CERTIFICATE-----\n..."],
    )
    timeout: Timeout = Field(30_000, description=RUN_TIMEOUT)


class DnsLookup(Model):
    """Looks a name up."""

    hostname: Annotated[str, Templatable("domain")] = Field(
        description="The name.", examples=["{{ environment.domain }}"]
    )
    record_type: Literal["A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"] = Field(
        "A", description="The type of its records."
    )
    timeout: Timeout = Field(5_000, description="The time limit of the lookup. A bare number counts milliseconds.")
