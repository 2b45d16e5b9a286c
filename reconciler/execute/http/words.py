"""libcurl's codes as sentences about the target, and which of them are our own trouble."""

from __future__ import annotations

import errno
import re

import pycurl  # type: ignore[import-untyped]

from reconciler.base.durations import format_duration
from reconciler.execute.port import Failed, Unobservable
from reconciler.execute.reach import ours, words

_LIBRARY = re.compile(r"^.*error:[0-9A-F]+:[^:]*:[^:]*:")
_ERRNO = re.compile(r", errno [0-9]+$")
"""What OpenSSL puts around the words that say something."""
_CERTIFICATE = {pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT, pycurl.E_SSL_ISSUER_ERROR}
_TLS = {pycurl.E_SSL_CONNECT_ERROR, pycurl.E_SSL_CIPHER, pycurl.E_SSL_ENGINE_NOTFOUND}
_HTTP2_STREAM = 92
_PROXY = 97
_TOO_LARGE = 100
"""Codes that pycurl has no names for."""
_PROTOCOL = {pycurl.E_UNSUPPORTED_PROTOCOL, pycurl.E_FTP_WEIRD_SERVER_REPLY, pycurl.E_HTTP2, _HTTP2_STREAM}


def failure(
    curl: pycurl.Curl,
    code: int,
    where: str,
    *,
    timeout_ms: float,
    tls: bool,
    proxy: str | None = None,
    proxy_tls: bool = False,
) -> Failed:
    """What went wrong with the transfer to ``where``, through ``proxy``.

    Raises :class:`Unobservable` where the cause is this process.
    """
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return Failed(_late(curl, where, timeout_ms, tls), timed_out=True)
    said = _LIBRARY.sub("", _ERRNO.sub("", curl.errstr().rstrip("."))) or f"libcurl's error {code}"
    refused = int(curl.getinfo(pycurl.HTTP_CONNECTCODE))
    if refused >= 300:
        return Failed(f"the proxy {proxy} refused the way to {where}: it answered {refused}")
    if code == _PROXY:
        return Failed(f"the proxy {proxy} found no way to {where}: {_lower(said)}")
    if code == pycurl.E_COULDNT_CONNECT:
        number = int(curl.getinfo(pycurl.OS_ERRNO))
        error = OSError(number, said) if number else None
        if error is not None:
            ours(error)
        through = where if proxy is None else f"the proxy {proxy}"
        return Failed(f"can't connect to {through}: {words(error) if error is not None else said}")
    if proxy is not None and proxy_tls and not refused:
        where = f"the proxy {proxy}"  # TLS with the target begins when the proxy has answered
    if code == pycurl.E_SSL_CERTPROBLEM or "private key" in said:
        return Failed(f"the client certificate can't be used: {said}")
    if code == pycurl.E_SSL_CACERT_BADFILE:
        return Failed("caCert holds no certificate that can be read")
    if code in _CERTIFICATE:
        return Failed(f"the certificate of {where} isn't trusted: {_after_colon(said)}")
    if code in _TLS or " alert " in said:
        return Failed(f"the TLS handshake with {where} failed: {_after_colon(said)}")
    if code == pycurl.E_OUT_OF_MEMORY:
        raise Unobservable("there is no memory left for a request")
    return Failed(_answered_badly(curl, code, said, where))


def _late(curl: pycurl.Curl, where: str, timeout_ms: float, tls: bool) -> str:
    """Which phase it was that didn't end."""
    limit = format_duration(round(timeout_ms))
    if not curl.getinfo(pycurl.CONNECT_TIME):
        return f"connecting to {where} timed out after {limit}"
    if tls and not curl.getinfo(pycurl.APPCONNECT_TIME):
        return f"the TLS handshake with {where} timed out after {limit}"
    if not curl.getinfo(pycurl.STARTTRANSFER_TIME):
        return f"no answer from {where} within {limit}"
    return f"the answer of {where} had no end within {limit}"


def _answered_badly(curl: pycurl.Curl, code: int, said: str, where: str) -> str:
    if code == pycurl.E_GOT_NOTHING:
        return f"{where} closed the connection without an answer"
    if code == _TOO_LARGE or "too large" in said.lower():
        return f"the answer of {where} has too large a head"
    if code in (pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR):
        number = int(curl.getinfo(pycurl.OS_ERRNO))
        if number in (errno.ECONNRESET, errno.EPIPE):
            return f"{where} reset the connection"
        return f"{where} broke off: {_lower(said)}"
    if code == pycurl.E_PARTIAL_FILE:
        return f"the answer of {where} ended before its end"
    if code == pycurl.E_BAD_CONTENT_ENCODING:
        return f"the answer of {where} can't be decompressed"
    if code in _PROTOCOL:
        return f"{where} answered with what is no HTTP: {_lower(said)}"
    return f"the request to {where} failed: {_lower(said)}"


def _after_colon(said: str) -> str:
    return _lower(said.rpartition(": ")[2] or said)


def _lower(said: str) -> str:
    return said[:1].lower() + said[1:] if not said[:2].isupper() else said
