"""What a store on PostgreSQL holds, of whatever version; and its tables brought to the version of this release."""

from __future__ import annotations

from reconciler.base.errors import StoreError, StoreTooNew
from reconciler.store.examine import Facts, Server
from reconciler.store.pg_look import Look, looked_at
from reconciler.store.pg_settings import pg_settings
from reconciler.store.postgres import PostgresDatabase
from reconciler.store.schema import KNOWN
from reconciler.store.users import live_workers, refuse_older

_LONG = 100_000
"""Rows from which on a table isn't counted unless everything is to be read."""

_TABLES = """
select c.relname, case when c.relkind = 'p'
    then (select coalesce(sum(greatest(p.reltuples, 0)), 0) from pg_inherits i join pg_class p on p.oid = i.inhrelid
      where i.inhparent = c.oid)
    else greatest(c.reltuples, 0) end::bigint
from pg_class c
where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  and c.relname <> 'schema_version' and has_any_column_privilege(c.oid, 'select')
order by c.relname
"""
_SIZE = """
select coalesce(sum(pg_total_relation_size(oid)), 0)::bigint from pg_class
where relnamespace = current_schema()::regnamespace and relkind = 'r'
"""
_DAYS = """
select count(*), coalesce(min(right(c.relname, 8)), ''), coalesce(max(right(c.relname, 8)), '')
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = to_regclass('run') and c.relname ~ '^run_[0-9]{8}$'
"""
_CONNECTIONS = """
select count(*), count(*) filter (where datname = current_database()), current_setting('max_connections')::int
from pg_stat_activity where backend_type = 'client backend'
"""


def examine_server(address: str, *, check: bool = False) -> Facts:
    """See :func:`reconciler.store.examine.examine`. ``check`` counts every row, for which all of them are read."""
    with looked_at(address) as look, look.snapshot():
        version = stored(look)
        guessed = dict(look.rows(_TABLES))
        counts, estimated = _counts(look, guessed, exactly=check)
        workers, now = live_workers(look)
        used, ours, most = look.rows(_CONNECTIONS)[0]
        days, first, last = look.rows(_DAYS)[0]
        server = str(look.rows("show server_version")[0][0]).split()[0]
        return Facts(
            path=look.path,
            size=int(look.rows(_SIZE)[0][0]),
            log=0,
            version=version,
            known=KNOWN,
            generation=int(look.rows("select coalesce(max(n), 0) from generation")[0][0]),
            counts=counts,
            runs=_runs(look) if "run" in guessed else None,
            workers=tuple(workers),
            now=now,
            damage=() if check else None,
            server=Server(server, days, first, last, used, ours, most, tuple(estimated)),
        )


def stored(look: Look) -> int:
    """The version of the tables. Raises ``StoreError`` where there are none."""
    version = look.version()
    if version == 0:
        raise StoreError(f"{look.path} holds no store", hint="check the address; gitops apply makes a store")
    return version


def _counts(look: Look, guessed: dict[str, int], *, exactly: bool) -> tuple[dict[str, int], list[str]]:
    counts, estimated = {}, []
    for table, rows in guessed.items():
        if rows >= _LONG and not exactly:
            counts[table] = rows
            estimated.append(table)
        else:
            quoted = table.replace('"', '""')
            counts[table] = int(look.rows(f'select count(*) from "{quoted}"')[0][0])
    return counts, estimated


def _runs(look: Look) -> tuple[float, float] | None:
    """By the order of their transactions, which is asked for by two look-ups. Those that were copied are one."""
    found = [look.rows(f"select at from run order by tx {way} limit 1") for way in ("asc", "desc")]
    return (float(found[0][0][0]), float(found[1][0][0])) if found[0] else None


def upgrade_server(address: str, *, force: bool, lock_timeout: float) -> tuple[int, int]:
    """From which version to which the tables were brought. See :func:`reconciler.store.upgrade.upgrade`."""
    with looked_at(address) as look:
        found = stored(look)
        if found > KNOWN:
            raise StoreTooNew(look.path, found, KNOWN)
        if found < KNOWN and not force:
            refuse_older(look, found)
    if found < KNOWN:
        settings = pg_settings()._replace(lock_timeout_ms=max(1, round(lock_timeout * 1000)))
        PostgresDatabase(address, insist=force, settings=settings).close()
    return found, KNOWN
