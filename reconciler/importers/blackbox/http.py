"""The prober http of blackbox_exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from reconciler.importers.assertions import holds, negated, statuses
from reconciler.importers.places import address, shown
from reconciler.importers.probe import Measure
from reconciler.importers.secrets import HEADER_NAME, basic, clean_url, header
from reconciler.importers.templates import clean_body, literal

if TYPE_CHECKING:
    from reconciler.importers.blackbox.jobs import Target
    from reconciler.importers.blackbox.modules import Module

_METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD")
_KNOWN = (
    *("valid_status_codes", "valid_http_versions", "method", "headers", "http_headers", "body", "basic_auth"),
    *("bearer_token", "bearer_token_file", "authorization", "proxy_url", "follow_redirects", "no_follow_redirects"),
    *("enable_http2", "fail_if_ssl", "fail_if_not_ssl", "fail_if_body_matches_regexp"),
    *("fail_if_body_not_matches_regexp", "tls_config"),
)


def http(module: Module, target: Target) -> Measure | None:
    """None for what can't be requested, which is told."""
    settings = module.settings
    method = str(settings.get("method") or "GET").upper()
    url = target.address if "://" in target.address else f"http://{target.address}"
    cleaned = clean_url(url, module.name, target.at, module.keeper, module.notes)
    if method not in _METHODS or cleaned is None:
        if cleaned is None:
            module.notes.left(
                target.at,
                f"{shown(target.address)} was left out: it is no URL",
                "write it as in https://www.example.net",
            )
        else:
            module.left("method", f"requests can't be made with {method}", "a script can make them")
        return None
    module.others(_KNOWN)
    parts = address(cleaned[0])
    request: dict[Any, Any] = {"url": cleaned[0] if parts is None or parts.rest else f"{cleaned[0]}/"}
    if method != "GET":
        request["method"] = method
    config = {**cleaned[1], **_credentials(module), **_connection(module)}
    more, headers = _headers(module)
    if headers:
        request["headers"] = headers
    body = settings.get("body")
    if isinstance(body, str) and body:
        request["body"] = literal(clean_body(body, module.file.at((*module.path, "body")), module.notes))
    if settings.get("follow_redirects") is False or settings.get("no_follow_redirects") is True:
        request["followRedirects"] = False
    return Measure("http", {**config, **more}, "request", request, _assertions(module, cleaned[0]))


def _assertions(module: Module, url: str) -> list[dict[Any, Any]]:
    settings = module.settings
    codes = settings.get("valid_status_codes")
    wanted = [c for c in codes if isinstance(c, int) and 0 < c < 1000] if isinstance(codes, list) else []
    told, exact = statuses(wanted or range(200, 300))
    if not exact:
        module.changed(
            "valid_status_codes", "the codes became the range of them, since a list of numbers can't be said"
        )
    for key, turned in (("fail_if_body_not_matches_regexp", False), ("fail_if_body_matches_regexp", True)):
        patterns = settings.get(key)
        for pattern in patterns if isinstance(patterns, list) else [patterns] if patterns else []:
            text = str(pattern)
            told.append(holds("body", "matches", negated(text) if turned else text))
    if settings.get("fail_if_ssl") is True:
        module.left("fail_if_ssl", "a check can't ask for a connection without TLS")
    if settings.get("fail_if_not_ssl") is True and not url.startswith("https://"):
        module.left("fail_if_not_ssl", "a check can't ask for TLS where the URL doesn't", "write the URL with https")
    return told


