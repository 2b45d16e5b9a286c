"""The strategy tls against servers with an authority of the test's own."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reconciler.execute.handshake import Trust
from reconciler.execute.port import Collected, Failed, Unobservable
from reconciler.execute.tls import Tls
from tests.servers.ca import Authority
from tests.servers.peers import (
    closed_port,
    observe,
    open_sockets,
    peer,
    resetting,
    saying,
    server_context,
    settled,
    tls_server,
)

LOCAL = "127.0.0.1"
Pair = tuple[Path, Path]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue(["shop.example.net", "*.shop.example.net", LOCAL, "::1"])


def look(context: ssl.SSLContext, **config: Any) -> Collected:
    """What a run against a server with this side of TLS finds."""
    with tls_server(context) as port:
        return asyncio.run(observe(Tls(), "tls.certificate", {"host": LOCAL, "port": port, **config}))


def refused(context: ssl.SSLContext, **config: Any) -> str:
    """The sentence that the run fails with. Where a certificate was read, it is told what it says."""
    try:
        found = look(context, **config)
    except Failed as failed:
        return failed.sentence
    assert found.error is not None
    assert (found.result["isValid"], len(found.result["fingerprint"])) == (False, 64)
    return found.error


def failure(talk: Any, **config: Any) -> Failed:
    """What a run against a server without TLS fails with."""

    async def run() -> None:
        async with peer(talk) as server:
            before = open_sockets()
            try:
                await observe(Tls(), "tls.certificate", {"host": LOCAL, "port": server.port, **config})
            finally:
                await server.idle()
                await settled(before)

    with pytest.raises(Failed) as caught:
        asyncio.run(run())
    return caught.value


def signed_by_itself(folder: Path, name: str = "shop.example.net") -> Pair:
    """A server's certificate without an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(255)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=10, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    at = folder / "self.pem", folder / "self.key"
    at[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    at[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return at


def test_a_good_certificate(authority: Authority, pair: Pair) -> None:
    found = look(server_context(pair), caCert=authority.ca_text)
    certificate = x509.load_pem_x509_certificate(pair[0].read_bytes())
    result = found.result
    assert (found.error, found.notes) == (None, ())
    assert result["isValid"] is True
    assert result["isSelfSigned"] is False
    assert result["success"] is True
    assert result["daysRemaining"] == 29
    assert result["subject"] == "CN=shop.example.net"
    assert result["issuer"] == "CN=Test authority"
    assert result["names"] == ["shop.example.net", "*.shop.example.net", LOCAL, "::1"]
    assert int(result["serialNumber"], 16) == certificate.serial_number
    assert result["fingerprint"] == hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    assert datetime.fromisoformat(result["validTo"]) == certificate.not_valid_after_utc
    assert datetime.fromisoformat(result["validFrom"]) == certificate.not_valid_before_utc
    assert result["protocol"] == "TLSv1.3"
    assert result["cipher"].startswith("TLS_")
    phases = found.phases or {}
    assert set(phases) == {"dns", "connect", "tls", "total"}
    assert 0 < result["handshakeTimeMs"] == phases["tls"] < phases["total"]


def test_the_older_protocol(authority: Authority, pair: Pair) -> None:
    context = server_context(pair, most=ssl.TLSVersion.TLSv1_2)
    assert look(context, caCert=authority.ca_text).result["protocol"] == "TLSv1.2"
    assert look(context, caCert=authority.ca_text, minVersion="TLSv1.2").result["protocol"] == "TLSv1.2"
    sentence = refused(context, caCert=authority.ca_text, minVersion="TLSv1.3")
    assert sentence.endswith("offers no version of TLS that is accepted")


@pytest.fixture
def ancient(pair: Pair) -> ssl.SSLContext:
    """A server that speaks nothing newer than TLS 1.0, against all advice."""
    context = server_context(pair)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = ssl.TLSVersion.TLSv1
    return context


def test_the_oldest_protocol_is_accepted_where_the_check_says_so(authority: Authority, ancient: ssl.SSLContext) -> None:
    found = look(ancient, caCert=authority.ca_text, minVersion="TLSv1")
    assert (found.result["protocol"], found.result["isValid"]) == ("TLSv1", True)
    sentence = refused(ancient, caCert=authority.ca_text, minVersion="TLSv1.1")
    assert sentence.endswith("offers TLSv1 only, and TLSv1.1 is the oldest that is accepted")
    assert refused(ancient, caCert=authority.ca_text).endswith("offers no version of TLS that is accepted")


def test_the_name_is_asked_for_and_verified(authority: Authority, pair: Pair) -> None:
    asked: list[str | None] = []
    context = server_context(pair)
    context.sni_callback = lambda _sock, name, _context: asked.append(name)
    assert look(context, caCert=authority.ca_text, servername="a.shop.example.net").result["isValid"] is True
    assert look(context, caCert=authority.ca_text, servername="shop.example.net.").result["isValid"] is True
    assert look(context, caCert=authority.ca_text).result["isValid"] is True
    assert asked == ["a.shop.example.net", "shop.example.net", None]


def test_a_wrong_name(authority: Authority, pair: Pair) -> None:
    context = server_context(pair)
    config = {"caCert": authority.ca_text, "servername": "other.example.net"}
    assert refused(context, **config).endswith(
        "can't be trusted: it isn't valid for this name (shop.example.net, *.shop.example.net, 127.0.0.1, ::1)"
    )
    found = look(context, **config, rejectUnauthorized=False)
    assert found.error is None
    assert (found.result["isValid"], found.result["success"]) == (False, True)
    assert "it isn't valid for this name" in found.notes[0]


def test_a_wrong_address(authority: Authority) -> None:
    context = server_context(authority.issue(["127.0.0.9"]))
    assert refused(context, caCert=authority.ca_text).endswith("it isn't valid for this address (127.0.0.9)")


def test_a_name_in_the_subject_alone_is_not_enough(authority: Authority, tmp_path: Path) -> None:
    context = server_context(authority.issue(["shop.example.net", LOCAL][1:]))
    found = look(context, caCert=authority.ca_text, servername="shop.example.net", rejectUnauthorized=False)
    assert found.result["isValid"] is False


def test_an_expired_certificate(authority: Authority) -> None:
    context = server_context(authority.issue([LOCAL], days=-3))
    sentence = refused(context, caCert=authority.ca_text)
    found = look(context, caCert=authority.ca_text, rejectUnauthorized=False)
    assert sentence.endswith(f"can't be trusted: it has expired ({found.result['validTo']})")
    assert (found.result["isValid"], found.result["daysRemaining"]) == (False, -4)


def test_one_that_expired_an_hour_ago_has_no_day_left(authority: Authority) -> None:
    context = server_context(authority.issue([LOCAL], days=-1 / 24))
    found = look(context, caCert=authority.ca_text, rejectUnauthorized=False)
    assert found.result["daysRemaining"] == -1


def test_a_certificate_of_the_future(authority: Authority) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    context = server_context(authority.issue([LOCAL], not_before=later))
    assert refused(context, caCert=authority.ca_text).endswith(
        f"it isn't valid yet (from {later:%Y-%m-%dT%H:%M:%SZ} on)"
    )


def test_a_clients_certificate(authority: Authority) -> None:
    context = server_context(authority.issue([LOCAL], client=True))
    assert refused(context, caCert=authority.ca_text).endswith("it isn't meant for servers")


def test_a_self_signed_certificate(tmp_path: Path) -> None:
    pair = signed_by_itself(tmp_path)
    context = server_context(pair)
    assert refused(context, servername="shop.example.net").endswith("it is self-signed, and not trusted")
    found = look(context, servername="shop.example.net", rejectUnauthorized=False)
    assert (found.result["isValid"], found.result["isSelfSigned"]) == (False, True)
    assert found.result["daysRemaining"] == 10
    assert found.result["serialNumber"] == "ff"
    trusted = look(context, servername="shop.example.net", caCert=pair[0].read_text())
    assert (trusted.result["isValid"], trusted.result["isSelfSigned"]) == (True, True)


def test_an_authority_that_nobody_trusts(pair: Pair) -> None:
    assert refused(server_context(pair)).endswith(
        "can't be trusted: its chain is incomplete, or ends at an authority that isn't trusted"
    )


def test_an_incomplete_chain_and_a_complete_one(authority: Authority, tmp_path: Path) -> None:
    between = authority.intermediate(tmp_path / "between")
    cert, key = between.issue([LOCAL])
    assert refused(server_context((cert, key)), caCert=authority.ca_text).endswith(
        "its chain is incomplete, or ends at an authority that isn't trusted"
    )
    chain = tmp_path / "chain.pem"
    chain.write_bytes(cert.read_bytes() + between.ca_path.read_bytes())
    assert look(server_context((chain, key)), caCert=authority.ca_text).result["isValid"] is True
    # The authority in between is enough to trust.
    assert look(server_context((cert, key)), caCert=between.ca_text).result["isValid"] is True


def test_a_server_that_is_away_for_the_second_handshake(pair: Pair) -> None:
    async def run(*, insist: bool) -> None:
        served = asyncio.Event()

        async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if served.is_set():
                return
            served.set()
            await writer.start_tls(server_context(pair))

        async with peer(once) as server:
            config = {"host": LOCAL, "port": server.port, "rejectUnauthorized": insist}
            await observe(Tls(), "tls.certificate", config)

    with pytest.raises(Failed, match="can't be trusted: its chain is incomplete"):
        asyncio.run(run(insist=True))
    with pytest.raises(Failed, match=r"closed the connection|is reset"):
        asyncio.run(run(insist=False))


def test_an_authority_that_cannot_be_read_says_nothing_of_the_target(pair: Pair) -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(Unobservable, match="caCert holds no certificate that can be read"):
        look(server_context(pair), caCert=broken)


def test_a_server_that_wants_a_certificate_of_ours(authority: Authority, pair: Pair) -> None:
    context = server_context(pair, most=ssl.TLSVersion.TLSv1_2)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca_path)
    assert "wants a certificate" in refused(context, caCert=authority.ca_text)


def test_a_peer_that_is_no_tls() -> None:
    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        await reader.read()

    assert failure(http).sentence.endswith("doesn't speak TLS")
    assert failure(saying(b"220 mail.example.net ESMTP\r\n")).sentence.endswith("doesn't speak TLS")


@pytest.mark.parametrize("garbage", [b"\x00" * 64, b"\xff" * 70_000, b"\x16\x03\x03\xff\xff" + b"x" * 70_000])
def test_garbage_is_a_failure(garbage: bytes) -> None:
    failed = failure(saying(garbage))
    assert failed.timed_out is False
    assert "TLS" in failed.sentence


def test_a_peer_that_hangs_up() -> None:
    async def after_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write_eof()
        await reader.read()

    assert failure(after_hello).sentence.endswith("closed the connection during the TLS handshake")
    assert failure(saying(end=True)).sentence.endswith("closed the connection during the TLS handshake")
    assert failure(resetting()).sentence.endswith("failed: the connection is reset")


def test_a_peer_that_says_nothing_ends_with_the_limit() -> None:
    failed = failure(saying(), timeout=120)
    assert failed.timed_out is True
    assert failed.sentence.startswith("the TLS handshake with 127.0.0.1:")
    assert failed.sentence.endswith("took longer than 120ms")


def test_a_peer_that_drips_its_handshake_ends_with_the_limit() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x16\x03\x03\x40\x00")
        while True:
            writer.write(b"\x02")
            await writer.drain()
            await asyncio.sleep(0.01)

    assert failure(drip, timeout=150).timed_out is True


def test_a_flood_that_the_library_skips_ends_with_the_limit() -> None:
    # A client of TLS 1.2 passes requests to say hello over while it is saying it, however many there are.
    hello_requests = b"\x16\x03\x03\x00\x04\x00\x00\x00\x00" * 4000

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(hello_requests)
            await writer.drain()

    failed = failure(flood, timeout=150)
    assert failed.timed_out or "TLS" in failed.sentence


def test_a_host_that_trusts_nobody_cannot_judge(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    with pytest.raises(Unobservable, match="install ca-certificates"):
        look(server_context(pair))
    # Who doesn't insist on trust still gets to know what is there.
    assert look(server_context(pair), rejectUnauthorized=False).result["isValid"] is False


def test_runs_that_start_together_read_authorities_once(authority: Authority, pair: Pair) -> None:
    async def run() -> None:
        trust = Trust()
        made = await asyncio.gather(*(trust.context(ca=authority.ca_text, verify=True) for _ in range(20)))
        assert len({id(context) for context in made}) == 1

    asyncio.run(run())


def test_a_closed_port() -> None:
    port = closed_port()
    with pytest.raises(Failed, match="the connection is refused"):
        asyncio.run(observe(Tls(), "tls.certificate", {"host": LOCAL, "port": port}))


def test_a_name_that_tls_cannot_ask_for(pair: Pair) -> None:
    assert "can be asked for in TLS" in refused(server_context(pair), servername="äöüßéèêëàáâãåæçìíîï" * 3)


def cancelled_when(talk: Any, *, tls: ssl.SSLContext | None, moment: Callable[[], Awaitable[None]]) -> None:
    """Cancels a run in the middle; the server sees its connection end, and no socket stays."""

    async def run() -> None:
        async with peer(talk, tls=tls) as server:
            before = open_sockets()
            config = {"host": LOCAL, "port": server.port}
            task = asyncio.create_task(observe(Tls(), "tls.certificate", config))
            while not server.talking:
                await asyncio.sleep(0)
            await moment()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await server.idle()
            await settled(before)

    asyncio.run(run())


def test_a_run_that_is_cancelled_closes_its_connection() -> None:
    async def nothing() -> None:
        return None

    cancelled_when(saying(), tls=None, moment=nothing)


def test_systems_authorities_are_read_once(authority: Authority, pair: Pair) -> None:
    async def run() -> None:
        tls = Tls()
        async with peer(saying(), tls=server_context(pair)) as server:
            config = {"host": LOCAL, "port": server.port, "caCert": authority.ca_text}
            for _ in range(3):
                await observe(tls, "tls.certificate", config)
        assert len(tls._trust._kept) == 1
        for i in range(200):
            await tls._trust.context(ca=f"{authority.ca_text}\n{i}", verify=False, oldest=f"{i}")
        assert len(tls._trust._kept) <= 64

    asyncio.run(run())
