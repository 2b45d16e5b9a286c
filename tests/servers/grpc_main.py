"""The program behind ``tests.servers.grpc``: three ports, with a health service, with TLS too, and with nothing."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]


class Slow(health.HealthServicer):  # type: ignore[misc]
    """Never says anything about the service ``slow``."""

    def Check(self, request: Any, context: Any) -> Any:  # gRPC's name
        if request.service == "slow":
            ended = threading.Event()
            context.add_callback(ended.set)
            ended.wait()
        return super().Check(request, context)


def main(plain: str, tls: str, bare: str, certificate: str, key: str) -> None:
    """Serve until it is killed."""
    serving = grpc.server(ThreadPoolExecutor(8))
    servicer = Slow()
    status = health_pb2.HealthCheckResponse
    for service, says in (("", status.SERVING), ("orders", status.SERVING), ("down", status.NOT_SERVING)):
        servicer.set(service, says)
    servicer.set("odd", status.UNKNOWN)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, serving)
    serving.add_insecure_port(f"127.0.0.1:{plain}")
    pair = (Path(key).read_bytes(), Path(certificate).read_bytes())
    serving.add_secure_port(f"127.0.0.1:{tls}", grpc.ssl_server_credentials([pair]))
    serving.start()
    nothing = grpc.server(ThreadPoolExecutor(1))
    nothing.add_insecure_port(f"127.0.0.1:{bare}")
    nothing.start()
    nothing.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