def _credentials(module: Module) -> dict[Any, Any]:
    settings, at = module.settings, module.file.at
    account = settings.get("basic_auth")
    if isinstance(account, dict):
        place = at((*module.path, "basic_auth"))
        user = str(account.get("username") or "")
        for key in ("password", "password_file"):
            if user and account.get(key):
                if key == "password":
                    return basic(user, str(account[key]), module.name, place, module.keeper)
                return {
                    "authType": "basic",
                    "authUsername": user,
                    "authPassword": _from_file(module, "basic_auth", account[key]),
                }
        module.left("basic_auth", "the user or the password isn't in the file", "write authUsername and authPassword")
    authorization = settings.get("authorization")
    token = settings.get("bearer_token")
    if isinstance(authorization, dict) and str(authorization.get("type", "Bearer")).lower() == "bearer":
        token = token or authorization.get("credentials")
    if isinstance(token, str) and token:
        what = f"the bearer token for {module.name}, without the word Bearer"
        place = at((*module.path, "bearer_token" if "bearer_token" in settings else "authorization"))
        return {"authType": "token", "authToken": module.keeper.text(token, place, module.name, "token", what=what)}
    file = settings.get("bearer_token_file") or (
        isinstance(authorization, dict) and authorization.get("credentials_file")
    )
    if file:
        return {"authType": "token", "authToken": _from_file(module, "bearer_token_file", file)}
    if authorization:
        module.left(
            "authorization", "its type or its credentials can't be sent as they stand", "write a header with valueFrom"
        )
    return {}


def _from_file(module: Module, key: str, file: Any) -> str:
    what = f"what the file {file} holds, for {module.name}"
    return module.keeper.text(f"file {file}", module.file.at((*module.path, key)), module.name, "password", what=what)


def _connection(module: Module) -> dict[Any, Any]:
    settings = module.settings
    config: dict[Any, Any] = {}
    versions = settings.get("valid_http_versions")
    if settings.get("enable_http2") is False or versions == ["HTTP/1.1"]:
        config["httpVersion"] = "1.1"
    elif versions in (["HTTP/2.0"], ["HTTP/2"]):
        config["httpVersion"] = "2"
    elif versions and not (isinstance(versions, list) and sorted(map(str, versions)) == ["HTTP/1.1", "HTTP/2.0"]):
        module.left("valid_http_versions", "these versions of HTTP can't be asked for")
    proxy = settings.get("proxy_url")
    parts = address(proxy) if isinstance(proxy, str) else None
    if parts is not None:
        config["proxyUrl"] = parts.base
        if parts.username:
            config["proxyUsername"] = unquote(parts.username)
        if parts.username and parts.password:
            at, what = module.file.at((*module.path, "proxy_url")), f"the password at the proxy of {module.name}"
            config["proxyPassword"] = module.keeper.text(
                unquote(parts.password), at, module.name, "proxy password", what=what
            )
    tls = settings.get("tls_config")
    for key, value in tls.items() if isinstance(tls, dict) else ():
        _tls(module, key, value)
    return config


def _tls(module: Module, key: str, value: Any) -> None:
    hints = {
        "ca_file": "write its content as caCert",
        "cert_file": "write its content as clientCert",
        "key_file": "keep its content as a secret, and name that in clientKey",
    }
    if key == "insecure_skip_verify":
        if value is True:
            hint = "write the certificate of the authority as caCert in the strategy's config"
            module.left("tls_config", "certificates are always verified, so it fails where this was needed", hint)
    else:
        module.left(
            "tls_config", f"{key} {value if key in hints else ''}".strip() + " isn't carried over", hints.get(key)
        )


def _headers(module: Module) -> tuple[dict[Any, Any], list[dict[Any, Any]]]:
    config: dict[Any, Any] = {}
    kept: list[dict[Any, Any]] = []
    for key, name, value in _named(module):
        at = module.file.at((*module.path, key, name))
        if not HEADER_NAME.match(name):
            module.left(key, f"the header {name} can't be sent")
            continue
        more, plainly = header(name, value, module.name, at, module.keeper)
        config |= more
        if plainly is not None:
            if "value" in plainly:
                plainly["value"] = literal(value)
            kept.append(plainly)
    return config, kept


def _named(module: Module) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    plain, full = module.settings.get("headers"), module.settings.get("http_headers")
    for name, value in plain.items() if isinstance(plain, dict) else ():
        found.append(("headers", str(name), str(value)))
    for name, given in full.items() if isinstance(full, dict) else ():
        values = given.get("values") if isinstance(given, dict) else None
        for value in values if isinstance(values, list) else []:
            found.append(("http_headers", str(name), str(value)))
        if isinstance(given, dict) and (given.get("secrets") or given.get("files")):
            module.left(
                "http_headers",
                f"the header {name} comes from secrets or files",
                "write it with valueFrom: {secret: NAME}",
            )
    return found
