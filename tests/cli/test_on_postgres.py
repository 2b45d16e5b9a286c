"""The commands on a store in PostgreSQL, which is named once; and what none of them may show."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.servers.worker_process import until

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops, Ran
    from tests.conftest import Kit, Repo

PASSWORD = "geheim-und-mehr"
KEY = "ab" * 32
Command = Callable[..., "Ran"]


@pytest.fixture
def address(postgres_store: str) -> str:
    """The server lets anybody in, but the address has a password nevertheless."""
    return postgres_store.replace("postgres@", f"postgres:{PASSWORD}@")


@pytest.fixture
def on_postgres(gitops: Gitops, address: str, shop: Repo) -> Command:
    """The command line in a repository with four slices; nothing it says has the password in it."""

    def run(*arguments: str, code: int = 0) -> Ran:
        ran = gitops(*arguments, env={"GITOPS_STORE": address, "GITOPS_MASTER_KEY": KEY})
        assert PASSWORD not in ran.out + ran.err
        assert ran.code == code, ran
        return ran

    return run


def test_from_the_first_plan_to_a_rollback(on_postgres: Command, address: str, shop: Repo, kit: Kit) -> None:
    shown = address.replace(f":{PASSWORD}", "")
    assert f"The store {shown} is empty" in on_postgres("status").out
    assert on_postgres("plan", "--exit-code", "--format", "json", code=3).json["counts"]["resources"]["create"] == 5
    assert "Applied as generation 1" in on_postgres("apply").out
    on_postgres("plan", "--exit-code")
    assert on_postgres("status", "--format", "json").json["store"] == shown
    assert f"Store       {shown}" in on_postgres("status").out
    shop.put("checks.yaml", kit.shop(url="https://two.example.net/")["checks.yaml"])
    shop.commit()
    assert "Applied as generation 2" in on_postgres("apply").out
    assert [row["generation"] for row in on_postgres("history", "--format", "json").json["generations"]] == [2, 1]
    assert "https://two.example.net/" in on_postgres("show", "2").out
    assert "https://s.example.net/ready" in on_postgres("get", "slices/shop/ready/staging", "--generation", "1").out
    assert "Applied as generation 3" in on_postgres("rollback", "1", "--yes").out
    assert "https://s.example.net/ready" in on_postgres("get", "slices/shop/ready/staging").out


def test_drift_is_told_apart(on_postgres: Command, address: str) -> None:
    on_postgres("apply")
    with psycopg.connect(address, autocommit=True) as db:
        db.execute("update slice set body = replace(body, 'https', 'http')")
    assert "http://" in on_postgres("drift", "--exit-code", code=4).out
    on_postgres("plan", "--exit-code", code=4)
    on_postgres("apply")
    on_postgres("drift", "--exit-code")


def test_orphans_grants_settings_and_secrets(on_postgres: Command, shop: Repo, kit: Kit) -> None:
    shop.put("more.yaml", kit.system("extra"))
    shop.commit()
    on_postgres("apply")
    shop.remove("more.yaml")
    shop.commit()
    on_postgres("apply")
    assert "extra" in on_postgres("orphan", "list").out
    on_postgres("orphan", "delete", "System/extra", "--yes")
    assert "extra" not in on_postgres("orphan", "list").out
    on_postgres("source", "grant", "shop", "--secret", "DB_*")
    assert "DB_*" in on_postgres("source", "list").out


def test_what_goes_wrong_is_a_sentence_without_the_password(gitops: Gitops, shop: Repo, address: str) -> None:
    nowhere = address.replace("host=/", "host=/nowhere/")
    for command in ("status", "plan", "apply", "history", "drift", "worker"):
        ran = gitops(command, env={"GITOPS_STORE": nowhere})
        assert ran.code == 1, ran
        assert "no server listens at postgresql://postgres@/" in ran.err + ran.out
        assert PASSWORD not in ran.err + ran.out


def test_a_worker_doesnt_show_it_either(on_postgres: Command, shop: Repo, address: str) -> None:
    on_postgres("apply")
    worker = subprocess.Popen(
        [sys.executable, "-m", "reconciler", "worker", "-C", str(shop.path)],
        env={**os.environ, "GITOPS_STORE": address, "GITOPS_METRICS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until(lambda: on_postgres("workers", "--format", "json").json["workers"])
        worker.send_signal(signal.SIGTERM)
        said, _ = worker.communicate(timeout=30)
    finally:
        worker.kill()
        worker.wait()
    assert PASSWORD not in said


def test_a_second_apply_waits_and_says_for_whom(on_postgres: Command, address: str) -> None:
    from reconciler.store.open import open_store

    holder = open_store(address)
    with holder.lock(actor="ada", timeout=0.0):
        ran = on_postgres("apply", "--lock-timeout", "0.3s", code=1)
    holder.close()
    assert "Waiting for another apply: ada on " in ran.err + ran.out
    assert "another apply is running: ada on " in ran.err
    assert "(process " in ran.err


@pytest.mark.parametrize("amid", ["waiting for another apply", "amid the commit"])
def test_an_interrupted_apply_says_so_and_leaves_nothing(
    on_postgres: Command, address: str, shop: Repo, amid: str
) -> None:
    from reconciler.store.open import open_store

    holder = open_store(address)
    with psycopg.connect(address, autocommit=True) as db, ExitStack() as held:
        if amid == "amid the commit":
            held.enter_context(db.transaction())
            db.execute("lock table slice in share mode")
        else:
            held.enter_context(holder.lock(actor="ada", timeout=0.0))
        apply = subprocess.Popen(
            [sys.executable, "-m", "reconciler", "apply", "-C", str(shop.path), "--lock-timeout", "60s"],
            env={**os.environ, "GITOPS_STORE": address},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            waits = (
                "select 1 from pg_stat_activity where pid not in (pg_backend_pid(), ?) "
                "and datname = current_database() and (wait_event_type = 'Lock' or query like '%pg_locks%')"
            )
            until(lambda: holder.db.rows(waits, (db.info.backend_pid,)))
            apply.send_signal(signal.SIGINT)
            out, err = apply.communicate(timeout=30)
        finally:
            apply.kill()
            apply.wait()
    assert apply.returncode == 130, err
    assert "Traceback" not in err + out
    assert holder.generation() == 0
    holder.close()
    assert "Applied as generation 1" in on_postgres("apply").out


def test_a_completion_doesnt_wait_for_a_server_that_is_silent(gitops: Gitops, shop: Repo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        line = f"gitops get -C {shop.path} --store postgresql://u@127.0.0.1:{silent.getsockname()[1]}/db System/"
        given = {"_GITOPS_COMPLETE": "fish_complete", "COMP_WORDS": line, "COMP_CWORD": "System/"}
        started = time.monotonic()
        ran = gitops.process(env=given)
    assert (ran.code, ran.err) == (0, "")
    assert time.monotonic() - started < 8


def test_of_applies_at_once_one_does_it_and_the_others_find_it_done(
    on_postgres: Command, address: str, shop: Repo
) -> None:
    command = [sys.executable, "-m", "reconciler", "apply", "-C", str(shop.path), "--lock-timeout", "60s"]
    env = {**os.environ, "GITOPS_STORE": address}
    with ExitStack() as running:
        applies = [
            running.enter_context(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
            for _ in range(3)
        ]
        said = [apply.communicate(timeout=60)[0] for apply in applies]
    assert [apply.returncode for apply in applies] == [0] * 3
    assert sum("Applied as generation 1" in text for text in said) == 1
    assert [row["generation"] for row in on_postgres("history", "--format", "json").json["generations"]] == [1]
