"""Modules of blackbox_exporter as checks, for one target at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.base.durations import format_duration
from reconciler.importers.assertions import holds, negated
from reconciler.importers.blackbox.http import http
from reconciler.importers.blackbox.jobs import Target, duration
from reconciler.importers.places import address, shown
from reconciler.importers.port import File, Notes
from reconciler.importers.probe import Measure
from reconciler.importers.secrets import Keeper
from reconciler.importers.templates import clean_body, literal

_IP = ("preferred_ip_protocol", "ip_protocol_fallback", "source_ip_address")
_CODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
_TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")


@dataclass(slots=True)
class Module:
    """One module, while a target is probed with it."""

    name: str
    settings: dict[str, Any]
    file: File
    path: Path
    keeper: Keeper
    notes: Notes

    def left(self, key: str, message: str, hint: str | None = None) -> None:
        """``key`` of the prober's settings can't be said."""
        self.notes.left(self.file.at((*self.path, key)), f"{self.name}: {message}", hint)

    def changed(self, key: str, message: str, hint: str | None = None) -> None:
        """``key`` means something a little different here."""
        self.notes.changed(self.file.at((*self.path, key)), f"{self.name}: {message}", hint)

    def others(self, known: Sequence[str]) -> None:
        """Tell of all keys but the known ones."""
        for key in self.settings:
            if key in _IP:
                if key == "preferred_ip_protocol":
                    self.changed(key, "addresses of both kinds are tried, whichever answers")
                elif key == "source_ip_address":
                    self.left(key, "the address to connect from can't be chosen")
            elif key not in known:
                self.left(key, f"{key} has no equal here")


class Modules:
    """All modules of the files by name."""

    def __init__(self, files: Sequence[tuple[File, dict[str, Any]]], keeper: Keeper, notes: Notes) -> None:
        self._keeper, self._notes = keeper, notes
        self._found = {str(name): (file, module) for file, modules in files for name, module in modules.items()}
        self._used: set[str] = set()

    def measure(self, target: Target) -> Measure | None:
        """The check of one target; None when it can't be made, which is told."""
        found = self._found.get(target.module)
        self._used.add(target.module)
        if found is None:
            hint = "name the configuration of blackbox_exporter that has it as well"
            self._notes.left(
                target.at, f"{shown(target.address)} was left out: no file has the module {target.module}", hint
            )
            return None
        file, module = found
        prober = str(module.get("prober")) if isinstance(module, dict) else None
        if prober not in _PROBERS:
            self._notes.left(
                file.at(("modules", target.module)), f"{target.module}: the prober {prober} has no strategy here"
            )
            return None
        settings = module.get(prober)
        path = ("modules", target.module, str(prober))
        whole = Module(
            target.module, settings if isinstance(settings, dict) else {}, file, path, self._keeper, self._notes
        )
        measure = _PROBERS[prober](whole, target)
        if measure is not None:
            limit = duration(module["timeout"]) if "timeout" in module else target.timeout
            if limit is not None and limit != 30_000:
                measure.config["timeout"] = format_duration(min(max(limit, 100), 300_000))
            measure.comments = list(file.above(("modules", target.module)))
        return measure

    def unused(self) -> None:
        """Tell of modules that no target is probed with."""
        for name, (file, _) in self._found.items():
            if name not in self._used:
                self._notes.left(
                    file.at(("modules", name)), f"no job probes with {name}", "nothing to do, unless that is a mistake"
                )


def _host_port(target: Target, notes: Notes, default: int | None = None) -> tuple[str, int] | None:
    parts = address(target.address if "://" in target.address else f"//{target.address}")
    port = re.search(r":([0-9]{1,5})\Z", parts.base) if parts else None
    number = int(port[1]) if port else default
    if parts is None or number is None or not 0 < number < 65536:
        notes.left(
            target.at, f"{shown(target.address)} was left out: it isn't a host with a port", "write it as in host:25"
        )
        return None
    return parts.host, number


def _tls_name(module: Module, settings: Any, config: dict[Any, Any]) -> None:
    """What ``tls_config`` says that a check of certificates knows."""
    for key, value in settings.items() if isinstance(settings, dict) else ():
        if key == "insecure_skip_verify":
            if value is True:
                config["rejectUnauthorized"] = False
        elif key == "server_name":
            config["servername"] = str(value)
        elif key == "min_version" and re.fullmatch(r"TLS1[0-3]", str(value)):
            minor = str(value)[-1]
            config["minVersion"] = "TLSv1" if minor == "0" else f"TLSv1.{minor}"
        elif key == "ca_file":
            module.left("tls_config", f"the authority in {value} isn't in the file", "write its content as caCert")
        else:
            module.left("tls_config", f"tls_config.{key} has no equal here")


