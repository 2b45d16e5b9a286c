"""The whole way for strategies with extras: documents with secrets and templates, by the command, to real servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.grpc import Grpc
from tests.servers.mysql import PASSWORD as MYSQL_PASSWORD
from tests.servers.mysql import Mysql
from tests.servers.postgres import PASSWORD as POSTGRES_PASSWORD
from tests.servers.postgres import Postgres
from tests.servers.redis import PASSWORD as REDIS_PASSWORD
from tests.servers.redis import Redis
from tests.servers.ssh import PASSPHRASE, Sshd

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        kinds = {"postgres": Postgres, "mysql": Mysql, "redis": Redis, "grpc": Grpc, "ssh": Sshd}
        yield {name: stack.enter_context(kind()) for name, kind in kinds.items()}


def configs(servers: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """With what each of them can be told."""
    common = {"host": "{{ environment.host }}", "timeout": "20s"}
    postgres, mysql, redis, grpc, ssh = (servers[name] for name in ("postgres", "mysql", "redis", "grpc", "ssh"))
    database = {**common, "database": "orders", "user": "probe"}
    return {
        "postgres": {
            **database,
            "port": postgres.port,
            "password": "${{ secrets.POSTGRES }}",
            "sslMode": "verify-full",
            "caCert": postgres.authority.ca_text,
        },
        "mysql": {
            **database,
            "port": mysql.port,
            "password": "${{ secrets.MYSQL }}",
            "sslMode": "verify-identity",
            "caCert": mysql.authority.ca_text,
        },
        "redis": {
            **common,
            "port": redis.tls_port,
            "username": "probe",
            "password": "${{ secrets.REDIS }}",
            "database": 1,
            "tls": True,
            "caCert": redis.authority.ca_text,
        },
        "grpc": {**common, "port": grpc.tls_port, "tls": True, "caCert": grpc.authority.ca_text},
        "ssh": {
            **common,
            "port": ssh.port,
            "username": ssh.user,
            "privateKey": "${{ secrets.SSH }}",
            "passphrase": "${{ secrets.PASSPHRASE }}",
            "hostKey": ssh.host_key,
        },
    }


COLLECTORS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "postgres": (
        "query@1",
        {"query": "select current_user as me, 7 as n", "maxRows": 1},
        {"field": "rows", "jsonPath": "$[0].n", "operator": "equals", "value": 7},
    ),
    "mysql": (
        "query@1",
        {"query": "select 7", "timeout": "3s"},
        {"field": "value", "operator": "equals", "value": "7"},
    ),
    "redis": (
        "command@1",
        {"command": "GET", "args": ["{{ environment.host }}"]},
        {"field": "response", "operator": "isEmpty"},
    ),
    "grpc": ("health@1", {"service": "orders"}, {"field": "status", "operator": "equals", "value": "SERVING"}),
    "ssh": ("command@1", {"command": "echo hello"}, {"field": "stdout", "operator": "equals", "value": "hello"}),
}


def test_every_one_is_healthy_and_keeps_its_secrets(
    gitops: Gitops, repo: Repo, kit: Kit, servers: dict[str, Any]
) -> None:
    for name, config in configs(servers).items():
        kind, settings, assertion = COLLECTORS[name]
        spec = {
            "interval": "1m",
            "strategy": {"type": f"{name}@1", "config": config},
            "collectors": [{"type": kind, "config": settings, "assertions": [assertion]}],
        }
        repo.put(f"{name}.yaml", kit.document("Check", name, spec))
    repo.put("place.yaml", [kit.environment("here", host="localhost"), kit.system("all", ["here"], list(COLLECTORS))])
    repo.put("gitops.yaml", "source: servers\n")
    secrets = {
        "POSTGRES": POSTGRES_PASSWORD,
        "MYSQL": MYSQL_PASSWORD,
        "REDIS": REDIS_PASSWORD,
        "SSH": servers["ssh"].locked_key,
        "PASSPHRASE": PASSPHRASE,
    }
    given = {f"GITOPS_SECRET_{name}": value for name, value in secrets.items()}
    ran = gitops.process("test", "--format", "json", env={"GITOPS_SECRETS": "env", **given})
    told = {run["check"]: (run["outcome"], run["reason"]) for run in ran.json["runs"]}
    assert told == dict.fromkeys(COLLECTORS, ("healthy", None))
    assert ran.code == 0
    assert not any(value in ran.out for value in secrets.values())
    wrong = dict.fromkeys(given, "sesame")
    ran = gitops.process("test", "--format", "json", env={"GITOPS_SECRETS": "env", **wrong})
    outcomes = {run["check"]: run["outcome"] for run in ran.json["runs"]}
    assert outcomes == dict.fromkeys(COLLECTORS, "unhealthy") | {"grpc": "healthy", "ssh": "degraded"}
    assert "sesame" not in ran.out
