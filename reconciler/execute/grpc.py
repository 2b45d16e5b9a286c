"""gRPC's health protocol, by grpcio. The connection is made first, so that its time is told apart from the call's."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

# Read once, by the import: its core else writes of each refused certificate to standard error.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
from grpc.aio import init_grpc_aio, shutdown_grpc_aio
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]

from reconciler.base.durations import format_duration
from reconciler.execute.attempts import Unreached, first
from reconciler.execute.egress import Address
from reconciler.execute.port import Collected, Context
from reconciler.execute.reach import Limit, named, since
from reconciler.execute.trust import bundle

_METHOD = "/grpc.health.v1.Health/Check"

_OPTIONS = (
    # A proxy from the environment would be connected to unchecked, and a channel of another run isn't ours to share.
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.max_receive_message_length", 64 * 1024),
)

_LAYERS = re.compile(r".*last error: [A-Z_]+: (?:ipv[46]:\S+: )?(?:Failed to connect to remote host: )?")
"""What stands before the innermost reason."""

_REASONS = (
    ("Hostname Verification Check failed", "its certificate is for another name"),
    ("WRONG_VERSION_NUMBER", "the server doesn't speak TLS"),
    ("Failed parsing HTTP/2", "the server doesn't speak HTTP/2"),
    ("Handshake read failed", "the server broke off the TLS handshake"),
    ("Socket closed", "the server closed the connection"),
    ("onnection refused", "the connection is refused"),
)


class Grpc:
    """The strategy grpc."""

    def __init__(self) -> None:
        self._held = False

    async def open(self, config: Mapping[str, Any], context: Context) -> GrpcConnection:
        """Connect to the first address that speaks HTTP/2."""
        if not self._held:
            # Else its thread would come and go with each run.
            self._held = True
            init_grpc_aio()
        host, port, limit = config["host"], config["port"], Limit(config["timeout"])
        began = time.perf_counter()
        async with limit.during(f"resolving the name {host}"):
            resolved = await context.guard.resolve(host, port)
        connecting = time.perf_counter()
        attempt = partial(_connected, config=config, limit=limit)
        channel = await first(resolved.addresses, attempt, host, port, limit=limit)
        phases = {"dns": round(resolved.took_ms, 3), "connect": since(connecting)}
        return GrpcConnection(channel, named(host, port), phases, began)

    def repeatable(self, config: Mapping[str, Any], collectors: tuple[tuple[str, Mapping[str, Any]], ...]) -> bool:
        """A question leaves no trace."""
        return True

    async def aclose(self) -> None:
        """Let go of the library's thread."""
        if self._held:
            self._held = False
            shutdown_grpc_aio()


class GrpcConnection:
    """A channel that is connected."""

    def __init__(self, channel: grpc.aio.Channel, where: str, phases: dict[str, float], began: float) -> None:
        self._channel = channel
        self._where = where
        self._phases = phases
        self._began = began

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        """Ask the health service. Anything but SERVING is an error, and a result too."""
        began = time.perf_counter()
        status, error, timed_out = "UNKNOWN", None, False
        service = config.get("service") or ""
        try:
            status = await _check(self._channel, service, config["timeout"] / 1000)
        except grpc.aio.AioRpcError as failure:
            timed_out = failure.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            if failure.code() is grpc.StatusCode.NOT_FOUND:
                status = "SERVICE_UNKNOWN"
            else:
                error = self._refusal(failure, config["timeout"])
        if error is None and status != "SERVING":
            error = f"{f'the service {service}' if service else self._where} says {status}"
        took = since(began)
        result = {"status": status, "responseTimeMs": took, "success": error is None}
        phases = {**self._phases, "call": took, "total": since(self._began)}
        return Collected(result, error, phases, timed_out=timed_out)

    async def close(self) -> None:
        """Close the channel, and with it the connection."""
        await self._channel.close()

    def _refusal(self, failure: grpc.aio.AioRpcError, limit: float) -> str:
        match failure.code():
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                return f"the call took longer than {format_duration(round(limit))}"
            case grpc.StatusCode.UNIMPLEMENTED:
                return f"{self._where} has no health service (grpc.health.v1)"
            case code:
                return f"{self._where} answers {code.name}: {_words(failure)}"


async def _check(channel: grpc.aio.Channel, service: str, seconds: float) -> str:
    call = channel.unary_unary(
        _METHOD,
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    reply = await call(health_pb2.HealthCheckRequest(service=service), timeout=seconds, wait_for_ready=False)
    try:
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))
    except ValueError:
        return "UNKNOWN"


async def _connected(address: Address, *, config: Mapping[str, Any], limit: Limit) -> grpc.aio.Channel:
    # Until when the core waits for a server that says nothing, whether or not anybody still wants the channel.
    channel = _channel(address, config, ("grpc.min_reconnect_backoff_ms", max(100, int(limit.left * 1000))))
    try:
        while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                # Only a call is told why.
                await _check(channel, "", 1.0)
            await channel.wait_for_state_change(state)
    except grpc.aio.AioRpcError as error:
        await channel.close()
        raise Unreached(_words(error)) from None
    except BaseException:
        await channel.close()
        raise
    return channel


def _channel(address: Address, config: Mapping[str, Any], patience: tuple[str, int]) -> grpc.aio.Channel:
    """To a checked address, under the name of the config."""
    target = f"ipv6:[{address.ip}]:{address.port}" if ":" in address.ip else f"ipv4:{address.ip}:{address.port}"
    host = config["host"].strip("[]")
    if not config["tls"]:
        options = (*_OPTIONS, patience, ("grpc.default_authority", named(host, address.port)))
        return grpc.aio.insecure_channel(target, options=options)
    options = (*_OPTIONS, patience, ("grpc.ssl_target_name_override", host))
    return grpc.aio.secure_channel(target, _credentials(config.get("caCert")), options=options)


@lru_cache(64)
def _credentials(ca: str | None) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(root_certificates=bundle(ca).encode())


def _words(error: grpc.aio.AioRpcError) -> str:
    """The innermost reason, in our words where it is a common one."""
    text = " ".join((error.details() or error.code().name).split())
    if "CERTIFICATE_VERIFY_FAILED: " in text:
        return (
            f"its certificate isn't trusted: {text.rpartition('CERTIFICATE_VERIFY_FAILED: ')[2].removesuffix(': OK')}"
        )
    ours = (words for theirs, words in _REASONS if theirs in text)
    return next(ours, _LAYERS.sub("", text).rstrip("."))
