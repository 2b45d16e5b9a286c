"""Whom a TLS client trusts, for clients that aren't libcurl."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path

from reconciler.execute.port import Unobservable

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where distributions keep the authorities they trust, in one file."""


@lru_cache(256)
def tls_context(ca: str | None = None, *, verify: bool = True, match: bool = True) -> ssl.SSLContext:
    """A client's context, the same for the same arguments: reading all authorities of a system takes a while.

    ``ca`` (PEM) is trusted beside the system's authorities; ``match``: the certificate has to be for ``name``. Raises
    :class:`Unobservable` for a ``ca`` that holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = verify and match
    if not verify:
        context.verify_mode = ssl.CERT_NONE
        return context
    context.load_default_certs()
    if ca is not None:
        try:
            context.load_verify_locations(cadata=ca)
        except (ssl.SSLError, ValueError) as error:
            raise Unobservable("caCert holds no certificate that can be read") from error
    return context


@lru_cache(64)
def bundle(ca: str | None) -> str:
    """The same authorities as PEM, for libraries that bring a TLS of their own."""
    named = ssl.get_default_verify_paths().cafile
    for path in (*([named] if named else []), *_BUNDLES):
        if os.path.isfile(path):
            system = Path(path).read_text(encoding="utf-8", errors="replace")
            return system if ca is None else f"{ca}\n{system}"
    if ca is None:
        raise Unobservable("this machine has no certificates of authorities: install ca-certificates, or set caCert")
    return ca


def tls_words(error: ssl.SSLError) -> str:
    """What is wrong, so that it follows a colon."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate isn't trusted: {error.verify_message.rstrip('.')}"
    if error.reason == "WRONG_VERSION_NUMBER":
        return "the server doesn't speak TLS"
    return f"the TLS handshake failed: {(error.reason or str(error)).lower().replace('_', ' ')}"
