"""Monitors of Uptime Kuma that make requests: http, keyword and json-query."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reconciler.importers.assertions import OPERATORS, holds, negated, scalar, statuses
from reconciler.importers.places import address
from reconciler.importers.probe import Measure
from reconciler.importers.secrets import HEADER_NAME, basic, clean_url, header
from reconciler.importers.templates import clean_body, literal
from reconciler.kinds.assertions import json_path_fault

if TYPE_CHECKING:
    from reconciler.importers.kuma.monitor import Monitor

_METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD")
_TYPES = {"json": "application/json", "xml": "text/xml; charset=utf-8", "form": "application/x-www-form-urlencoded"}
_CODES = re.compile(r"\s*([1-9][0-9]{2})(?:\s*-\s*([1-9][0-9]{2}))?\s*\Z")
_SIMPLE = re.compile(r"\$?(?:\.?[A-Za-z_][A-Za-z0-9_]*|\[[0-9]+\])*\Z")
_DAYS = 14
_CERTIFICATE_INTERVAL = 3_600_000


def _http(monitor: Monitor) -> Measure | None:
    file, notes = monitor.backup.file, monitor.backup.notes
    method = (monitor.text("method") or "GET").upper()
    if method not in _METHODS:
        monitor.left(
            "method", f"{monitor.title} was left out: requests can't be made with {method}", "a script can make them"
        )
        return None
    at = file.at((*monitor.path, "url"))
    cleaned = clean_url(monitor.text("url"), monitor.title, at, monitor.backup.keeper, notes)
    if cleaned is None or not cleaned[0].startswith(("http://", "https://")):
        monitor.left("url", f"{monitor.title} was left out: its url is none", "write it as in https://www.example.net")
        return None
    settings: dict[Any, Any] = {"url": literal(cleaned[0])}
    if method != "GET":
        settings["method"] = method
    config, headers = _headers(monitor)
    config = {**cleaned[1], **config, **_credentials(monitor), **_proxy(monitor)}
    body = monitor.data.get("body")
    if isinstance(body, str) and body.strip():
        settings["body"] = literal(clean_body(body, file.at((*monitor.path, "body")), notes))
        kind = _TYPES.get(monitor.text("httpBodyEncoding") or "json", "")
        if kind and not any(each["name"].lower() == "content-type" for each in headers):
            headers.append({"name": "Content-Type", "value": kind})
    if headers:
        settings["headers"] = headers
    if monitor.data.get("maxredirects") == 0:
        settings["followRedirects"] = False
    _security(monitor, cleaned[0])
    return Measure("http", config, "request", settings, _status(monitor))


def _status(monitor: Monitor) -> list[dict[Any, Any]]:
    listed = monitor.data.get("accepted_statuscodes")
    if listed is None and isinstance(monitor.data.get("accepted_statuscodes_json"), str):
        try:
            listed = json.loads(monitor.data["accepted_statuscodes_json"])
        except ValueError:
            listed = None
    codes: set[int] = set()
    for item in listed if isinstance(listed, list) else []:
        if match := _CODES.match(str(item)):
            codes.update(range(int(match[1]), int(match[2] or match[1]) + 1))
        else:
            monitor.left("accepted_statuscodes", f"{item} is no range of status codes")
    told, exact = statuses(codes or range(200, 300))
    if not exact:
        monitor.changed(
            "accepted_statuscodes", "the codes became the range of them, since a list of numbers can't be said"
        )
    return told


def _keyword(monitor: Monitor) -> Measure | None:
    measure = _http(monitor)
    keyword = monitor.data.get("keyword")
    if measure is not None and isinstance(keyword, str) and keyword:
        if monitor.yes("invertKeyword"):
            measure.assertions.append(holds("body", "matches", negated(re.escape(keyword))))
        else:
            measure.assertions.append(holds("body", "contains", keyword))
    return measure


def _json_query(monitor: Monitor) -> Measure | None:
    measure = _http(monitor)
    if measure is None:
        return None
    written = monitor.text("jsonPath") or "$"
    path = _path(written)
    operator = {"contains": "contains", **OPERATORS}.get(monitor.text("jsonPathOperator") or "==")
    if path is None or operator is None:
        monitor.left(
            "jsonPath", f"{written} is more than a path into JSON", "write an assertion with jsonPath, or a script"
        )
        return measure
    measure.assertions.append(holds("body", operator, scalar(monitor.text("expectedValue")), path=path))
    return measure


def _path(text: str) -> str | None:
    """What Kuma evaluates (JSONata) as RFC 9535 has it, where it only names a place."""
    if not _SIMPLE.match(text):
        return None
    path = text if text.startswith("$") else f"${text}" if text.startswith("[") else f"$.{text}"
    return path if json_path_fault(path) is None else None


def _headers(monitor: Monitor) -> tuple[dict[Any, Any], list[dict[Any, Any]]]:
    found = monitor.data.get("headers")
    if isinstance(found, str) and found.strip():
        try:
            found = json.loads(found)
        except ValueError:
            monitor.left("headers", f"the headers of {monitor.title} are no JSON")
    config: dict[Any, Any] = {}
    kept: list[dict[Any, Any]] = []
    for name, value in found.items() if isinstance(found, dict) else ():
        if not HEADER_NAME.match(name) or value is None:
            monitor.left("headers", f"{name!r} is no header that can be sent")
            continue
        at = monitor.backup.file.at((*monitor.path, "headers"))
        more, plainly = header(name, str(value), monitor.title, at, monitor.backup.keeper)
        config |= more
        if plainly is not None:
            if "value" in plainly:
                plainly["value"] = literal(str(value))
            kept.append(plainly)
    return config, kept


def _credentials(monitor: Monitor) -> dict[Any, Any]:
    method = monitor.text("authMethod")
    user, password = monitor.text("basic_auth_user"), monitor.text("basic_auth_pass")
    if method in ("", "null", "basic") and (user or password):
        at = monitor.backup.file.at((*monitor.path, "basic_auth_pass"))
        return basic(user, password, monitor.title, at, monitor.backup.keeper)
    config: dict[Any, Any] = {}
    if method == "mtls":
        if monitor.text("tlsCert") and monitor.text("tlsKey"):
            config["clientCert"] = monitor.data["tlsCert"]
            config["clientKey"] = monitor.secret(
                "tlsKey", monitor.data["tlsKey"], f"the key of the certificate of {monitor.title}"
            )
        if monitor.text("tlsCa"):
            config["caCert"] = monitor.data["tlsCa"]
    elif method not in ("", "null", "basic"):
        hint = (
            "fetch the token with a script, or send one that lasts with authToken"
            if "oauth" in method
            else "a script can do it"
        )
        monitor.left("authMethod", f"{monitor.title} logs in by {method}, which has no equal here", hint)
    return config


def _proxy(monitor: Monitor) -> dict[Any, Any]:
    found = monitor.backup.proxies.get(monitor.text("proxyId"))
    if found is None:
        return {}
    path, proxy = found
    protocol = str(proxy.get("protocol") or "http")
    if protocol not in ("http", "https"):
        monitor.left("proxyId", f"{monitor.title} goes through a proxy that speaks {protocol}, which has no equal here")
        return {}
    config: dict[Any, Any] = {"proxyUrl": f"{protocol}://{proxy.get('host')}:{proxy.get('port')}"}
    if proxy.get("auth") and proxy.get("username") and proxy.get("password"):
        at = monitor.backup.file.at((*path, "password"))
        what = f"the password at the proxy {proxy.get('host')}"
        config["proxyUsername"] = str(proxy["username"])
        config["proxyPassword"] = monitor.backup.keeper.text(str(proxy["password"]), at, "proxy", "password", what=what)
    return config


def _security(monitor: Monitor, url: str) -> None:
    if monitor.yes("ignoreTls") and url.startswith("https://"):
        hint = "write the certificate of the authority as caCert in the strategy's config"
        monitor.left(
            "ignoreTls", f"certificates are always verified, so {monitor.title} fails where this was needed", hint
        )
    parts = address(url)
    if not monitor.yes("expiryNotification") or parts is None or not url.startswith("https://"):
        return
    config: dict[Any, Any] = {"host": parts.host}
    port = parts.base.rpartition(":")[2]
    if port.isdigit() and port != "443":
        config["port"] = int(port)
    told = [holds("daysRemaining", "greaterThan", _DAYS)]
    monitor.extra.append(Measure("tls", config, "certificate", {}, told, _CERTIFICATE_INTERVAL, "certificate"))
    monitor.changed(
        "expiryNotification", f"the certificate of {monitor.title} is a check of its own, which wants {_DAYS} days"
    )


MEASURES: dict[str, Callable[[Monitor], Measure | None]] = {
    "http": _http,
    "keyword": _keyword,
    "json-query": _json_query,
}
