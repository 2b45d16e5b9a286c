"""How Gatus connects: time limits, redirects, proxies, and what has no equal."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from reconciler.base.diagnostics import Path
from reconciler.base.durations import format_duration, parse_duration
from reconciler.importers.gatus.measures import Asked
from reconciler.importers.places import address
from reconciler.importers.probe import Measure

_TIMEOUT = 10_000
_LEAST, _MOST = 100, 300_000
_DEFAULT = 30_000
_UNLIKE = {
    "dns-resolver": "the host's own resolver is asked; dns@1 can ask another one",
    "oauth2": "fetch the token with a script, or send one that lasts with authToken",
    "identity-aware-proxy": "send a token with authToken",
    "tunnel": "run a worker where the endpoint can be reached",
    "network": "ip4 and ip6 are both tried",
    "tls": "write clientCert, and clientKey as a secret, with the contents of the files",
}


def client(value: Any, path: Path, measure: Measure, asked: Asked) -> None:
    """Fill the config of the strategy with what ``client`` of an endpoint says."""
    settings = value if isinstance(value, dict) else {}
    at = asked.file.at
    limit = _limit(settings.get("timeout"), path, asked)
    if limit != _DEFAULT:
        measure.config["timeout"] = format_duration(limit)
    for key, item in settings.items():
        place = at((*path, key))
        match key:
            case "timeout":
                pass
            case "insecure":
                if item is True:
                    _insecure(measure, asked, (*path, key))
            case "ignore-redirect":
                if item is True and measure.strategy == "http":
                    measure.settings["followRedirects"] = False
            case "proxy-url" if isinstance(item, str) and measure.strategy == "http":
                _proxy(item, (*path, key), measure, asked)
            case _:
                hint = _UNLIKE.get(key)
                asked.notes.left(place, f"client.{key} of {asked.title} has no equal here", hint)


def _limit(value: Any, path: Path, asked: Asked) -> int:
    if value is None:
        return _TIMEOUT
    try:
        ms = parse_duration(str(value))
    except ValueError as error:
        asked.notes.changed(asked.file.at((*path, "timeout")), f"{error}; 10s is used", None)
        return _TIMEOUT
    if not _LEAST <= ms <= _MOST:
        asked.notes.changed(
            asked.file.at((*path, "timeout")), "a timeout is from 100ms to 5m here; the nearest is used"
        )
    return min(max(ms, _LEAST), _MOST)


def _insecure(measure: Measure, asked: Asked, path: Path) -> None:
    if measure.strategy == "tls":
        measure.config["rejectUnauthorized"] = False
    elif measure.strategy in ("http", "grpc"):
        asked.notes.left(
            asked.file.at(path),
            f"certificates are always verified, so {asked.title} fails where this was needed",
            "write the certificate of the authority as caCert in the strategy's config",
        )


def _proxy(url: str, path: Path, measure: Measure, asked: Asked) -> None:
    parts = address(url)
    at = asked.file.at(path)
    if parts is None:
        asked.notes.left(at, f"the proxy of {asked.title} is no URL that the file tells", "write proxyUrl")
        return
    measure.config["proxyUrl"] = parts.base
    if parts.username:
        measure.config["proxyUsername"] = unquote(parts.username)
    if parts.username and parts.password:
        what = f"the password at the proxy of {asked.title}"
        secret = asked.keeper.text(unquote(parts.password), at, asked.title, "proxy password", what=what)
        measure.config["proxyPassword"] = secret
