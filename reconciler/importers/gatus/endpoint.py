"""One endpoint of Gatus: what its URL asks for, and what its conditions come to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.base.durations import parse_duration
from reconciler.importers.assertions import holds
from reconciler.importers.gatus import conditions as c
from reconciler.importers.gatus.alerting import Alerting
from reconciler.importers.gatus.client import client
from reconciler.importers.gatus.measures import MEASURES, Asked
from reconciler.importers.gatus.variables import filled
from reconciler.importers.places import address, shown
from reconciler.importers.port import File, Notes
from reconciler.importers.probe import Measure, Probe, Remark
from reconciler.importers.secrets import Keeper

_KNOWN = frozenset(
    (
        *("enabled", "name", "group", "url", "method", "conditions", "interval", "graphql", "body", "headers"),
        *("dns", "ssh", "alerts", "client", "extra-labels"),
    )
)
_UNLIKE = {
    "maintenance-windows": "an Automation with automation.cron@1 and maintenance.start@1 says the same",
    "ui": None,
    "store": "a script can make several requests",
    "always-run": None,
}
_LEAST, _MOST = 1000, 31 * 86_400_000
DAY_CHECK = 3_600_000


@dataclass(slots=True)
class Context:
    """What reading an endpoint needs beside it."""

    file: File
    keeper: Keeper
    notes: Notes
    alerting: Alerting


def probe_of(endpoint: Any, path: Path, context: Context) -> Probe | None:
    """None for what can't be checked here, which is told."""
    file, notes = context.file, context.notes
    at = file.at(path)
    if not isinstance(endpoint, dict):
        notes.left(at, "an endpoint has to be a map with name and url", None)
        return None
    title = _word(endpoint.get("name")) or shown(_word(endpoint.get("url"))).rpartition("://")[2].strip("/")
    if not title:
        notes.left(at, "the endpoint has neither name nor url", None)
        return None
    if endpoint.get("enabled") is False:
        notes.left(at, f"{title} is disabled, and was left out", "write it when it is wanted again")
        return None
    _unknown(endpoint, path, title, context)
    asked = _asked(endpoint, path, title, context)
    measure = MEASURES[asked.scheme](asked) if asked is not None else None
    if asked is None or measure is None:
        return None
    measure.interval = _interval(endpoint, path, context)
    measure.beside_interval = file.beside((*path, "interval")) if "interval" in endpoint else None
    probe = Probe(title, at, [measure], _word(endpoint.get("group")) or None)
    probe.fields = asked.fields
    client(endpoint.get("client"), (*path, "client"), measure, asked)
    _conditions(endpoint, path, measure, probe, context)
    probe.comments = list(file.above(path))
    _beside(endpoint, path, measure, file)
    _labels(endpoint, probe)
    context.alerting.tell(endpoint.get("alerts"), (*path, "alerts"), file, probe)
    return probe


def _asked(endpoint: dict[str, Any], path: Path, title: str, context: Context) -> Asked | None:
    at = context.file.at((*path, "url"))
    raw = endpoint.get("url")
    if not isinstance(raw, str) or not raw.strip():
        context.notes.left(at, f"{title} has no url", None)
        return None
    fields: dict[str, Any] = {}
    url = filled(raw.strip(), at, fields, context.notes, form="url")
    scheme = "dns" if isinstance(endpoint.get("dns"), dict) else url.partition("://")[0].lower() if "://" in url else ""
    scheme = "https" if url.startswith("{{") else scheme
    if scheme not in MEASURES:
        what = f"{scheme}:// has no strategy here" if scheme else f"{shown(url)} has no scheme"
        context.notes.left(
            at, f"{title} was left out: {what}", _HINTS.get(scheme, "gitops explain Check.spec lists the strategies")
        )
        return None
    if scheme not in ("http", "https", "dns") and address(url) is None:
        context.notes.left(at, f"{title} was left out: {shown(url)} names no host", None)
        return None
    return Asked(endpoint, path, title, scheme, url, fields, context.file, context.keeper, context.notes)


_HINTS = {
    "ws": "a script can open a WebSocket",
    "wss": "a script can open a WebSocket",
    "starttls": "a script can use openssl s_client -starttls; tls@1 speaks TLS from the first byte",
    "udp": "a script can send a packet",
    "sctp": "a script can open an SCTP connection",
}


def _unknown(endpoint: dict[str, Any], path: Path, title: str, context: Context) -> None:
    for key in endpoint:
        if key in _UNLIKE:
            context.notes.left(context.file.at((*path, key)), f"{key} of {title} has no equal here", _UNLIKE[key])
        elif key not in _KNOWN:
            context.notes.left(context.file.at((*path, key)), f"{key} of {title} isn't known to this importer", None)


