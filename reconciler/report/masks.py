"""Secrets that stand in documents as they are: each shown as a number, so that one sees where it is the same.

They shouldn't be there at all, and a warning says so where a field is marked; a comment that everybody reads must not
spread them. Known by the field, by the name beside a value, or by how they look. References to secrets are none.
"""

from __future__ import annotations

import re
from typing import Any

from reconciler.base.canonical import dumps, loads

_KEY = re.compile(
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|authorization|cookie|private_?key|client_?key|"
    r"(?:api|access|auth|signing|encryption|ssh)_?key|webhook_?url|dsn|session(?:_?id)?|bearer|signature|key_?data)$"
)
_NAMED = ("name", "key", "header")
"""Beside ``value``: what the value is of."""
_LOOKS = re.compile(
    r"(?<=://)(?P<user>[^/?#\s:@]*):(?P<password>[^/?#\s@]+)(?=@)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=[?&])(?P<name>[A-Za-z_-]*(?:token|key|secret|password|signature|sig|auth)[A-Za-z_-]*)=(?P<query>[^&#\s{]+)"
    r"|\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|AKIA[0-9A-Z]{12,}|xox[abprs]-[\w-]{10,}"
    r"|sk_live_\w{10,}|sk-[A-Za-z0-9_-]{20,}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
    r"|(?<=hooks\.slack\.com/services/)\S+|(?<=/api/webhooks/)\d+/\S+"
    r"|(?i:\b(?:bearer|basic)\s+)(?P<bearer>[A-Za-z0-9+/=._~-]{8,})",
    re.DOTALL,
)
_REFERENCE = re.compile(r"\$\{\{.*?\}\}|\{\{.*?\}\}", re.DOTALL)


class Masks:
    """Numbers by value, for one report."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def body(self, body: bytes) -> bytes:
        """A body with numbers in place of secrets. What is no JSON, as somebody wrote it by hand, is one."""
        try:
            value = loads(body)
        except ValueError:
            return dumps(self._mask(body.decode("utf-8", "replace")))
        return dumps(self.value(value))

    def value(self, value: Any, of: str = "") -> Any:
        """A value, which belongs to the key ``of``."""
        if isinstance(value, dict):
            if of.endswith(("From", "_from")):
                return value  # the name of a secret
            beside = next((v for n in _NAMED if isinstance(v := value.get(n), str)), "")
            return {k: self.value(v, beside if k == "value" and beside else k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.value(v, of) for v in value]
        if isinstance(value, str) and value:
            return self._text(value, of)
        return self._mask(str(value)) if _secret_name(of) and type(value) in (int, float) else value

    def _text(self, text: str, of: str) -> str:
        if _secret_name(of) and _REFERENCE.sub("", text).strip():
            # What stands around a reference, such as the scheme of a header, is no secret.
            return text if _REFERENCE.search(text) and len(_REFERENCE.sub("", text)) < 8 else self._mask(text)
        return _LOOKS.sub(self._replaced, text)

    def _replaced(self, found: re.Match[str]) -> str:
        whole = found[0]
        for name in ("password", "query", "bearer"):
            if found[name]:
                return whole[: found.start(name) - found.start()] + self._mask(found[name])
        return self._mask(whole)

    def _mask(self, secret: str) -> str:
        return f"(masked {self._numbers.setdefault(secret, len(self._numbers) + 1)})"


def _secret_name(name: str) -> bool:
    spelt = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")
    return _KEY.search(spelt) is not None
