"""The strategy ping and its collector of the same name."""

from typing import Annotated

from pydantic import Field

from reconciler.kinds.modelling import Model
from reconciler.kinds.shared import RUN_TIMEOUT, Host, Timeout
from reconciler.kinds.types import DurationType


class PingConfig(Model):
    """How long the whole run may take."""

    timeout: Timeout = Field(30_000, description=RUN_TIMEOUT)


class PingPing(Model):
    """Sends echo requests."""

    host: Host = Field(description="The host.", examples=["{{ environment.gateway }}"])
    count: int = Field(3, ge=1, le=100, description="How many packets to send.")
    interval: Annotated[int, DurationType(number="ms", least=10, most=60_000)] = Field(
        1000, description="Between two packets. A bare number counts milliseconds."
    )
    packet_size: int = Field(56, ge=0, le=65_507, description="Bytes of data in each packet.")
    timeout: Timeout = Field(5_000, description="How long to wait for each reply. A bare number counts milliseconds.")