def _interval(endpoint: dict[str, Any], path: Path, context: Context) -> int:
    value = endpoint.get("interval", "60s")
    at = context.file.at((*path, "interval"))
    try:
        ms = parse_duration(str(value))
    except ValueError as error:
        context.notes.changed(at, f"{error}; 1m is used", None)
        return 60_000
    if not _LEAST <= ms <= _MOST:
        context.notes.changed(at, "an interval is from 1s to 31d here; the nearest is used", None)
    return min(max(ms, _LEAST), _MOST)


def _conditions(endpoint: dict[str, Any], path: Path, measure: Measure, probe: Probe, context: Context) -> None:
    found = endpoint.get("conditions")
    for index, text in enumerate(found if isinstance(found, list) else []):
        place = (*path, "conditions", index)
        at = context.file.at(place)
        try:
            said, note = _condition(str(text), measure, probe)
        except c.Untold as untold:
            context.notes.left(at, f"{text}: {untold.message}", untold.hint)
            continue
        if note:
            context.notes.changed(at, f"{text}: {note}", None)
        remarks = [*context.file.above(place)] if index else []
        if said and (beside := context.file.beside(place)):
            remarks.append(beside)
        if said and remarks:
            said[0][Remark("field")] = " ".join(remarks)
    if measure.strategy == "ping" and not any(a["field"] == "success" for a in measure.assertions):
        measure.assertions.insert(0, holds("success", "isTrue"))


def _condition(text: str, measure: Measure, probe: Probe) -> tuple[list[dict[Any, Any]], str | None]:
    """Put the assertions where they belong, and return them."""
    condition = c.parsed(text)
    if condition.subject == "CONNECTED" and c.connected(condition):
        said = [holds("success", "isTrue")] if measure.strategy == "ping" else []
        measure.assertions += said
        return said, None
    if condition.subject == "CERTIFICATE_EXPIRATION":
        said = [c.certificate(condition)]
        (measure if measure.strategy == "tls" else _certificate(measure, probe)).assertions += said
        return said, None
    if measure.strategy == "grpc" and (condition.subject, condition.path) == ("BODY", ".status"):
        measure.assertions[:] = [holds("status", "equals", c.serving(condition))]
        return measure.assertions, None
    said, note = c.assertions(condition, FIELDS[measure.strategy])
    if measure.settings.get("recordType") == "MX" and said[0]["operator"] == "includes":
        said[0] |= {"jsonPath": "$", "operator": "contains"}
        note = "records of the type MX begin with their preference here, so it looks for this text in all of them"
    if measure.strategy == "tcp":
        measure.collector = "banner"
    measure.assertions += said
    return said, note


FIELDS = {
    "http": c.Fields("statusCode", "body", "responseTimeMs"),
    "tcp": c.Fields(None, "banner", "connectTimeMs"),
    "tls": c.Fields(None, None, "handshakeTimeMs"),
    "ping": c.Fields(None, None, "avgLatencyMs"),
    "dns": c.Fields(None, "records", "resolutionTimeMs", True),
    "grpc": c.Fields(None, None, "responseTimeMs"),
    "ssh": c.Fields("exitCode", "stdout", "executionTimeMs"),
}


def _certificate(measure: Measure, probe: Probe) -> Measure:
    """The check of the certificate beside one of requests, which can't see it."""
    for other in probe.measures:
        if other.strategy == "tls":
            return other
    parts = address(str(measure.settings.get("url", "")))
    if measure.strategy != "http" or parts is None or not parts.base.startswith("https:"):
        raise c.Untold("there is no certificate to look at", "a Check with tls@1 looks at certificates")
    config: dict[Any, Any] = {"host": parts.host}
    port = re.search(r":([0-9]+)\Z", parts.base)
    if port and port[1] != "443":
        config["port"] = int(port[1])
    found = Measure("tls", config, "certificate", interval=max(measure.interval, DAY_CHECK), part="certificate")
    probe.measures.append(found)
    return found


def _beside(endpoint: dict[str, Any], path: Path, measure: Measure, file: File) -> None:
    """What stands at the ends of lines that have no equal line here goes above the check."""
    spot = measure.spot()
    for key in ("name", "group", "url", "method", "body"):
        remark = file.beside((*path, key)) if key in endpoint else None
        if remark and key == "url" and spot is not None:
            spot[0][Remark(spot[1])] = remark
        elif remark:
            measure.comments.append(remark)


def _labels(endpoint: dict[str, Any], probe: Probe) -> None:
    labels = endpoint.get("extra-labels")
    if not isinstance(labels, dict):
        return
    for key, value in labels.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if str(key).lower() in ("env", "environment") and text:
            probe.environment = text
        else:
            probe.labels[str(key)] = text


def _word(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int | float) else ""
