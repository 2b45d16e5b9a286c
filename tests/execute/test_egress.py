"""The egress guard: every spelling of an address, names that lead to several, and resolvers that hang."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from ipaddress import IPv4Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.execute.egress import DENIED, Guard, Unresolved
from reconciler.execute.names import Found, Names
from reconciler.execute.port import Failed, Unobservable

METADATA = "169.254.169.254"


@pytest.mark.parametrize(
    "ip",
    [
        METADATA,
        "169.254.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "febf::1",
        "fc00::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "192.0.0.192",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "::ffff:169.254.169.254%1",
        "0:0:0:0:0:ffff:a9fe:a9fe",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::169.254.169.254",
        "64:ff9b:1:a9fe:a9:fe00::",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:5601:5601",
        "2001:db8::5efe:169.254.169.254",
        "2001:db8::200:5efe:169.254.169.254",
    ],
)
def test_denied(ip: str) -> None:
    with pytest.raises(Failed, match="may not be connected to"):
        Guard().check(ip)
    with pytest.raises(Failed, match="may not be connected to"):
        asyncio.run(Guard().resolve(ip, 80))
    with pytest.raises(Failed, match="may not be connected to"):
        asyncio.run(Guard().resolve(f"[{ip}]", 80))


@pytest.mark.parametrize(
    "ip", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "8.8.8.8", "::1", "2001:db8::1", "::ffff:10.0.0.1"]
)
def test_allowed(ip: str) -> None:
    Guard().check(ip)
    found = asyncio.run(Guard().resolve(ip, 80))
    assert [a.ip for a in found.addresses] == [ip]
    assert found.addresses[0].family == (socket.AF_INET6 if ":" in ip else socket.AF_INET)
    assert found.took_ms == 0


@pytest.mark.parametrize("ip", ["", "localhost", "1.2.3", "010.0.0.1", "1.2.3.4%eth0", "::1::"])
def test_what_is_no_address_doesnt_pass(ip: str) -> None:
    with pytest.raises(Failed, match="is no address"):
        Guard().check(ip)


def test_operator_denies_more() -> None:
    guard = Guard(["10.0.0.0/8", "192.0.2.7"])
    for ip in ("10.1.2.3", "::ffff:10.1.2.3", "2002:a01:203::", "64:ff9b::10.1.2.3", "192.0.2.7", METADATA):
        with pytest.raises(Failed, match="is denied"):
            guard.check(ip)
    guard.check("192.0.2.8")
    more = guard.extended(["192.0.2.0/24"])
    with pytest.raises(Failed, match="is denied"):
        more.check("192.0.2.8")
    guard.check("192.0.2.8")
    assert guard.extended([]) is guard


@pytest.mark.parametrize("ip", ["0.0.0.0", "::", "::ffff:127.0.0.1", "127.9.9.9"])
def test_ways_to_this_host(ip: str) -> None:
    Guard().check(ip)
    with pytest.raises(Failed, match="is denied"):
        Guard(["127.0.0.0/8"]).check(ip)


@pytest.mark.parametrize("network", ["10.0.0.0/33", "orders", "", "10.0.0.0/8/8"])
def test_malformed_networks(network: str) -> None:
    with pytest.raises(ValueError):
        Guard([network])
    with pytest.raises(ValueError):
        Guard().extended([network])


@given(st.ip_addresses(network="169.254.0.0/16"), st.sampled_from(["::ffff:{}", "::{}", "64:ff9b::{}", "{}"]))
def test_no_link_local_address_passes(ip: object, form: str) -> None:
    with pytest.raises(Failed):
        Guard().check(form.format(ip))


@given(st.ip_addresses(v=4))
def test_every_address_is_judged(ip: IPv4Address) -> None:
    guard = Guard()
    for _ in range(2):  # what has passed is remembered
        denied = True
        with contextlib.suppress(Failed):
            guard.check(str(ip))
            denied = False
        assert denied == any(ip in ip_network(network) for network in DENIED)


def table(**hosts: list[str]) -> Names:
    """A resolver that knows these names (dots as underscores)."""

    def lookup(host: str) -> Found:
        if (ips := hosts.get(host.replace(".", "_"))) is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip) for ip in ips]

    return Names(lookup)


class TestNames:
    def test_all_addresses_have_to_pass(self) -> None:
        names = table(good=["192.0.2.1", "2001:db8::1"], mixed=["192.0.2.1", METADATA], six=["::1", "fe80::1"], none=[])
        guard = Guard(names=names)
        found = asyncio.run(guard.resolve("good", 443))
        assert [(a.family, a.ip, a.port) for a in found.addresses] == [
            (socket.AF_INET, "192.0.2.1", 443),
            (socket.AF_INET6, "2001:db8::1", 443),
        ]
        assert found.took_ms > 0
        for host in ("mixed", "six"):
            with pytest.raises(Failed, match="may not be connected to"):
                asyncio.run(guard.resolve(host, 443))
        with pytest.raises(Unresolved, match="the name none has no address"):
            asyncio.run(guard.resolve("none", 443))
        with pytest.raises(Unresolved, match="the name other can't be resolved: Name or service not known"):
            asyncio.run(guard.resolve("other", 443))

    def test_system_resolver(self) -> None:
        found = asyncio.run(Guard().resolve("localhost", 80))
        assert {a.ip for a in found.addresses} <= {"127.0.0.1", "::1"}
        with pytest.raises(Failed):
            asyncio.run(Guard(["127.0.0.0/8", "::1"]).resolve("localhost", 80))

    @pytest.mark.parametrize("host", ["0x7f.1", "2130706433", "0177.0.0.1", "127.1"])
    def test_odd_literals(self, host: str) -> None:
        assert [a.ip for a in asyncio.run(Guard().resolve(host, 80)).addresses] == ["127.0.0.1"]
        with pytest.raises(Failed):
            asyncio.run(Guard(["127.0.0.0/8"]).resolve(host, 80))
        with pytest.raises(Failed):
            asyncio.run(Guard().resolve("0xa9fea9fe", 80))

    @pytest.mark.parametrize("host", ["", "[]", "a\0b", "x" * 300, "a..b", "\ud800"])
    def test_what_is_no_name(self, host: str) -> None:
        with pytest.raises(Unresolved) as caught:
            asyncio.run(Guard().resolve(host, 80))
        assert "\0" not in caught.value.sentence

    def test_a_name_is_asked_for_once_by_many_at_once(self) -> None:
        asked: list[str] = []
        release = threading.Event()

        def lookup(host: str) -> Found:
            asked.append(host)
            release.wait(5)
            return [(socket.AF_INET, "192.0.2.1")]

        async def go() -> None:
            guard = Guard(names=Names(lookup))
            tasks = [asyncio.create_task(guard.resolve("orders", 443)) for _ in range(50)]
            tasks[0].cancel()
            await asyncio.sleep(0)
            release.set()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(found[0], asyncio.CancelledError)
            assert all(not isinstance(f, BaseException) for f in found[1:])
            assert asked == ["orders"]
            await guard.resolve("orders", 443)
            assert asked == ["orders"] * 2, "nothing is kept: the next run asks again"

        asyncio.run(go())

    def test_names_that_hang_keep_nobody_else_waiting(self) -> None:
        release = threading.Event()

        def lookup(host: str) -> Found:
            if host.startswith("dead"):
                release.wait(20)
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            return [(socket.AF_INET, "192.0.2.1")]

        async def go() -> None:
            names = Names(lookup, threads=8)
            guard = Guard(names=names)
            dead = [asyncio.create_task(guard.resolve(f"dead{n % 7}", 80)) for n in range(100)]
            await asyncio.sleep(0)
            began = time.perf_counter()
            for n in range(20):
                async with asyncio.timeout(5):
                    await guard.resolve(f"alive{n}", 80)
            assert time.perf_counter() - began < 3
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await guard.resolve("dead1", 80)
            release.set()
            found = await asyncio.gather(*dead, return_exceptions=True)
            assert {str(f) for f in found} == {
                f"the name dead{n} can't be resolved: Temporary failure in name resolution" for n in range(7)
            }

        asyncio.run(go())

    def test_without_threads_we_cant_look(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def start(self: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        names = table(good=["192.0.2.1"])
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", start)
            with pytest.raises(Unobservable, match="no thread can be started"):
                asyncio.run(names.find("good"))
        assert asyncio.run(names.find("good")) == [(socket.AF_INET, "192.0.2.1")]

    def test_loop_may_end_while_a_name_hangs(self) -> None:
        release, asked = threading.Event(), threading.Event()

        def lookup(host: str) -> Found:
            asked.set()
            release.wait(20)
            return []

        names = Names(lookup)

        async def go() -> None:
            task = asyncio.create_task(names.find("dead"))
            await asyncio.to_thread(asked.wait, 5)
            task.cancel()

        began = time.perf_counter()
        asyncio.run(go())
        assert time.perf_counter() - began < 2
        release.set()
        assert asyncio.run(names.find("alive")) == []
