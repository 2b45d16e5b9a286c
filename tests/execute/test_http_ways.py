"""Where requests go: redirects, proxies, TLS, HTTP/2, and networks that are denied on every way there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.execute.egress import Guard
from reconciler.execute.http import Http
from reconciler.execute.names import Names
from reconciler.execute.port import Collected, Context, Failed
from tests.servers.ca import Authority
from tests.servers.http import Site, site
from tests.servers.hyper import Hyper
from tests.servers.peers import SUBJECT, closed_port
from tests.servers.proxy import Proxy, proxy, socks

HOSTS = {"orders.example.net": "127.0.0.1", "metadata.example.net": "169.254.169.254", "two.example.net": "127.0.0.1"}


def _lookup(host: str) -> list[tuple[int, str]]:
    if host not in HOSTS:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [(socket.AF_INET, HOSTS[host])]


def request(url: str, *, config: dict[str, Any] | None = None, secrets: tuple[str, ...] = (), **own: Any) -> Collected:
    """What one request comes to, in a world with the names of :data:`HOSTS`."""

    async def run() -> Collected:
        strategy = Http()
        try:
            context = Context(SUBJECT, {}, Guard(names=Names(_lookup)), secrets)
            connection = await strategy.open(config or {}, context)
            return await connection.collect("request", {"url": url, **own})
        finally:
            await strategy.aclose()

    return asyncio.run(run())


def failure(url: str, **options: Any) -> str:
    """The sentence it fails with."""
    with pytest.raises(Failed) as caught:
        request(url, **options)
    return caught.value.sentence


@pytest.fixture(scope="module")
def web() -> Iterator[Site]:
    with site() as running:
        yield running


@pytest.fixture(scope="module")
def other() -> Iterator[Site]:
    with site() as running:
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def secure(authority: Authority) -> Iterator[Site]:
    with site(cert=authority.issue(["127.0.0.1", "orders.example.net"])) as running:
        yield running


@pytest.fixture(scope="module")
def hyper(authority: Authority) -> Iterator[Hyper]:
    with Hyper(*authority.issue(["127.0.0.1"])) as running:
        yield running


class TestRedirects:
    def test_are_followed(self, web: Site) -> None:
        found = request(f"{web.base}/down/10")
        assert (found.result["statusCode"], found.result["body"]) == (200, "there")
        assert found.phases is not None
        assert found.phases["connect"] < found.phases["total"]

    def test_end_after_ten(self, web: Site) -> None:
        assert failure(f"{web.base}/loop/0") == f"{web.base}/loop/0 redirects more than 10 times"

    def test_stay_where_they_begin(self, web: Site) -> None:
        found = request(f"{web.base}/redirect/302?to=/json", followRedirects=False)
        assert (found.result["statusCode"], found.result["body"], found.result["success"]) == (302, "elsewhere", True)

    def test_without_a_place_are_answers(self, web: Site) -> None:
        assert request(f"{web.base}/redirect/301").result["statusCode"] == 301
        assert request(f"{web.base}/redirect/300?to=/json").result["statusCode"] == 300

    @pytest.mark.parametrize(
        ("status", "method", "then", "body"),
        [
            (301, "POST", "GET", ""),
            (302, "POST", "GET", ""),
            (303, "POST", "GET", ""),
            (303, "PUT", "GET", ""),
            (303, "HEAD", "HEAD", ""),
            (301, "PUT", "PUT", "x"),
            (302, "DELETE", "DELETE", "x"),
            (307, "POST", "POST", "x"),
            (308, "POST", "POST", "x"),
        ],
    )
    def test_change_methods_as_browsers_do(self, web: Site, status: int, method: str, then: str, body: str) -> None:
        sent = None if method == "HEAD" else "x"
        request(f"{web.base}/redirect/{status}?to=/echo/there", method=method, body=sent)
        asked = web.asked[-1]
        assert (asked.method, asked.path, asked.body.decode()) == (then, "/echo/there", body)
        assert (asked.header("Content-Type") is None) == (body == "")

    def test_keep_credentials_for_their_origin(self, web: Site, other: Site) -> None:
        config = {"authType": "token", "authToken": "t0ken"}
        headers = [
            {"name": "X-Key", "value": "key-9f31"},
            {"name": "Cookie", "value": "a=b"},
            {"name": "X-Probe", "value": "1"},
        ]
        own: dict[str, Any] = {"headers": headers, "secrets": ("key-9f31",), "config": config}
        request(f"{web.base}/redirect/302?to=/json", **own)
        assert web.asked[-1].header("Authorization") == "Bearer t0ken"
        found = request(f"{web.base}/redirect/302?to={other.base}/json", **own)
        asked = other.asked[-1]
        assert [asked.header(n) for n in ("Authorization", "X-Key", "Cookie", "X-Probe")] == [None, None, None, "1"]
        where = other.base.removeprefix("http://")
        expected = f"X-Key, Cookie, Authorization not sent to {where}, where a redirect led: another origin"
        assert found.notes == (expected,)

    def test_are_checked_anew(self, web: Site) -> None:
        denied = "may not be connected to (169.254.0.0/16 is denied)"
        for url in (
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:169.254.169.254]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://2852039166/",
            "//metadata.example.net/",
            "http://metadata.example.net/",
        ):
            if url == "http://2852039166/":  # the system's lookup reads it as an address; ours knows no such name
                assert "can't be resolved" in failure(f"{web.base}/redirect/302?to={url}")
            else:
                assert denied in failure(f"{web.base}/redirect/302?to={url}")

    @pytest.mark.parametrize("to", ["ftp://example.net/", "file:///etc/passwd", "gopher://127.0.0.1/", "https://x:y/"])
    def test_lead_to_http_only(self, web: Site, to: str) -> None:
        assert "which can't be requested" in failure(f"{web.base}/redirect/302?to={to}")


class TestEgress:
    @pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "metadata.example.net"])
    def test_denied(self, host: str) -> None:
        assert "may not be connected to" in failure(f"http://{host}/")

    def test_the_check_can_deny_more(self, web: Site) -> None:
        assert "(127.0.0.0/8 is denied)" in failure(f"{web.base}/", config={"egressDenyCidrs": ["127.0.0.0/8"]})
        assert "(127.0.0.0/8 is denied)" in failure(
            "http://orders.example.net/", config={"egressDenyCidrs": ["127.0.0.0/8"]}
        )

    @pytest.mark.parametrize("host", ["0x7f.1", "2130706433", "0177.0.0.1", "127.1", "0"])
    def test_odd_spellings_are_checked_as_what_they_are(self, host: str) -> None:
        async def run() -> None:
            guard = Guard(["127.0.0.0/8"])
            with pytest.raises(Failed, match=r"127\.0\.0\.0/8 is denied"):
                await guard.resolve(host, 80)
            strategy = Http()
            connection = await strategy.open({}, Context(SUBJECT, {}, guard))
            with pytest.raises(Failed, match=r"127\.0\.0\.0/8 is denied"):
                await connection.collect("request", {"url": f"http://{host}/"})
            await strategy.aclose()

        asyncio.run(run())

    def test_the_name_is_never_looked_up_again(self, web: Site) -> None:
        """What libcurl would find in hosts or DNS doesn't matter: it isn't asked."""
        found = request(f"http://orders.example.net:{web.port}/json")
        assert found.result["statusCode"] == 200


class TestTls:
    def test_is_measured(self, secure: Site, authority: Authority) -> None:
        found = request(f"https://orders.example.net:{secure.port}/json", config={"caCert": authority.ca_text})
        assert found.result["statusCode"] == 200
        assert list(found.phases or {}) == ["dns", "connect", "tls", "firstByte", "total"]
        assert (found.phases or {})["tls"] > 0

    def test_trusts_nobody_else(self, secure: Site, tmp_path: Path) -> None:
        where = f"127.0.0.1:{secure.port}"
        assert failure(f"{secure.base}/json").startswith(f"the certificate of {where} isn't trusted: ")
        stranger = Authority(tmp_path, name="Stranger").ca_text
        assert failure(f"{secure.base}/", config={"caCert": stranger}).startswith(f"the certificate of {where} isn't")

    def test_name_has_to_match(self, secure: Site, authority: Authority) -> None:
        said = failure(f"https://two.example.net:{secure.port}/", config={"caCert": authority.ca_text})
        assert said.startswith(f"the certificate of two.example.net:{secure.port} isn't trusted: ")

    def test_expired(self, authority: Authority) -> None:
        with site(cert=authority.issue(["127.0.0.1"], days=-1)) as old:
            said = failure(f"{old.base}/", config={"caCert": authority.ca_text})
            assert "expired" in said

    def test_unreadable_authority(self, secure: Site) -> None:
        assert "that can be read" in failure(f"{secure.base}/", config={"caCert": "no certificate"})

    def test_plain_server(self, web: Site) -> None:
        said = failure(f"https://127.0.0.1:{web.port}/")
        assert said == f"the TLS handshake with 127.0.0.1:{web.port} failed: wrong version number"

    @pytest.mark.parametrize("password", [None, "s3cret"])
    def test_client_certificates(self, authority: Authority, password: str | None) -> None:
        cert, key = authority.issue(["probe"], client=True, password=password)
        with site(cert=authority.issue(["127.0.0.1"]), client_ca=authority.ca_path) as strict:
            config = {"caCert": authority.ca_text, "clientCert": cert.read_text(), "clientKey": key.read_text()}
            if password is not None:
                assert "client certificate can't be used" in failure(f"{strict.base}/json", config=config)
                config["clientKeyPassword"] = password
            assert request(f"{strict.base}/json", config=config).result["statusCode"] == 200
            assert strict.asked[-1].client is not None
            assert strict.asked[-1].client["subject"] == ((("commonName", "probe"),),)
            # TLS 1.3 refuses after the handshake: its alert may come before the reset, or not.
            said = failure(f"{strict.base}/json", config={"caCert": authority.ca_text})
            assert said.endswith(("alert certificate required", "reset the connection"))
            assert len(strict.asked) == 1

    def test_client_certificate_isnt_shown_elsewhere(self, authority: Authority, secure: Site) -> None:
        cert, key = authority.issue(["probe"], client=True)
        config = {"caCert": authority.ca_text, "clientCert": cert.read_text(), "clientKey": key.read_text()}
        with site(cert=authority.issue(["127.0.0.1"]), client_ca=authority.ca_path) as strict:
            before = len(strict.asked)
            failure(f"{secure.base}/redirect/302?to={strict.base}/json", config=config)
            assert len(strict.asked) == before

    def test_key_that_doesnt_fit(self, authority: Authority, secure: Site) -> None:
        cert, _ = authority.issue(["probe"], client=True)
        _, key = authority.issue(["probe"], client=True)
        config = {"caCert": authority.ca_text, "clientCert": cert.read_text(), "clientKey": key.read_text()}
        assert "the client certificate can't be used" in failure(f"{secure.base}/json", config=config)


class TestHttp2:
    @pytest.mark.parametrize(("wanted", "spoken"), [(None, "2"), ("2", "2"), ("1.1", "1.1")])
    def test_by_negotiation(self, hyper: Hyper, authority: Authority, wanted: str | None, spoken: str) -> None:
        config = {"caCert": authority.ca_text} | ({"httpVersion": wanted} if wanted else {})
        found = request(f"https://127.0.0.1:{hyper.port}/x", config=config, method="POST", body="x" * 100_000)
        assert json.loads(found.result["body"]) == {"version": spoken}
        assert (found.result["statusCode"], found.result["statusText"]) == (200, "OK")

    def test_in_plain_sight(self) -> None:
        with Hyper(None, None) as running:
            url = f"http://127.0.0.1:{running.port}/"
            assert json.loads(request(url).result["body"]) == {"version": "1.1"}
            assert json.loads(request(url, config={"httpVersion": "2"}).result["body"]) == {"version": "2"}

    def test_server_that_speaks_one_only(self, secure: Site, authority: Authority) -> None:
        found = request(f"{secure.base}/json", config={"caCert": authority.ca_text, "httpVersion": "2"})
        assert found.result["statusCode"] == 200


class TestProxy:
    @pytest.fixture
    def through(self) -> Iterator[Proxy]:
        with proxy() as running:
            yield running

    def test_plain_requests(self, web: Site, through: Proxy) -> None:
        found = request(f"{web.base}/json", config={"proxyUrl": through.url})
        assert found.result["statusCode"] == 200
        assert through.asked == [f"GET {web.base}/json HTTP/1.1"]

    def test_tunnels(self, secure: Site, through: Proxy, authority: Authority) -> None:
        config = {"proxyUrl": through.url, "caCert": authority.ca_text}
        found = request(f"{secure.base}/json", config=config)
        assert (found.result["statusCode"], found.result["statusText"]) == (200, "OK")
        assert through.asked == [f"CONNECT 127.0.0.1:{secure.port} HTTP/1.1"]

    def test_credentials(self, web: Site, secure: Site, authority: Authority) -> None:
        with proxy("probe:s3cret") as running:
            config = {"proxyUrl": running.url, "proxyUsername": "probe", "proxyPassword": "s3cret"}
            assert request(f"{web.base}/json", config=config).result["statusCode"] == 200
            assert web.asked[-1].header("Proxy-Authorization") is None
            config["caCert"] = authority.ca_text
            assert request(f"{secure.base}/json", config=config).result["statusCode"] == 200
            config["proxyPassword"] = "wrong"
            assert request(f"{web.base}/json", config=config).result["statusCode"] == 407
            said = failure(f"{secure.base}/json", config=config)
            assert (
                said
                == f"the proxy 127.0.0.1:{running.port} refused the way to 127.0.0.1:{secure.port}: it answered 407"
            )
            assert running.refused >= 2

    def test_proxy_has_to_be_allowed(self, web: Site) -> None:
        for url in ("http://169.254.169.254:3128", "http://metadata.example.net:3128"):
            assert "169.254.169.254 may not be connected to" in failure(f"{web.base}/", config={"proxyUrl": url})

    def test_targets_have_to_be_allowed(self, through: Proxy) -> None:
        config = {"proxyUrl": through.url}
        for url in ("http://169.254.169.254/", "https://metadata.example.net/"):
            assert "169.254.169.254 may not be connected to" in failure(url, config=config)
        assert through.asked == []

    def test_names_that_only_the_proxy_knows(self, through: Proxy) -> None:
        config = {"proxyUrl": through.url, "timeout": 3000}
        with contextlib.suppress(Failed):
            request("https://only.the-proxy.invalid/", config=config)
        assert through.asked == ["CONNECT only.the-proxy.invalid:443 HTTP/1.1"]

    def test_proxy_that_isnt_there(self, web: Site) -> None:
        port = closed_port()
        said = failure(f"{web.base}/", config={"proxyUrl": f"http://127.0.0.1:{port}"})
        assert said == f"can't connect to the proxy 127.0.0.1:{port}: the connection is refused"

    def test_proxy_behind_tls(self, web: Site, secure: Site, authority: Authority) -> None:
        with proxy("pröbe:s3cret", cert=authority.issue(["two.example.net"])) as running:
            config = {
                "proxyUrl": f"https://two.example.net:{running.port}",
                "proxyUsername": "pröbe",
                "proxyPassword": "s3cret",
                "caCert": authority.ca_text,
            }
            assert request(f"{web.base}/json", config=config).result["statusCode"] == 200
            assert request(f"{secure.base}/json", config=config).result["statusCode"] == 200
            assert len(running.asked) == 2
            said = failure(f"{web.base}/json", config=config | {"caCert": None})
            assert said.startswith(f"the certificate of the proxy two.example.net:{running.port} isn't trusted")

    def test_variables_of_the_worker_dont_count(self, web: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        assert request(f"{web.base}/json").result["statusCode"] == 200

    def test_socks(self, web: Site) -> None:
        with socks() as running:
            for kind in ("socks5", "socks5h"):
                config = {"proxyUrl": f"{kind}://127.0.0.1:{running.port}"}
                url = f"http://orders.example.net:{web.port}/json"
                # The name is that of nobody for the proxy: where it looks names up itself, there is no way.
                if kind == "socks5h":
                    assert "found no way to orders.example.net" in failure(url, config=config)
                else:
                    assert request(url, config=config).result["statusCode"] == 200
            assert running.asked == [f"127.0.0.1:{web.port}", f"orders.example.net:{web.port}"]
