"""What each kind of URL of Gatus asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.importers.assertions import holds
from reconciler.importers.gatus.variables import filled, named
from reconciler.importers.places import address
from reconciler.importers.port import File, Notes
from reconciler.importers.probe import Measure
from reconciler.importers.secrets import HEADER_NAME, Keeper, clean_url, header
from reconciler.importers.templates import clean_body

_METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD")
_TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")
_PLACEHOLDER = re.compile(r"\[(?:LOCAL_ADDRESS|RANDOM_STRING_[0-9]+|CONTEXT[^\]]*)\]")


@dataclass(slots=True)
class Asked:
    """An endpoint whose URL was looked at. ``fields`` collects what variables became."""

    endpoint: dict[str, Any]
    path: Path
    title: str
    scheme: str
    url: str
    fields: dict[str, Any]
    file: File
    keeper: Keeper
    notes: Notes

    def left(self, key: str, message: str, hint: str | None = None) -> None:
        """Something of ``key`` can't be said."""
        self.notes.left(self.file.at((*self.path, key)), message, hint)


def _http(asked: Asked) -> Measure | None:
    endpoint, title = asked.endpoint, asked.title
    method = str(endpoint.get("method") or "GET").upper()
    if method not in _METHODS:
        asked.left("method", f"{title} was left out: requests can't be made with {method}", "a script can make them")
        return None
    at = asked.file.at((*asked.path, "url"))
    cleaned = clean_url(asked.url, title, at, asked.keeper, asked.notes) or (asked.url, {})
    settings: dict[Any, Any] = {"url": cleaned[0]}
    if method != "GET":
        settings["method"] = method
    config, headers = dict(cleaned[1]), _headers(asked)
    body = _body(asked)
    if endpoint.get("graphql") is True and body is not None:
        settings["method"] = "POST"
        body = json.dumps({"query": body}, ensure_ascii=False)
        if not any(each["name"].lower() == "content-type" for each in headers[1]):
            headers[1].append({"name": "Content-Type", "value": "application/json"})
    config |= headers[0]
    if headers[1]:
        settings["headers"] = headers[1]
    if body is not None:
        settings["body"] = body
    return Measure("http", config, "request", settings)


def _headers(asked: Asked) -> tuple[dict[Any, Any], list[dict[Any, Any]]]:
    config: dict[Any, Any] = {}
    kept: list[dict[Any, Any]] = []
    found = asked.endpoint.get("headers")
    for name, value in found.items() if isinstance(found, dict) else ():
        at = asked.file.at((*asked.path, "headers", str(name)))
        if not HEADER_NAME.match(str(name)) or value is None:
            asked.notes.left(at, f"{name!r} is no header that can be sent", None)
            continue
        text = str(value)
        more, plainly = header(str(name), text, asked.title, at, asked.keeper)
        config |= more
        if plainly is not None and named(text) and "value" in plainly:
            # Whether what the variable holds may be seen, nobody can tell.
            what = f"the whole header {name} for {asked.title}, which was {text} with its variables filled in"
            secret = asked.keeper.name(text, at, asked.title, str(name), what=what)
            plainly = {"name": str(name), "valueFrom": {"secret": secret}}
        if plainly is not None:
            if "value" in plainly:
                plainly["value"] = filled(text, at, asked.fields, asked.notes)
            kept.append(plainly)
    return config, kept


def _body(asked: Asked) -> str | None:
    body = asked.endpoint.get("body")
    if not isinstance(body, str) or not body:
        return None
    at = asked.file.at((*asked.path, "body"))
    for placeholder, value in (
        ("[ENDPOINT_NAME]", asked.title),
        ("[ENDPOINT_GROUP]", str(asked.endpoint.get("group") or "")),
        ("[ENDPOINT_URL]", str(asked.endpoint.get("url"))),
    ):
        body = body.replace(placeholder, value)
    if match := _PLACEHOLDER.search(body):
        asked.left(
            "body", f"{match[0]} in the body of {asked.title} is sent as it stands", "a script can make such a body"
        )
    return filled(clean_body(body, at, asked.notes), at, asked.fields, asked.notes)