def _tcp(module: Module, target: Target) -> Measure | None:
    module.others(("tls", "tls_config", "query_response"))
    place = _host_port(target, module.notes, 443 if module.settings.get("tls") is True else None)
    if place is None:
        return None
    config: dict[Any, Any] = {"host": place[0], "port": place[1]}
    steps = module.settings.get("query_response")
    steps = [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    if module.settings.get("tls") is True:
        if steps:
            module.left("query_response", "what is said inside of TLS isn't looked at, only the certificate is")
        _tls_name(module, module.settings.get("tls_config"), config)
        if config["port"] == 443:
            del config["port"]
        return Measure("tls", config, "certificate")
    if not steps:
        return Measure("tcp", config)
    return _dialogue(module, config, steps)


def _dialogue(module: Module, config: dict[Any, Any], steps: list[dict[str, Any]]) -> Measure:
    """A banner can be read after one thing was sent; more of a dialogue needs a script."""
    settings: dict[Any, Any] = {}
    told: list[dict[Any, Any]] = []
    rest = list(steps)
    if rest and rest[0].get("send") and "expect" not in rest[0]:
        said = clean_body(str(rest.pop(0)["send"]), module.file.at((*module.path, "query_response")), module.notes)
        settings["send"] = f"{literal(said)}\n"
    if rest and "expect" in rest[0]:
        first = rest.pop(0)
        told = [holds("banner", "matches", str(first["expect"]))]
        if first.get("send") or first.get("starttls"):
            rest.append(first)
    if rest:
        module.left(
            "query_response", "only the first answer is looked at, not the dialogue after it", "a script can lead it"
        )
    return Measure("tcp", config, "banner", settings, told)


def _icmp(module: Module, target: Target) -> Measure | None:
    module.others(("payload_size",))
    settings: dict[Any, Any] = {"host": target.address.strip("[]"), "count": 1}
    size = module.settings.get("payload_size")
    if isinstance(size, int) and 0 < size <= 65_507:
        settings["packetSize"] = size
    return Measure("ping", {}, "ping", settings, [holds("success", "isTrue")])


def _dns(module: Module, target: Target) -> Measure | None:
    settings = module.settings
    module.others(
        (
            "query_name",
            "query_type",
            "transport_protocol",
            "dns_over_tls",
            "tls_config",
            "valid_rcodes",
            "validate_answer_rrs",
        )
    )
    secure = settings.get("dns_over_tls") is True
    place = _host_port(target, module.notes, 853 if secure else 53)
    name = str(settings.get("query_name") or "").rstrip(".")
    if place is None or not name:
        if not name:
            module.left("query_name", "it has no name to look up")
        return None
    config: dict[Any, Any] = {"nameserver": place[0]}
    if place[1] not in (53, 853):
        config["port"] = place[1]
    protocol = "tls" if secure else str(settings.get("transport_protocol") or "udp")
    if protocol in ("tcp", "tls"):
        config["protocol"] = protocol
    if secure and isinstance(settings.get("tls_config"), dict) and settings["tls_config"].get("server_name"):
        config["servername"] = str(settings["tls_config"]["server_name"])
    looked: dict[Any, Any] = {"hostname": name}
    kind = str(settings.get("query_type") or "ANY").upper()
    if kind not in _TYPES:
        module.changed("query_type", f"records of the type {kind} can't be looked up; A is")
    elif kind != "A":
        looked["recordType"] = kind
    return Measure("dns", config, "lookup", looked, [*_codes(module), *_records(module)])


def _codes(module: Module) -> list[dict[Any, Any]]:
    codes = module.settings.get("valid_rcodes") or ["NOERROR"]
    if not isinstance(codes, list) or len(codes) != 1 or codes[0] not in _CODES:
        module.left("valid_rcodes", "several response codes can't be said", "write one with responseCode equals")
        return []
    return [holds("responseCode", "equals", codes[0])]


def _records(module: Module) -> list[dict[Any, Any]]:
    rules = module.settings.get("validate_answer_rrs")
    told: list[dict[Any, Any]] = []
    for key, patterns in rules.items() if isinstance(rules, dict) else ():
        for pattern in patterns if isinstance(patterns, list) else [patterns]:
            if key == "fail_if_none_matches_regexp" or (key == "fail_if_not_matches_regexp" and len(rules or {}) == 1):
                told.append(holds("records", "matches", str(pattern), path="$"))
            elif key == "fail_if_matches_regexp":
                told.append(holds("records", "matches", negated(str(pattern)), path="$"))
            else:
                module.left("validate_answer_rrs", f"{key} can't be said", "write assertions on records")
    if told:
        note = "the expressions see the values of the records alone, not their names, times and types"
        module.changed("validate_answer_rrs", note, "look at the assertions on records")
    return told


def _grpc(module: Module, target: Target) -> Measure | None:
    module.others(("service", "tls", "tls_config"))
    place = _host_port(target, module.notes)
    if place is None:
        return None
    config: dict[Any, Any] = {"host": place[0], "port": place[1]}
    if module.settings.get("tls") is True:
        config["tls"] = True
    if module.settings.get("tls_config"):
        module.left("tls_config", "the server is verified against the host's authorities", "write caCert")
    service = str(module.settings.get("service") or "")
    return Measure(
        "grpc", config, "health", {"service": service} if service else {}, [holds("status", "equals", "SERVING")]
    )


_PROBERS: dict[Any, Callable[[Module, Target], Measure | None]] = {
    "http": http,
    "tcp": _tcp,
    "icmp": _icmp,
    "dns": _dns,
    "grpc": _grpc,
}
