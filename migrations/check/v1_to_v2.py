"""The Healthcheck becomes a Check in gitops/v2: interval with a unit, strategy and collectors with pinned types.

An http check with a url of its own and no collectors becomes a request collector. Version 1 read every config as
version 1 of its kind, so all pins are ``@1`` and the steps of the configs do the rest. Templates are translated in the
fields that version 1 rendered: url, header values and body of a request, and the proxy of http.
"""

from __future__ import annotations

from typing import Any

FROM, TO = 1, 2

RENAMED = (
    (("spec", "interval"), ("spec", "intervalSeconds")),
    (("spec", "strategy", "type"), ("spec", "strategy")),
    (("spec", "strategy", "config"), ("spec", "config")),
    (("spec", "collectors", "*", "type"), ("spec", "collectors", "*", "collectorId")),
)
LIFTED = ("url", "method", "headers", "body")
LITERAL = {("redis", "command"): ("args",), ("tcp", "banner"): ("send",)}
"""Texts that version 2 renders and version 1 did not, by strategy and collector."""


def migrate(data: dict[str, Any]) -> dict[str, Any]:
    """The check as version 2 writes it. Raises with ``problems`` for templates that can't be translated."""
    from ..shared.v1_documents import envelope, is_old

    if not is_old(data):
        return data
    spec, translator = _translated(data)
    translator.finish()
    return envelope(data, "Check", spec)


def notes(data: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    """What is left out, because version 2 has nothing of the kind."""
    from ..shared.v1_documents import is_old

    if not is_old(data):
        return []
    spec = data["spec"]
    told: list[tuple[tuple[str | int, ...], str]] = []
    if spec.get("anomaly"):
        told.append((("spec", "anomaly"), "anomaly is left out: there is no anomaly detection in version 2"))
    if spec.get("notificationPolicy"):
        told.append((("spec", "notificationPolicy"), "notificationPolicy is left out: an automation takes its place"))
    return [*told, *_translated(data)[1].notes]


def _translated(data: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The spec of version 2, and the translator that knows what went wrong on the way."""
    from ..shared.v1_documents import seconds
    from ..shared.v1_templates import Translator

    old = data["spec"]
    strategy = _bare(old["strategy"])
    config = dict(old.get("config") or {})
    translator = Translator()
    collectors = [_collector(c, strategy, index, translator) for index, c in enumerate(old.get("collectors") or ())]
    if strategy == "http":
        if config.get("url") is not None and not collectors:
            lifted = {key: config.pop(key) for key in LIFTED if config.get(key) is not None}
            if isinstance(config.get("timeout"), int) and config["timeout"] >= 100:
                lifted["timeout"] = config["timeout"]
            collectors = [{"type": "request@1", "config": _request(lifted, ("spec", "config"), translator)}]
        if "proxyUrl" in config:
            config["proxyUrl"] = translator.text(config["proxyUrl"], ("spec", "config", "proxyUrl"))
    spec: dict[str, Any] = {
        "interval": seconds(old["intervalSeconds"]),
        "strategy": {"type": f"{strategy}@1", "config": config},
        "collectors": collectors,
    }
    return spec, translator


def _bare(qualified: str) -> str:
    """``healthcheck-http.request`` and ``request`` are both ``request``."""
    return qualified.strip().rpartition(".")[2]


def _collector(old: dict[str, Any], strategy: str, index: int, translator: Any) -> dict[str, Any]:
    from ..shared.v1_templates import literal

    kind = _bare(old["collectorId"])
    config = dict(old.get("config") or {})
    if strategy == "http" and kind in ("request", "http"):
        kind = "request"
        config = _request(config, ("spec", "collectors", index, "config"), translator)
    for key in LITERAL.get((strategy, kind), ()):
        if key in config:
            config[key] = literal(config[key])
    new: dict[str, Any] = {"type": f"{kind}@1", "config": config}
    if old.get("assertions"):
        new["assertions"] = [
            {key: a[key] for key in ("field", "jsonPath", "operator", "value") if key in a} for a in old["assertions"]
        ]
    return new


def _request(config: dict[str, Any], at: tuple[str | int, ...], translator: Any) -> dict[str, Any]:
    """The config with its templates translated; headers that were a map become a list."""
    new = dict(config)
    for key in ("url", "body"):
        if key in new:
            new[key] = translator.text(new[key], (*at, key))
    headers = new.get("headers")
    if isinstance(headers, dict):
        new["headers"] = [
            _header({"name": name, "value": value}, (*at, "headers", name), translator)
            for name, value in headers.items()
        ]
    elif isinstance(headers, list):
        new["headers"] = [
            _header(h, (*at, "headers", i, "value"), translator) if isinstance(h, dict) else h
            for i, h in enumerate(headers)
        ]
    return new


def _header(header: dict[str, Any], at: tuple[str | int, ...], translator: Any) -> dict[str, Any]:
    """A value that is one secret becomes ``valueFrom``: version 2 has no secrets inside rendered text."""
    from ..shared.v1_templates import secret_name

    if "value" not in header:
        return header
    secret = secret_name(header["value"])
    if secret:
        return {**{k: v for k, v in header.items() if k != "value"}, "valueFrom": {"secret": secret}}
    return {**header, "value": translator.text(header["value"], at)}