def _host_port(asked: Asked, default: int | None = None) -> dict[Any, Any] | None:
    parts = address(asked.url)
    if parts is None:
        return None
    port = re.search(r":([0-9]+)\Z", parts.base)
    number = int(port[1]) if port else default
    if number is None or not 0 < number < 65536:
        asked.left("url", f"{asked.title} was left out: its url names no port", "write it as in tcp://host:25")
        return None
    return {"host": parts.host, "port": number}


def _tcp(asked: Asked) -> Measure | None:
    config = _host_port(asked)
    if config is None:
        return None
    body = _body(asked)
    if body is None:
        return Measure("tcp", config)
    return Measure("tcp", config, "banner", {"send": body})


def _tls(asked: Asked) -> Measure | None:
    config = _host_port(asked, 443)
    if config is None:
        return None
    if config["port"] == 443:
        del config["port"]
    return Measure("tls", config, "certificate")


def _ping(asked: Asked) -> Measure | None:
    parts = address(asked.url)
    return Measure("ping", {}, "ping", {"host": parts.host, "count": 1}) if parts else None


def _grpc(asked: Asked) -> Measure | None:
    secure = asked.scheme == "grpcs"
    config = _host_port(asked, 443 if secure else None)
    if config is None:
        return None
    if secure:
        config["tls"] = True
    # What Gatus asks for with [BODY].status is what the health service says.
    return Measure("grpc", config, "health", {}, [holds("status", "equals", "SERVING")])


def _ssh(asked: Asked) -> Measure | None:
    config = _host_port(asked, 22)
    if config is None:
        return None
    account = asked.endpoint.get("ssh")
    if not isinstance(account, dict) or not account.get("username"):
        # Without an account Gatus only looks whether a server of SSH answers.
        return Measure("tcp", config, "banner", {}, [holds("banner", "startsWith", "SSH-")])
    if config["port"] == 22:
        del config["port"]
    at = asked.file.at((*asked.path, "ssh"))
    config["username"] = filled(str(account["username"]), at, asked.fields, asked.notes)
    for key, field in (("password", "password"), ("private-key", "privateKey")):
        if value := account.get(key):
            what = f"the {key.replace('-', ' ')} of the user at {asked.title}"
            config[field] = asked.keeper.text(str(value), at, asked.title, key, what=what)
    if "password" not in config and "privateKey" not in config:
        asked.left("ssh", f"{asked.title} was left out: logging in needs a password or a key", None)
        return None
    return Measure("ssh", config, "command", {"command": _command(asked)})


def _command(asked: Asked) -> str:
    body = asked.endpoint.get("body")
    try:
        command = json.loads(str(body))["command"]
    except (ValueError, KeyError, TypeError):
        command = None
    return str(command) if command else "true"


def _dns(asked: Asked) -> Measure | None:
    query = asked.endpoint["dns"]
    name, kind = query.get("query-name"), str(query.get("query-type") or "A").upper()
    if not isinstance(name, str) or not name.strip("."):
        asked.left("dns", f"{asked.title} was left out: dns has no query-name")
        return None
    if kind not in _TYPES:
        asked.left("dns", f"{asked.title} was left out: records of the type {kind} can't be looked up", "a script can")
        return None
    at = asked.file.at((*asked.path, "dns"))
    server, _, port = asked.url.rpartition("://")[2].partition(":")
    config: dict[Any, Any] = {"nameserver": server}
    if port.isdigit() and port != "53":
        config["port"] = int(port)
    settings: dict[Any, Any] = {"hostname": filled(name.rstrip("."), at, asked.fields, asked.notes, form="host")}
    if kind != "A":
        settings["recordType"] = kind
    return Measure("dns", config, "lookup", settings)


MEASURES: dict[str, Callable[[Asked], Measure | None]] = {
    "http": _http,
    "https": _http,
    "tcp": _tcp,
    "tls": _tls,
    "icmp": _ping,
    "grpc": _grpc,
    "grpcs": _grpc,
    "ssh": _ssh,
    "dns": _dns,
}
