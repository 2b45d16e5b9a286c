"""A secret's value is in no store, no output, no exception and no log: looked for as bytes, wherever they are."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.flows.executor import ConfiguredExecutor, make_executor
from reconciler.flows.once import Choice, targets
from reconciler.model.run import LOCAL, Observation, Run
from reconciler.store.open import open_executing

if TYPE_CHECKING:
    from reconciler.store.sql_writer import SqlStore
    from tests.conftest import Kit

VALUE = "s3cr3t-Zürich-value"
KEY = "5a" * 32
ENVIRON = {"GITOPS_SECRETS": "store,env", "GITOPS_MASTER_KEY": KEY, "GITOPS_SECRET_OTHER": VALUE[::-1]}
TOKEN, OTHER = "${{ secrets.TOKEN }}", "${{ secrets.OTHER }}"

SCRIPTS: dict[str, list[dict[str, Any]]] = {
    "printed": [
        {"type": "execute@2", "config": {"script": 'echo "$T"; echo "x${T}x" >&2; exit 1', "secretEnv": {"T": TOKEN}}}
    ],
    "returned": [
        {
            "type": "inline-script@1",
            "config": {
                "script": "import os\nprint(os.environ)\nreturn {'success': False, 'message': os.environ['T']}",
                "secretEnv": {"T": f"Bearer {TOKEN}", "U": OTHER},
            },
        }
    ],
    "raised": [
        {
            "type": "inline-script@1",
            "config": {
                "script": "import os\nraise RuntimeError(os.environ['T'] + os.environ['U'])",
                "secretEnv": {"T": TOKEN, "U": OTHER},
            },
        }
    ],
    "asserted": [
        {
            "type": "execute@2",
            "config": {"script": 'echo "$T"', "secretEnv": {"T": TOKEN}},
            "assertions": [{"field": "stdout", "operator": "equals", "value": "something else"}],
        }
    ],
    "flooded": [
        {"type": "execute@2", "config": {"script": 'while :; do echo "$T$T$T$T"; done', "secretEnv": {"T": TOKEN}}}
    ],
    "late": [
        {
            "type": "execute@2",
            "config": {"script": 'echo "$T"; sleep 9', "timeout": "300ms", "secretEnv": {"T": TOKEN}},
        }
    ],
}


def documents(kit: Kit) -> dict[str, Any]:
    checks = [
        kit.document("Check", name, {"interval": "30s", "strategy": {"type": "script@1"}, "collectors": collectors})
        for name, collectors in SCRIPTS.items()
    ]
    return {
        "c.yaml": checks,
        "e.yaml": kit.environment("production"),
        "s.yaml": kit.system("s", ["production"], SCRIPTS),
    }


def forms(value: str) -> list[bytes]:
    """The value as text of several encodings, and as base64, should it be where nobody masks."""
    escaped = json.dumps(value)[1:-1].encode()
    return [value.encode(), escaped, value.encode("utf-16-le"), base64.b64encode(value.encode()).rstrip(b"=")[:-1]]


def hunt(data: bytes, where: str) -> None:
    for value in (VALUE, VALUE[::-1], KEY):
        for form in forms(value):
            assert form not in data, f"a secret stands in {where}"


@pytest.fixture
def ran(
    store: SqlStore, kit: Kit, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> dict[str, Observation]:
    """Every script run once and recorded, by the name of its check."""
    from reconciler.flows.secrets import encrypted
    from reconciler.secrets.port import SecretName
    from reconciler.store.shared import SharedStore

    caplog.set_level(logging.DEBUG)
    kit.apply(store, documents(kit))
    rows = SharedStore(store.where)
    encrypted(ENVIRON, lambda: rows).set(SecretName("TOKEN"), VALUE, actor="tester")
    rows.close()
    chosen = targets(store, Choice())

    async def go(executor: ConfiguredExecutor) -> list[Observation]:
        try:
            return [await executor.run(executor.prepare(t.body), *t.known) for t in chosen]
        finally:
            await executor.aclose()

    found = asyncio.run(go(make_executor(store, ENVIRON)))
    hands = open_executing(store.where)
    try:
        now = hands.now()
        runs = [
            Run(
                t.slice.key,
                LOCAL,
                now,
                now,
                o.duration_ms,
                o.outcome,
                o.reason,
                t.generation,
                t.slice.digest,
                "w",
                o.detail(),
            )
            for t, o in zip(chosen, found, strict=True)
        ]
        hands.reconcile()
        hands.record(runs)
    finally:
        hands.close()
    out, err = capfd.readouterr()
    hunt((out + err + caplog.text).encode(), "what was printed or logged")
    return {t.slice.name.check: o for t, o in zip(chosen, found, strict=True)}


def test_no_run_gives_a_value_away(ran: dict[str, Observation], store: SqlStore) -> None:
    assert set(ran) == set(SCRIPTS)
    for name, observation in ran.items():
        assert observation.outcome == "unhealthy", name
        hunt(repr(observation).encode(), name)
        hunt(str(observation.detail()).encode(), name)
    assert ran["printed"].collectors[0].result["stdout"] == "****"
    assert ran["printed"].collectors[0].result["stderr"] == "x****x"
    assert ran["returned"].reason == "Bearer ****"
    assert "****" in (ran["raised"].reason or "")
    assert "(found ****)" in (ran["asserted"].reason or "")
    assert "****" in ran["flooded"].collectors[0].result["stdout"]
    store.close()
    folder = Path(store.where).parent
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert any(file.suffix == ".db" for file in files)
    for file in files:
        hunt(file.read_bytes(), str(file))


def test_no_exception_holds_a_value(store: SqlStore, kit: Kit) -> None:
    from reconciler.flows.secrets import make_resolver
    from reconciler.secrets.port import SecretName, SecretsError
    from reconciler.store.shared import SharedStore

    rows = SharedStore(store.where)
    try:
        resolver = make_resolver(ENVIRON, lambda: rows)
        backend: Any = resolver.backends[0]
        backend.set(SecretName("TOKEN"), VALUE, actor="tester")
        row = rows.read_all()[0]
        rows.write([row._replace(name="SWAPPED")])
        other = make_resolver({**ENVIRON, "GITOPS_MASTER_KEY": "01" * 32}, lambda: rows)
        for ask in (
            lambda: resolver.resolve(["SWAPPED"]),
            lambda: other.resolve(["TOKEN"]),
            lambda: backend.set(SecretName("TOKEN"), VALUE + "\0", actor="tester"),
            lambda: resolver.resolve(["OTHER", "MISSING"]),
        ):
            with pytest.raises(SecretsError) as caught:
                ask()
            told = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=False).format())
            hunt((told + repr(caught.value) + str(caught.value.hint)).encode(), "an exception")
    finally:
        rows.close()


SMUGGLED = '{{ "$" ~ "{{ secrets.TOKEN }}" }}'


def test_a_template_can_not_smuggle_a_reference_in(store: SqlStore, kit: Kit) -> None:
    """Its rendered text is what the store holds and what is sent, though the secret is there and resolved."""
    from reconciler.execute.executor import Executor

    request = {
        "type": "request@1",
        "config": {
            "url": "https://x.example.net/",
            "method": "POST",
            "body": SMUGGLED,
            "headers": [{"name": "X-Own", "value": SMUGGLED}, {"name": "X-Key", "valueFrom": {"secret": "TOKEN"}}],
        },
    }
    check = kit.document("Check", "c", {"interval": "30s", "strategy": {"type": "http@3"}, "collectors": [request]})
    kit.apply(
        store,
        {"c.yaml": check, "e.yaml": kit.environment("production"), "s.yaml": kit.system("s", ["production"], ["c"])},
    )
    (row,) = store.slice_rows()
    assert row.body.count(b"${{ secrets.TOKEN }}") == 2
    executor: Executor = make_executor(store, ENVIRON)
    prepared = executor.prepare(row.body)
    assert prepared.secrets == ("TOKEN",)
    found = prepared.collectors[0].part.filled({"TOKEN": VALUE})
    assert found["body"] == "${{ secrets.TOKEN }}"
    assert found["headers"] == [
        {"name": "X-Own", "value": "${{ secrets.TOKEN }}"},
        {"name": "X-Key", "value": VALUE},
    ]
    asyncio.run(executor.aclose())
