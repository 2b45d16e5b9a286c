"""Monitors of Uptime Kuma below the level of requests: port, ping, dns and grpc-keyword."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reconciler.importers.assertions import holds
from reconciler.importers.places import address
from reconciler.importers.probe import Measure

if TYPE_CHECKING:
    from reconciler.importers.kuma.monitor import Monitor

_TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")


def _host(monitor: Monitor) -> str | None:
    host = monitor.text("hostname")
    if not host or "{{" in host or re.search(r"\s", host):
        monitor.left("hostname", f"{monitor.title} was left out: its hostname is none")
        return None
    return host


def _port_of(monitor: Monitor) -> int | None:
    text = monitor.text("port")
    if text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    monitor.left("port", f"{monitor.title} was left out: its port is none")
    return None


def _port(monitor: Monitor) -> Measure | None:
    host = _host(monitor)
    port = _port_of(monitor) if host else None
    return Measure("tcp", {"host": host, "port": port}) if port else None


def _ping(monitor: Monitor) -> Measure | None:
    host = _host(monitor)
    if host is None:
        return None
    settings: dict[Any, Any] = {"host": host, "count": 1}
    size = monitor.text("packetSize")
    if size.isdigit() and int(size) not in (0, 56) and int(size) <= 65_507:
        settings["packetSize"] = int(size)
    return Measure("ping", {}, "ping", settings, [holds("success", "isTrue")])


def _dns(monitor: Monitor) -> Measure | None:
    host = _host(monitor)
    kind = (monitor.text("dns_resolve_type") or "A").upper()
    if host is None or kind not in _TYPES:
        if host is not None:
            monitor.left(
                "dns_resolve_type", f"{monitor.title} was left out: records of the type {kind} can't be looked up"
            )
        return None
    config: dict[Any, Any] = {}
    servers = [server.strip() for server in monitor.text("dns_resolve_server").split(",") if server.strip()]
    if servers:
        config["nameserver"] = servers[0].strip("[]")
    if len(servers) > 1:
        monitor.changed("dns_resolve_server", f"only the first of these servers is asked for {monitor.title}")
    port = monitor.text("port")
    if port.isdigit() and 0 < int(port) < 65536 and int(port) != 53 and servers:
        config["port"] = int(port)
    settings: dict[Any, Any] = {"hostname": host.rstrip(".")}
    if kind != "A":
        settings["recordType"] = kind
    return Measure("dns", config, "lookup", settings, [holds("success", "isTrue")])


def _grpc(monitor: Monitor) -> Measure | None:
    url = monitor.text("grpcUrl")
    parts = address(url if "://" in url else f"//{url}")
    port = re.search(r":([0-9]{1,5})\Z", parts.base) if parts else None
    service = f"{monitor.text('grpcServiceName')} {monitor.text('grpcMethod')}"
    if parts is None or port is None or not 0 < int(port[1]) < 65536:
        monitor.left("grpcUrl", f"{monitor.title} was left out: its address names no host and port")
        return None
    if "health" not in service.lower():
        hint = "let the service speak grpc.health.v1, or use a script"
        monitor.left("grpcServiceName", f"{monitor.title} was left out: only the health service can be called", hint)
        return None
    config: dict[Any, Any] = {"host": parts.host, "port": int(port[1])}
    if monitor.yes("grpcEnableTls"):
        config["tls"] = True
    if monitor.yes("invertKeyword") or monitor.text("keyword") not in ("", "SERVING"):
        monitor.changed("keyword", f"{monitor.title} is healthy when the service says SERVING")
    return Measure("grpc", config, "health", {}, [holds("status", "equals", "SERVING")])


MEASURES: dict[str, Callable[[Monitor], Measure | None]] = {
    "port": _port,
    "ping": _ping,
    "dns": _dns,
    "grpc-keyword": _grpc,
}
