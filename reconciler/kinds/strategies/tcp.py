"""The strategy tcp and its collector banner."""

from typing import Annotated

from pydantic import Field

from reconciler.kinds.marks import Templatable
from reconciler.kinds.modelling import Model
from reconciler.kinds.shared import Host, Port, Timeout


class TcpConfig(Model):
    """Where to connect."""

    host: Host = Field(description="The host.", examples=["{{ environment.mailHost }}"])
    port: Port = Field(description="The port.", examples=[25])
    timeout: Timeout = Field(30_000, description="The time limit of the whole run. A bare number counts milliseconds.")


class TcpBanner(Model):
    """Reads what the server says first."""

    send: Annotated[str, Templatable()] | None = Field(
        None,
        description="What to send before reading; `\\r\\n` in double quotes ends a line.",
        examples=["EHLO probe\r\n"],
    )
    max_bytes: int = Field(4096, ge=1, le=65_536, description="The most bytes to read.")
    timeout: Timeout = Field(5_000, description="How long to wait for it. A bare number counts milliseconds.")
