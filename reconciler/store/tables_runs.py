"""The table of runs, which grows by millions of rows a day: one table in a file, and one for each day on a server.

On PostgreSQL a day is dropped as a whole once nobody keeps anything of it. ``run_rest`` takes what is due on a day that
has no table. Numbers of rows are given out before their transactions commit, in whatever order; so whoever follows the
runs goes by ``tx``, the number of the transaction, of which it is known up to where none is under way any more.
The functions run with the rights of the tables' owner: workers needn't have any but to call them.
"""

from __future__ import annotations

_COLUMNS = """
  id {IDENT}, system bigint not null, "check" bigint not null, environment bigint not null, slot {REAL} not null,
  region text not null, at {REAL} not null, duration_ms {REAL} not null, outcome text not null, reason text,
  generation bigint not null, digest text not null, worker text not null, late bigint not null, detail text not null,
  {MORE}unique (system, "check", environment, slot, region)"""

_SQLITE = (
    f"create table run ({_COLUMNS.replace('{MORE}', '')})",
    "create index run_late on run (id) where late = 1",
)

_DAYS = """create function run_days(first bigint, last bigint) returns bigint language plpgsql security definer as $$
declare
  made bigint := 0;
  name text;
begin
  for day in first..last loop
    name := 'run_' || to_char(to_timestamp(day * 86400::bigint) at time zone 'UTC', 'YYYYMMDD');
    if to_regclass(name) is null
      and not exists (
        select 1 from run_rest where slot >= day * 86400::bigint and slot < (day + 1) * 86400::bigint) then
      execute format('create table %I partition of run for values from (%s) to (%s)',
        name, day * 86400::bigint, (day + 1) * 86400::bigint);
      made := made + 1;
    end if;
  end loop;
  return made;
end $$"""

_DROPPED = """create function run_dropped(before bigint) returns bigint language plpgsql security definer as $$
declare
  gone bigint := 0;
  name text;
begin
  for name in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'run'::regclass and c.relname ~ '^run_[0-9]{8}$'
      and c.relname < 'run_' || to_char(to_timestamp(before * 86400) at time zone 'UTC', 'YYYYMMDD')
  loop
    execute format('drop table %I', name);
    gone := gone + 1;
  end loop;
  return gone;
end $$"""


def _at_home(function: str) -> tuple[str, ...]:
    """Nobody who calls it may lead it to other tables."""
    path = f"execute format('alter function {function} set search_path to %I, pg_temp', current_schema())"
    return (f"do $$ begin {path}; end $$",)


# Each run leaves two dead rows in the schedule, and whoever looks for what is due has to pass them.
_VACUUM = (
    "alter table schedule set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, "
    "autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0)"
)

_POSTGRESQL = (
    "create table run ("
    + _COLUMNS.replace("{IDENT}", "bigint generated always as identity").replace(
        "{MORE}", "tx bigint not null default (pg_current_xact_id()::text::bigint), "
    )
    + ") partition by range (slot)",
    "create table run_rest partition of run default",
    "create index run_late on run (id) where late = 1",
    "create index run_tx on run (tx)",
    _DAYS,
    *_at_home("run_days(bigint, bigint)"),
    _DROPPED,
    *_at_home("run_dropped(bigint)"),
    _VACUUM,
)

RUNS = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}
