"""A certificate authority of a test's own, that issues what real servers and clients are started with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Authority:
    """Keys are elliptic, so that issuing takes a millisecond. Everything is written into ``folder``.

    ``above`` is the authority that vouches for this one; without, it is a root.
    """

    def __init__(self, folder: Path, *, name: str = "Test authority", above: Authority | None = None) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        now = datetime.now(UTC)
        signer, issuer = (self._key, self._name) if above is None else (above._key, above._name)
        self.certificate = (
            _builder(self._name, issuer, self._key.public_key(), now - timedelta(days=1), now + timedelta(days=60))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )
        self.ca_path = folder / "ca.pem"
        self.ca_path.write_bytes(self.certificate.public_bytes(Encoding.PEM))

    @property
    def ca_text(self) -> str:
        """The authority's certificate as PEM."""
        return self.ca_path.read_text()

    def intermediate(self, folder: Path, *, name: str = "Test authority in between") -> Authority:
        """An authority that this one vouches for."""
        return Authority(folder, name=name, above=self)

    def issue(
        self,
        names: Sequence[str],
        *,
        client: bool = False,
        days: float = 30,
        not_before: datetime | None = None,
        password: str | None = None,
    ) -> tuple[Path, Path]:
        """A certificate for names or addresses and its key, as ``(cert_path, key_path)``; the first is the subject.

        ``days`` count from now and may be negative (expired). ``not_before`` is a day ago unless given.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        ends = now + timedelta(days=days)
        begins = not_before if not_before is not None else min(now, ends) - timedelta(days=1)
        use = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        certificate = (
            _builder(_named(names[0]), self._name, key.public_key(), begins, ends)
            .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        stem = os.urandom(6).hex()
        cert_path, key_path = self._folder / f"{stem}.pem", self._folder / f"{stem}.key"
        cert_path.write_bytes(certificate.public_bytes(Encoding.PEM))
        sealed = BestAvailableEncryption(password.encode()) if password is not None else NoEncryption()
        key_path.touch(0o600)
        key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
        return cert_path, key_path


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
