"""The policy: closed, judged when it is saved, merged key by key."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.sandbox.policy import SandboxPolicy, fail_closed, faults, merge, provided, shipped_default

SHIPPED = shipped_default({})


def test_the_shipped_default() -> None:
    assert SHIPPED.to_json() == {
        "enabled": True,
        "onUnavailable": "fail",
        "resources": {
            "cpuSeconds": 60,
            "memoryBytes": 512 << 20,
            "maxOpenFiles": 1024,
            "maxProcesses": 256,
            "maxOutputBytes": 5 << 20,
            "maxFileSizeBytes": 256 << 20,
        },
        "filesystem": {"mode": "scratch-plus-ro", "scratchBytes": None},
        "network": {"mode": "allowlist", "allow": [], "denyLinkLocalAndMetadata": True},
        "privilege": {"mode": "drop-to-uid", "uid": 65534, "gid": 65534},
    }
    assert SandboxPolicy.model_validate(SHIPPED.to_json()) == SHIPPED
    assert SandboxPolicy().on_unavailable == "degrade", "the schema's own default"


@pytest.mark.parametrize(
    ("environ", "ids"),
    [
        ({}, (65534, 65534)),
        ({"CHECKSTACK_SANDBOX_UID": "1200"}, (1200, 1200)),
        ({"CHECKSTACK_SANDBOX_UID": "1200", "CHECKSTACK_SANDBOX_GID": "1300"}, (1200, 1300)),
        ({"CHECKSTACK_SANDBOX_GID": "1300"}, (65534, 65534)),
        ({"CHECKSTACK_SANDBOX_UID": "root"}, (65534, 65534)),
        ({"CHECKSTACK_SANDBOX_UID": "0"}, (65534, 65534)),
        ({"CHECKSTACK_SANDBOX_UID": "-1"}, (65534, 65534)),
        ({"CHECKSTACK_SANDBOX_UID": "٣"}, (65534, 65534)),
    ],
)
def test_the_identity_is_seeded(environ: dict[str, str], ids: tuple[int, int]) -> None:
    made = shipped_default(environ).privilege
    assert (made.uid, made.gid) == ids


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ({"x": 1}, "x: there is no such key"),
        ({"network": {"alow": []}}, "network.alow: there is no such key"),
        ({"resources": {"cpuSeconds": "3"}}, "resources.cpuSeconds: Input should be a valid integer"),
        ({"resources": {"cpuSeconds": 0}}, "resources.cpuSeconds: Input should be greater than or equal to 1"),
        ({"resources": {"cpuSeconds": 3601}}, "resources.cpuSeconds: Input should be less than or equal to 3600"),
        ({"resources": {"maxProcesses": 65537}}, "resources.maxProcesses: Input should be less than or equal to 65536"),
        ({"resources": {"memoryBytes": True}}, "resources.memoryBytes: Input should be a valid integer"),
        ({"enabled": 1}, "enabled: Input should be a valid boolean"),
        ({"onUnavailable": "ignore"}, "onUnavailable: Input should be 'degrade' or 'fail'"),
        ({"filesystem": {"mode": "rw"}}, "filesystem.mode: Input should be 'off', 'scratch-only' or 'scratch-plus-ro'"),
        ({"privilege": {"uid": 0}}, "privilege.uid: Input should be greater than or equal to 1"),
        ({"privilege": {"uid": None}}, "privilege: gid is set without uid"),
        ({"network": None}, "network: Input should be a valid dictionary or instance of Network"),
        ({"network": {"allow": ["10.0.0.1"]}}, "network.allow: '10.0.0.1' names no port; write it as 10.0.0.1:443"),
    ],
)
def test_what_is_wrong_is_refused(overlay: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        merge(SHIPPED, overlay)
    assert faults(caught.value) == [said]


@pytest.mark.parametrize(
    ("text", "host", "network", "port"),
    [
        ("10.1.2.3:443", None, "10.1.2.3/32", 443),
        ("10.1.0.0/16:5432", None, "10.1.0.0/16", 5432),
        ("[2606:4700::1]:53", None, "2606:4700::1/128", 53),
        ("[2606:4700::/32]:53", None, "2606:4700::/32", 53),
        ("DB.Example.NET.:5432", "db.example.net", None, 5432),
        ("bücher.example:443", "xn--bcher-kva.example", None, 443),
        ("127.0.0.1:8080", None, "127.0.0.1/32", 8080),
    ],
)
def test_entries(text: str, host: str | None, network: str | None, port: int) -> None:
    (entry,) = merge(SHIPPED, {"network": {"allow": [text]}}).network.entries()
    assert entry.host == host
    assert (str(entry.network) if entry.network is not None else None) == network
    assert entry.port == port


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a.b:",
        ":443",
        "a.b:0",
        "a.b:65536",
        "a.b:٤٤٣",
        "a.b:-1",
        "*.example.net:443",
        "a b.net:443",
        "a.b\n:443",
        "a\0b:443",
        "-a.b:443",
        "a..b:443",
        "::1:443",
        "fe80::1%eth0:443",
        "10.0.0.1/8:443",
        "169.254.169.254:80",
        "169.254.0.0/16:80",
        "0.0.0.0:80",
        "224.0.0.1:80",
        "100.100.100.200:80",
        "168.63.129.16:80",
        "[fe80::1]:80",
        "[fd00:ec2::254]:80",
        "[::ffff:169.254.169.254]:80",
        "[64:ff9b::a9fe:a9fe]:80",
        "2852039166:80",
        "0xa9fea9fe:80",
        "169.254.43518:80",
        "1.2.3.4.5:80",
    ],
)
def test_entries_that_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        merge(SHIPPED, {"network": {"allow": [text]}})


def test_merging_touches_only_what_is_named() -> None:
    made = merge(SHIPPED, {"resources": {"cpuSeconds": None, "maxProcesses": 5}, "network": {"allow": ["a.b:1"]}})
    assert made.resources.cpu_seconds is None
    assert made.resources.max_processes == 5
    assert made.resources.memory_bytes == SHIPPED.resources.memory_bytes
    assert made.network.deny_link_local_and_metadata
    assert made.filesystem == SHIPPED.filesystem


def test_a_provider_that_fails() -> None:
    def broken() -> SandboxPolicy:
        raise OSError("secret detail")

    assert provided(lambda: SHIPPED) == (SHIPPED, None)
    for provider in (None, broken, lambda: None, SHIPPED.to_json):
        policy, reason = provided(provider)
        assert policy == fail_closed()
        assert reason is not None
        assert "secret" not in reason
    assert fail_closed().on_unavailable == "fail"
    assert fail_closed().network.mode == "deny"
