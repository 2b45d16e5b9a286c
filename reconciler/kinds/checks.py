"""What the text of a templatable field has to be once it is rendered, by name. Loads without pydantic.

The same functions judge the text at once where it holds no template, so that both ways end in the same value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.base.durations import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

JsonScalar = str | int | float | bool | None

_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_HOST = re.compile(rf"(?:_?{_LABEL}\.)*{_LABEL}\.?\Z")
_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?\Z|\.\Z")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?\Z")
_URL = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://(?:[^\s/?#@]*@)?(\[[^\]\s]*\]|[^\s/?#:@]*)(?::([^/?#]*))?(?:[/?#]\S*)?\Z"
)
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_INT64 = 2**63


def text(value: str) -> str:
    """Any text."""
    return value


def url(value: str) -> str:
    """An absolute ``http`` or ``https`` URL."""
    return _absolute(value, ("http", "https"))


def proxy_url(value: str) -> str:
    """The URL of a proxy: ``http``, ``https``, ``socks5`` or ``socks5h``."""
    return _absolute(value, ("http", "https", "socks5", "socks5h"))


def host(value: str) -> str:
    """A host name or an IP address, without scheme, port or path."""
    if len(value) <= 253 and (_HOST.match(value) or _ipv6(value)):
        return value
    hint = "; leave out the scheme" if "://" in value else "; the port has a field of its own" if ":" in value else ""
    raise ValueError(f"{quoted(value)} is no host name or IP address{hint}")


def domain(value: str) -> str:
    """A name to look up in DNS; underscores are allowed, as in ``_sip._tcp.example.net``."""
    if len(value) <= 254 and (_DOMAIN.match(value) or _ipv6(value)):
        return value
    raise ValueError(f"{quoted(value)} is no domain name")


def port(value: str) -> int:
    """A port number, 1 to 65535."""
    number = integer(value)
    if not 1 <= number <= 65535:
        raise ValueError(f"{quoted(value)} is no port; ports are 1 to 65535")
    return number


def integer(value: str) -> int:
    """A whole number of at most 64 bits."""
    stripped = value.strip()
    if not _INTEGER.match(stripped) or len(stripped) > 20:
        raise ValueError(f"{quoted(value)} is no whole number")
    number = int(stripped)
    if not -_INT64 <= number < _INT64:
        raise ValueError(f"{quoted(value)} is beyond 64 bits")
    return number


def duration(value: str) -> int:
    """A duration with a unit, as milliseconds."""
    return parse_duration(value)


def header_value(value: str) -> str:
    """The value of an HTTP header: one line, no control characters."""
    if _CONTROL.search(value):
        raise ValueError("a header value is one line without control characters")
    return value


def word(value: str) -> str:
    """Text that isn't blank, as the name of a database or a user."""
    if not value.strip():
        raise ValueError("is blank")
    return value


def certificate(value: str) -> str:
    """Certificates as PEM."""
    if not _CERTIFICATE.search(value):
        raise ValueError("is no certificate as PEM; one begins with -----BEGIN CERTIFICATE-----")
    return value


CHECKS: dict[str, Callable[[str], JsonScalar]] = {
    "text": text,
    "url": url,
    "proxy-url": proxy_url,
    "host": host,
    "domain": domain,
    "port": port,
    "int": integer,
    "duration": duration,
    "header-value": header_value,
    "word": word,
    "certificate": certificate,
}
"""Rendered text to the final value; each raises ``ValueError`` with a sentence for users."""


def quoted(value: str) -> str:
    """The text as messages show it, shortened where it is long: whoever writes documents must not flood a log."""
    return repr(value) if len(value) <= 60 else f"{value[:57]!r}..."


def _absolute(value: str, schemes: tuple[str, ...]) -> str:
    match = _URL.match(value)
    if match is None and "{{" in value:
        raise ValueError(f"{quoted(value)} is no URL; templates aren't rendered in this one")
    if match is None:
        raise ValueError(f"{quoted(value)} is no URL; write it in full, as in {schemes[1]}://example.net/path")
    scheme, where, number = match.groups()
    if scheme.lower() not in schemes:
        raise ValueError(f"{quoted(value)} has the scheme {quoted(scheme)}; it has to be {' or '.join(schemes)}")
    if where.startswith("["):
        if not _ipv6(where[1:-1]):
            raise ValueError(f"{quoted(value)} has no valid address in its brackets")
    elif not where or not _HOST.match(where):
        raise ValueError(f"{quoted(value)} has no valid host name")
    if number:
        port(number)
    return value


def _ipv6(value: str) -> bool:
    if not _IPV6.match(value):
        return False
    from ipaddress import IPv6Address

    try:
        IPv6Address(value)
    except ValueError:
        return False
    return True
