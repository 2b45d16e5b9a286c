"""TLS: the handshake, and what the server's certificate says and is worth.

Whether it holds is always judged by a handshake that verifies. Where that fails a second one, which verifies nothing,
reads the certificate, so that it can be told what is wrong with it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256

from reconciler.execute.egress import Address
from reconciler.execute.handshake import (
    BLIND,
    EXPIRED,
    NOT_YET,
    WRONG_ADDRESS,
    WRONG_NAME,
    Doubt,
    Secure,
    Trust,
    blind,
)
from reconciler.execute.port import Collected, Context, Failed, Unobservable
from reconciler.execute.reach import Limit, connect, named, since

_NAMES = 5
"""So many names of a certificate are told in a sentence."""
_ORDER = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


class Tls:
    """The strategy tls."""

    def __init__(self) -> None:
        self._trust = Trust()

    async def open(self, config: Mapping[str, Any], context: Context) -> TlsConnection:
        """Connect, shake hands, and judge the certificate."""
        return await _Opening(config, context, self._trust).run()

    def repeatable(self, config: Mapping[str, Any], collectors: tuple[tuple[str, Mapping[str, Any]], ...]) -> bool:
        """A handshake changes nothing."""
        return True

    async def aclose(self) -> None:
        """Nothing is open."""


class _Opening:
    """One run's way to a handshake that was done."""

    def __init__(self, config: Mapping[str, Any], context: Context, trust: Trust) -> None:
        self._config = config
        self._context = context
        self._trust = trust
        self._host, self._port = config["host"], config["port"]
        self._where = named(self._host, self._port)
        self._limit = Limit(config["timeout"])
        self._phases: dict[str, float] = {}

    async def run(self) -> TlsConnection:
        began = time.perf_counter()
        async with self._limit.during(f"resolving the name {self._host}"):
            resolved = await self._context.guard.resolve(self._host, self._port)
        self._phases["dns"] = round(resolved.took_ms, 3)
        secure, address, doubt = await self._handshake(resolved.addresses, verify=True)
        if doubt is not None:
            secure.close()
            secure = await self._regardless(address, doubt)
        self._phases["total"] = since(began)
        try:
            self._old_enough(secure)
            found = facts(secure.tls.getpeercert(binary_form=True), self._where)
        except BaseException:
            secure.close()
            raise
        sentence = None if doubt is None else self._sentence(doubt, found)
        return TlsConnection(secure, found, self._phases, sentence, fatal=self._config["rejectUnauthorized"])

    async def _regardless(self, address: Address, doubt: Doubt) -> Secure:
        """A handshake that verifies nothing, with a server whose certificate doesn't hold: what is wrong with it shows
        in its own words, whether the check insists on trust or not."""
        insists = self._config["rejectUnauthorized"]
        if insists and self._config.get("caCert") is None and blind():
            raise Unobservable(BLIND)
        try:
            secure, *_ = await self._handshake((address,), verify=False)
        except Failed as error:
            raise (Failed(self._sentence(doubt, {})) if insists else error) from error
        return secure

    def _sentence(self, doubt: Doubt, found: Mapping[str, Any]) -> str:
        detail = ""
        if found and doubt.code == EXPIRED:
            detail = f" ({found['validTo']})"
        elif found and doubt.code == NOT_YET:
            detail = f" (from {found['validFrom']} on)"
        elif found and doubt.code in (WRONG_NAME, WRONG_ADDRESS):
            names = found["names"]
            more = "" if len(names) <= _NAMES else f" and {len(names) - _NAMES} more"
            detail = f" ({', '.join(names[:_NAMES]) or 'it has none'}{more})"
        return f"the certificate of {self._where} can't be trusted: {doubt.words}{detail}"

    async def _handshake(self, addresses: tuple[Address, ...], *, verify: bool) -> tuple[Secure, Address, Doubt | None]:
        config = self._config
        trusting = await self._trust.context(ca=config.get("caCert"), verify=verify, oldest=config.get("minVersion"))
        async with self._limit.during(f"connecting to {self._where}"):
            reached = await connect(addresses, self._host, self._port, limit=self._limit)
        self._phases["connect"] = reached.took_ms
        began = time.perf_counter()
        try:
            secure = Secure(reached.sock, trusting, name=config.get("servername") or self._host, where=self._where)
            async with self._limit.during(f"the TLS handshake with {self._where}"):
                doubt = await secure.handshake()
        except BaseException:
            reached.sock.close()
            raise
        self._phases["tls"] = since(began)
        return secure, reached.address, doubt

    def _old_enough(self, secure: Secure) -> None:
        agreed, oldest = secure.tls.version() or "", self._config.get("minVersion")
        if oldest is not None and agreed in _ORDER and _ORDER.index(agreed) < _ORDER.index(oldest):
            raise Failed(f"{self._where} offers {agreed} only, and {oldest} is the oldest that is accepted")


class TlsConnection:
    """A handshake that was done. ``doubt`` says why the certificate doesn't hold; ``fatal``: then the run fails."""

    def __init__(
        self, secure: Secure, found: dict[str, Any], phases: dict[str, float], doubt: str | None, *, fatal: bool
    ) -> None:
        self._secure = secure
        self._facts = found
        self._phases = phases
        self._doubt = doubt
        self._fatal = fatal

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        """What is known since the handshake."""
        cipher = self._secure.tls.cipher()
        result = {
            **self._facts,
            "protocol": self._secure.tls.version(),
            "cipher": cipher[0] if cipher else "",
            "isValid": self._doubt is None,
            "handshakeTimeMs": self._phases["tls"],
            "success": True,
        }
        phases = dict(self._phases)
        if self._doubt is None:
            return Collected(result, None, phases)
        if self._fatal:
            return Collected(result, self._doubt, phases)
        return Collected(result, None, phases, notes=(self._doubt,))

    async def close(self) -> None:
        """Say goodbye and close the socket."""
        self._secure.close()


def facts(der: bytes | None, where: str) -> dict[str, Any]:
    """The fields of the result that the certificate alone decides. Raises :class:`Failed` for an unreadable one."""
    if der is None:
        raise Failed(f"{where} presents no certificate")
    try:
        certificate = x509.load_der_x509_certificate(der)
        ends = certificate.not_valid_after_utc
        return {
            # Whole days, rounded down: one that expired an hour ago has -1 left, not 0.
            "daysRemaining": (ends - datetime.now(UTC)).days,
            "validFrom": _moment(certificate.not_valid_before_utc),
            "validTo": _moment(ends),
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "names": _names(certificate),
            "serialNumber": f"{certificate.serial_number:x}",
            "fingerprint": certificate.fingerprint(SHA256()).hex(),
            "isSelfSigned": _self_signed(certificate),
        }
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Failed(f"{where} presents a certificate that can't be read: {error}") from error


def _names(certificate: x509.Certificate) -> list[str]:
    with suppress(x509.ExtensionNotFound):
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        addresses = [str(address) for address in found.get_values_for_type(x509.IPAddress)]
        return [*found.get_values_for_type(x509.DNSName), *addresses]
    return []


def _self_signed(certificate: x509.Certificate) -> bool:
    if certificate.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(certificate)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # A signature of a kind the library can't check; the names have to do.
        return True
    return True


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
