"""Credentials of the other tool: each becomes a secret with a name; its value goes nowhere."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from reconciler.importers.names import secret_name
from reconciler.importers.places import address
from reconciler.importers.port import Notes
from reconciler.importers.probe import At

_SENSITIVE = re.compile(
    r"(?:^|[^a-z])(?:auth|authorization|cookie|session|sig|signature|pwd|pass|key|apikey|hmac|jwt)(?:$|[^a-z])"
    r"|token|secret|passw|credential|api[-_]?key|access[-_]?key|private[-_]?key",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}\Z")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))\Z")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")


def reference(name: str) -> str:
    """How a document names a secret."""
    return f"${{{{ secrets.{name} }}}}"


def sensitive(name: str) -> bool:
    """Whether what is called so is mostly a credential."""
    return _SENSITIVE.search(name) is not None


class Keeper:
    """Gives each credential a name: the same value in the same role has the same name, wherever it stands.

    ``variables``: a text such as ``$NAME`` or ``${NAME}`` is filled from the tool's environment, so that it is a secret
    by that name already.
    """

    def __init__(self, notes: Notes, *, variables: bool = False) -> None:
        self._notes = notes
        self._variables = variables
        self._names: dict[tuple[str, str], str] = {}

    def name(self, value: str, at: At, *wish: str, what: str) -> str:
        """The name of the secret that holds ``value``; ``what`` says what that is, for the report."""
        variable = self._variables and _VARIABLE.match(value)
        key = (value, "" if variable else wish[-1].lower())
        found = self._names.get(key)
        if found is None:
            found = self._names[key] = self._free(self._wish(value, wish))
        self._notes.secret(found, at, f"{what}, which came from the variable {found}" if variable else what)
        return found

    def text(self, value: str, at: At, *wish: str, what: str) -> str:
        """The same as text for a field that is kept secret."""
        return reference(self.name(value, at, *wish, what=what))

    def _wish(self, value: str, wish: tuple[str, ...]) -> str:
        match = _VARIABLE.match(value) if self._variables else None
        word = (match[1] or match[2]) if match else ""
        return word if _NAME.match(word) else secret_name(*wish)

    def _free(self, name: str) -> str:
        taken, chosen, number = set(self._names.values()), name, 2
        while chosen in taken:
            chosen, number = f"{name[:59]}_{number}", number + 1
        return chosen


def clean_url(url: str, title: str, at: At, keeper: Keeper, notes: Notes) -> tuple[str, dict[Any, Any]] | None:
    """``url`` without credentials, and the strategy's config that sends them; None when it is no URL."""
    parts = address(url)
    if parts is None:
        return None
    config: dict[Any, Any] = {}
    if parts.username is not None:
        config = basic(unquote(parts.username), unquote(parts.password or ""), title, at, keeper)
    path, mark, query = parts.rest.partition("?")
    if mark:
        query = _clean_query(query, at, notes)
    return f"{parts.base}{path}" + (f"?{query}" if query else ""), config


def basic(username: str, password: str, title: str, at: At, keeper: Keeper) -> dict[Any, Any]:
    """The config that sends a user and a password; what isn't there can't be sent."""
    if not username or not password:
        value, what = username or password, f"what {title} sends as its user or password"
        return {"authType": "token", "authToken": keeper.text(value, at, title, "token", what=what)} if value else {}
    secret = keeper.text(password, at, title, "password", what=f"the password of {username} at {title}")
    return {"authType": "basic", "authUsername": username, "authPassword": secret}


def header(name: str, value: str, title: str, at: At, keeper: Keeper) -> tuple[dict[Any, Any], dict[Any, Any] | None]:
    """A header as config of the strategy, where it is one of the usual credentials, else as a header of the request."""
    scheme, _, rest = value.strip().partition(" ")
    if name.lower() == "authorization" and rest:
        if scheme.lower() == "bearer":
            what = f"the bearer token for {title}, without the word Bearer"
            return {"authType": "token", "authToken": keeper.text(rest.strip(), at, title, "token", what=what)}, None
        if scheme.lower() == "basic" and (pair := _pair(rest.strip())) is not None:
            return basic(*pair, title, at, keeper), None
    if sensitive(name):
        what = f"the whole header {name} for {title}"
        return {}, {"name": name, "valueFrom": {"secret": keeper.name(value, at, title, name, what=what)}}
    return {}, {"name": name, "value": value}


def _pair(encoded: str) -> tuple[str, str] | None:
    try:
        user, colon, password = b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except ValueError:
        return None
    return (user, password) if colon and user and password else None


def _clean_query(query: str, at: At, notes: Notes) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    held = [name for name, value in pairs if value and sensitive(name)]
    if not held:
        return query
    notes.left(
        at,
        f"the URL carries what looks like a credential in {', '.join(held)}; it was left out, for URLs are seen",
        "send it as a header with valueFrom: {secret: NAME}, if the service takes it there",
    )
    return urlencode([(name, value) for name, value in pairs if name not in held])
