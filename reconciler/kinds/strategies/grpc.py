"""The strategy grpc and its collector health."""

from pydantic import Field

from reconciler.kinds.modelling import Model
from reconciler.kinds.shared import CA_CERT, RUN_TIMEOUT, CaCert, Host, Port, Timeout, Word


class GrpcConfig(Model):
    """Where to connect."""

    host: Host = Field(description="The host.", examples=["{{ environment.grpcHost }}"])
    port: Port = Field(description="The port.", examples=[50051])
    tls: bool = Field(False, description="Whether the connection is encrypted and the server verified.")
    ca_cert: CaCert | None = Field(None, description=CA_CERT, examples=["-----BEGIN CERTIFICATE-----\n..."])
    timeout: Timeout = Field(30_000, description=RUN_TIMEOUT)


class GrpcHealth(Model):
    """Asks the health service (`grpc.health.v1`); any answer but SERVING fails the run."""

    service: Word | None = Field(
        None, description="The service to ask about; none: the server as a whole.", examples=["orders.v1.Orders"]
    )
    timeout: Timeout = Field(30_000, description="The time limit of the call. A bare number counts milliseconds.")
