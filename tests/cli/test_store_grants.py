"""``gitops store grants``: each of three roles does what it is for, connected as itself, and is refused all else."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest

from reconciler.store.locks import open_locks
from reconciler.store.open import open_executing
from reconciler.store.pg_executing import PgExecuting
from reconciler.store.roles import Roles, grants
from reconciler.store.schema import KNOWN

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Repo

KEY = "ab" * 32
HISTORY = ("generation", "source", "source_grant", "blob", "resource", "edge", "slice", "setting", "schema_version")
WRITES = ("insert", "update", "delete", "truncate")


class Addresses(NamedTuple):
    """Of one store, for its owner and as each of the roles."""

    owner: str
    apply: str
    worker: str
    read: str


@pytest.fixture
def store(postgres_store: str, gitops: Gitops, repo: Repo) -> Addresses:
    """With a secret in it; the roles have their rights."""
    repo.put("gitops.yaml", "source: shop\n")
    repo.put(".gitignore", ".gitops/\n")
    repo.commit()
    said = gitops("store", "grants", directory=False)
    assert said.code == 0
    with psycopg.connect(postgres_store, autocommit=True) as db:
        db.execute(said.out.encode())
        db.execute(said.out.encode())
        db.execute("insert into secret values ('', 'TOKEN', 'k', 'n', 'c', 0, 'me')")
    names = ("postgres", *Roles()[:3])
    return Addresses(*(postgres_store.replace("postgres@", f"{name}@") for name in names))


def privileges(store: Addresses, role: str) -> dict[str, set[str]]:
    """By table, what the server says that a role may do."""
    sql = (
        "select c.relname, p from pg_class c, unnest(array['select','insert','update','delete','truncate',"
        "'references','trigger']) p where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') "
        "and has_table_privilege(%s, c.oid, p)"
    )
    found: dict[str, set[str]] = {}
    with psycopg.connect(store.owner) as db:
        for table, privilege in db.execute(sql, (role,)):
            found.setdefault(table, set()).add(privilege)
    return found


def tables(store: Addresses) -> set[str]:
    sql = (
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') "
        "and not relispartition"
    )
    with psycopg.connect(store.owner) as db:
        return {name for (name,) in db.execute(sql)}


def test_who_may_write_what(store: Addresses) -> None:
    everything = tables(store)
    unused = {"pgqueuer_schedules", "pgqueuer_statistics"}
    apply, worker, read = (privileges(store, role) for role in Roles()[:3])
    assert not any(p & {"truncate", "references", "trigger"} for had in (apply, worker, read) for p in had.values())
    assert {t for t, p in apply.items() if p & set(WRITES)} == {*HISTORY, "outside"} - {"schema_version"}
    assert {t for t, p in apply.items() if "delete" in p} == {"blob", "edge", "outside", "source_grant"}
    assert not apply.keys() & {"secret", "automation_run", "event", "pgqueuer", "fence", "leader"}
    written = {t for t, p in worker.items() if p & set(WRITES)}
    assert written == everything - {*HISTORY, "outside", "secret"} - unused
    assert worker.keys() == everything - unused
    assert all(p == {"select"} for p in read.values())
    assert read.keys() == everything - {"secret"} - unused


REFUSED = [
    ("apply", "select ciphertext from secret"),
    ("apply", "select name from secret"),
    ("apply", "delete from generation"),
    ("apply", "delete from resource"),
    ("apply", "update generation set seal = ''"),
    ("apply", "update schedule set paused = 1"),
    ("apply", "insert into worker values ('w', 'h', 1, 0, 0, 0, '{}')"),
    ("apply", "delete from run"),
    ("apply", "delete from pgqueuer"),
    ("apply", "select run_dropped(99999)"),
    ("worker", "insert into generation (n) values (7)"),
    ("worker", "update resource set body = ''"),
    ("worker", "delete from slice"),
    ("worker", "insert into setting values ('k', 'v', 0)"),
    ("worker", "update setting set value = ''"),
    ("worker", "update source_grant set pattern = '*'"),
    ("worker", "update secret set ciphertext = ''"),
    ("worker", "delete from outside"),
    ("worker", "insert into schema_version values (9)"),
    ("worker", "drop table run_rest"),
    ("read", "insert into setting values ('k', 'v', 0)"),
    ("read", "update schedule set paused = 1"),
    ("read", "delete from run"),
    ("read", "select ciphertext from secret"),
    ("read", "select nonce from secret"),
    ("read", "select * from secret"),
    ("read", "select run_days(1, 1)"),
    ("read", "select run_dropped(99999)"),
    ("read", "select nextval('pgqueuer_id_seq')"),
    ("worker", "create table mine (n int)"),
    ("worker", "create or replace function run_dropped(before bigint) returns bigint language sql as 'select 1'"),
]


def test_what_they_may_not_is_refused(store: Addresses) -> None:
    for role in ("apply", "worker", "read"):
        with psycopg.connect(getattr(store, role), autocommit=True) as db:
            for sql in [sql for who, sql in REFUSED if who == role]:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    db.execute(sql.encode())
            if role == "read":
                assert db.execute("select environment, name, key_id, actor from secret").fetchall() == [
                    ("", "TOKEN", "k", "me")
                ]
    with psycopg.connect(store.worker) as db:
        assert db.execute("select ciphertext from secret").fetchall() == [("c",)]


def said(gitops: Gitops, address: str, *words: str, code: int = 0) -> str:
    ran = gitops(*words, "--store", address)
    assert ran.code == code, ran
    return ran.out + ran.err


@pytest.fixture
def site(web: Repo) -> Repo:
    """Declares checks of a server in this process."""
    return web


def test_each_does_what_it_is_for(store: Addresses, gitops: Gitops, site: Repo, kit: Any) -> None:
    said(gitops, store.apply, "plan")
    assert "generation 1" in said(gitops, store.apply, "apply").lower()
    site.put("more.yaml", kit.system("more"))
    site.commit()
    said(gitops, store.apply, "apply")
    said(gitops, store.apply, "apply")
    said(gitops, store.apply, "drift")
    said(gitops, store.apply, "history")
    said(gitops, store.apply, "status")
    said(gitops, store.apply, "rollback", "1", "--force")
    said(gitops, store.apply, "apply", "--force")
    site.remove("more.yaml")
    site.commit()
    said(gitops, store.apply, "apply")
    said(gitops, store.apply, "orphan", "delete", "system/more")
    said(gitops, store.apply, "source", "grant", "shop", "--secret", "*")
    said(gitops, store.apply, "source", "revoke", "shop", "--secret", "*")
    for words in (["status"], ["plan"], ["drift"], ["history"], ["get", "systems"], ["show", "1"], ["store", "status"]):
        said(gitops, store.read, *words)
    site.put("more.yaml", kit.system("more"))
    site.commit()
    refused = said(gitops, store.read, "apply", code=1)
    assert "doesn't grant what this needs" in refused
    assert "gitops store grants" in refused
    assert "doesn't grant" in said(gitops, store.worker, "apply", code=1)
    assert "doesn't grant" in said(gitops, store.read, "worker", code=1)
    assert "doesn't grant" in said(gitops, store.apply, "worker", code=1)
    worker_runs(store, gitops, site)
    for words in (["status"], ["workers"], ["runs", "shop/ready/production"]):
        said(gitops, store.read, *words)


def worker_runs(store: Addresses, gitops: Gitops, site: Repo) -> None:
    """A real one, until it has recorded a run of each slice, and while an apply waits for what it changed."""
    with closing(open_executing(store.worker)) as hands:
        hands.reconcile()
        hands.db.run("update schedule set due_at = 0")
    words = [sys.executable, "-m", "reconciler", "worker", "-C", str(gitops.folder), "--store", store.worker]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as worker:
        try:
            with psycopg.connect(store.read, autocommit=True) as db:
                until(lambda: db.execute("select count(*) from run").fetchone()[0] >= 4, worker)  # type: ignore[index]
            path = site.path / "checks.yaml"
            path.write_text(path.read_text().replace("/ready", "/elsewhere"))
            site.commit()
            waited = gitops("apply", "--wait-healthy", "1s", "--store", store.apply)
            assert waited.code in (0, 6), waited
        finally:
            worker.send_signal(signal.SIGTERM)
            told = worker.communicate(timeout=20)[0]
        assert worker.returncode == 0, told
        assert "doesn't grant" not in told


def until(holds: Callable[[], bool], worker: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert worker.poll() is None, worker.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_only_the_owner_upgrades(store: Addresses, gitops: Gitops) -> None:
    with psycopg.connect(store.owner, autocommit=True) as db:
        db.execute("delete from schema_version where n = %s", (KNOWN,))
    for role in (store.apply, store.worker, store.read):
        for words in (["plan"], ["store", "upgrade"]):
            refused = said(gitops, role, *words, code=1)
            assert f"at version {KNOWN - 1}, this release needs {KNOWN}, and they belong to another role" in refused
            assert "let their owner run gitops store upgrade" in refused
        assert f"version {KNOWN - 1}; gitops store upgrade" in said(gitops, role, "store", "status")


def test_a_workers_whole_cycle(store: Addresses, gitops: Gitops, shop: Repo) -> None:
    """What a worker does now and then as well: taking over, giving back, keeping house, pausing, forgetting."""
    said(gitops, store.apply, "apply")
    with closing(open_executing(store.worker)) as hands, closing(open_executing(store.worker)) as others:
        start = hands.now()
        at = start
        for each in (hands, others):
            each.db.tell_time(lambda: at)
        hands.register("w", host="h", pid=1, info={})
        hands.reconcile()
        at = start + 60
        assert len(others.claim("gone", 2, lease=5)) == 2
        at = start + 90
        taken = hands.claim("w", 10, lease=5)
        assert len(taken) == 4
        hands.renew(taken, lease=5)
        hands.give_back(taken, again=True)
        hands.mend_clock()
        hands.beat("w")
        at = start + 40 * 86_400
        while hands.condense():
            pass
        hands.prune()
        assert isinstance(hands, PgExecuting)
        hands.keep_days()
        assert hands.db.rows("select run_dropped(?)", (int(at // 86_400) + 10,))[0][0] > 0
        hands.leave("w")
    with closing(open_locks(store.worker, {})) as locks, locks.section(["job"]):
        pass


def test_names_of_ones_own(postgres_store: str, gitops: Gitops) -> None:
    odd = Roles("odd 'a'", 'odd "w" %s', "odd $gitops", "public")
    words = ("--apply-role", odd.apply, "--worker-role", odd.worker, "--read-role", odd.read)
    data = gitops("store", "grants", *words, "--format", "json", directory=False).json
    assert data["sql"] == list(grants(odd))
    with psycopg.connect(postgres_store, autocommit=True) as db:
        for statement in data["sql"]:
            db.execute(statement.encode())
        sql = "select has_table_privilege(%s, 'slice', 'insert'), has_table_privilege(%s, 'slice', 'insert')"
        assert db.execute(sql, (odd.apply, odd.worker)).fetchone() == (True, False)
        for role in odd[:3]:
            name = '"' + role.replace('"', '""') + '"'
            db.execute(f"drop owned by {name}; drop role {name}".encode())
    same = gitops("store", "grants", "--apply-role", "x", "--read-role", "x", directory=False)
    assert same.code == 2
    assert "three names" in same.err
