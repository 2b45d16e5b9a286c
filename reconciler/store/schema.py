"""The tables, as a list of forward steps in one SQL text for both dialects.

Rows of ``resource`` and ``slice`` live from generation ``since`` up to, not including, ``until`` (null: now). That one
idea gives history, ``show``, comparison and rollback without a second copy; what is current has partial indexes. They
name ``until`` once more as a column, without which SQLite looks each row up in the table to see that it is null.
What operators and workers change at run time gets tables of its own, so that it is never drift.
"""

from __future__ import annotations

import re

from reconciler.store.tables_automation import AUTOMATION
from reconciler.store.tables_operating import OPERATING
from reconciler.store.tables_runs import RUNS

DIALECTS: dict[str, dict[str, str]] = {
    "sqlite": {
        "NOW": "((julianday('now') - 2440587.5) * 86400.0)",
        "REAL": "real",
        "IDENT": "integer primary key",
        "ROWLESS": "without rowid",
        "SLICES": "indexed by slice_now",
    },
    "postgresql": {
        "NOW": "extract(epoch from clock_timestamp())::float8",
        "REAL": "double precision",
        "IDENT": "bigint generated always as identity primary key",
        "ROWLESS": "",
        "SLICES": "",
    },
}

_TABLES = """
create table generation (
  n bigint primary key, parent bigint unique, at {REAL} not null, actor text not null, host text not null,
  kind text not null, source text not null, "commit" text not null, tree text not null, duration_ms {REAL} not null,
  counts text not null, seal text not null, note text not null, next_uid bigint not null);
create table source (
  name text primary key, "commit" text not null, tree text not null, inputs text not null, held text not null,
  totals text not null, at {REAL} not null) {ROWLESS};
create table source_grant (
  source text not null, what text not null, pattern text not null, at {REAL} not null, actor text not null,
  primary key (source, what, pattern)) {ROWLESS};
create table blob (
  source text not null, path text not null, sha text not null, documents bigint not null, passed_over bigint not null,
  warnings text not null, primary key (source, path)) {ROWLESS};
create table resource (
  uid bigint not null, since bigint not null, until bigint, kind text not null, name text not null,
  source text not null, path text not null, idx bigint not null, line bigint not null, status text not null,
  protected bigint not null, digest text not null, body text not null, extra text not null,
  primary key (uid, since)) {ROWLESS};
create unique index resource_now on resource (kind, name) where until is null;
create index resource_file on resource (source, path, until) where until is null;
create index resource_idle on resource (status, source, until) where until is null and status <> 'active';
create index resource_since on resource (since);
create index resource_until on resource (until) where until is not null;
create table edge (
  to_kind text not null, to_name text not null, from_uid bigint not null, seq bigint not null, path text not null,
  lenient bigint not null, primary key (to_kind, to_name, from_uid, seq)) {ROWLESS};
create index edge_from on edge (from_uid);
create table slice (
  system bigint not null, "check" bigint not null, environment bigint not null, since bigint not null, until bigint,
  digest text not null, body text not null, primary key (system, "check", environment, since)) {ROWLESS};
create index slice_now on slice (system, "check", environment, digest, until) where until is null;
create index slice_until on slice (until) where until is not null;
create table setting (key text primary key, value text not null, at {REAL} not null) {ROWLESS}
"""

# A write outside an apply is journalled with what was there before, so that drift can be shown and undone. An apply
# takes the triggers off for its own transaction: asking in each of them who writes would double its time. Of an update
# that moves a row to another key both ends are journalled; rows that are history already aren't anybody's drift.
_JOURNAL_TABLES = """
create table outside (
  id {IDENT}, at {REAL} not null, source text not null, tab text not null, op text not null, uid bigint not null,
  "check" bigint not null, environment bigint not null, digest text not null, body text not null,
  kind text not null, name text not null, status text not null)
"""

# What executors keep; none of it is watched. Rows of the schedule lie in the order of their ``place``, which is that of
# their ticks within an interval: rows that are due together share pages, which makes a claim half as dear. A row is
# free while its ``lease`` is 0: only free ones are in the index of what is due, only leased ones in the index of what
# may be taken over, so that both look-ups cost what they find. A run counts for the hour in which it was due; one
# recorded after that hour was condensed is ``late``, and is added to the aggregate by itself. ``keeping`` outlives the
# row of the schedule, for as long as there is something to prune. ``progress`` holds the generation that the schedule
# follows, the last lease given, and the hour that is condensed.
_EXECUTING_TABLES = """
create table progress (what text primary key, n bigint not null) {ROWLESS};
create table schedule (
  place bigint primary key,
  system bigint not null, "check" bigint not null, environment bigint not null, region text not null,
  digest text not null, generation bigint not null, interval_ms bigint not null, phase_ms bigint not null,
  due_at {REAL} not null, lease bigint not null, slot {REAL} not null, worker text not null,
  lease_until {REAL} not null, lease_for {REAL} not null, thresholds text not null, recent text not null,
  health text not null, since {REAL} not null, runs bigint not null, last_at {REAL}, last_outcome text, reason text,
  pace text not null,
  unique (system, "check", environment, region)) {ROWLESS};
create index schedule_due on schedule (region, due_at) where lease = 0;
create index schedule_leased on schedule (region, lease_until) where lease <> 0;
create index schedule_failing on schedule (system, environment, health) where health <> 'healthy';
create table transition (
  id {IDENT}, scope text not null, system bigint not null, "check" bigint not null, environment bigint not null,
  region text not null, at {REAL} not null, was text not null, now text not null, cause text,
  by_check bigint not null, by_environment bigint not null, handled_at {REAL});
create index transition_waiting on transition (id) where handled_at is null;
create index transition_system on transition (system, id);
create table keeping (
  system bigint not null, "check" bigint not null, environment bigint not null, region text not null,
  retention text not null, condensed {REAL} not null, pruned {REAL} not null, gone {REAL},
  primary key (system, "check", environment, region)) {ROWLESS};
create index keeping_condensed on keeping (condensed);
create index keeping_pruned on keeping (pruned);
create table aggregate (
  system bigint not null, "check" bigint not null, environment bigint not null, region text not null,
  span text not null, start {REAL} not null, healthy bigint not null, degraded bigint not null,
  unhealthy bigint not null, metrics text not null,
  primary key (system, "check", environment, span, start, region)) {ROWLESS};
create table worker (
  id text primary key, host text not null, pid bigint not null, started {REAL} not null, seen {REAL} not null,
  stopping bigint not null, info text not null) {ROWLESS}
"""

# Values are encrypted before they come here. Nothing of an apply, so nothing that could drift.
_SECRET_TABLE = """
create table secret (
  environment text not null, name text not null, key_id text not null, nonce text not null, ciphertext text not null,
  at {REAL} not null, actor text not null, primary key (environment, name)) {ROWLESS}
"""

_RESOURCE_ROW = (
    "{ROW}.source, 'resource', '{OP}', {ROW}.uid, 0, 0, {ROW}.digest, {ROW}.body, {ROW}.kind, {ROW}.name, {ROW}.status"
)
_SLICE_ROW = (
    "coalesce((select source from resource where uid = {ROW}.system order by since desc limit 1), ''), 'slice', "
    "'{OP}', {ROW}.system, {ROW}.\"check\", {ROW}.environment, {ROW}.digest, {ROW}.body, '', '', ''"
)
_MOVED = {
    "resource": "old.uid <> new.uid",
    "slice": '(old.system, old."check", old.environment) <> (new.system, new."check", new.environment)',
}


def _sqlite_triggers() -> list[str]:
    made = []
    for table, columns in (("resource", _RESOURCE_ROW), ("slice", _SLICE_ROW)):

        def note(op: str, row: str, when: str, columns: str = columns) -> str:
            values = columns.replace("{ROW}", row).replace("{OP}", op)
            return (
                'insert into outside (at, source, tab, op, uid, "check", environment, digest, body, kind, name, '
                f"status) select {{NOW}}, {values} where {when};"
            )

        appeared = f"new.until is null and (old.until is not null or {_MOVED[table]})"
        for op, notes in (
            ("insert", note("insert", "new", "new.until is null")),
            ("update", note("update", "old", "old.until is null") + note("insert", "new", appeared)),
            ("delete", note("delete", "old", "old.until is null")),
        ):
            made.append(f"create trigger {table}_{op}_outside after {op} on {table} begin {notes} end")
    return made


def watchers() -> tuple[list[str], list[str]]:
    """Statements that take the triggers of SQLite off, and put them on again."""
    names = [f"{table}_{op}_outside" for table in ("resource", "slice") for op in ("insert", "update", "delete")]
    now = DIALECTS["sqlite"]["NOW"]
    return [f"drop trigger if exists {n}" for n in names], [t.replace("{NOW}", now) for t in _sqlite_triggers()]


def _postgres_triggers() -> list[str]:
    """One function for each table, which notes; and triggers that call it, except for an apply.

    That is asked for in the condition of the trigger, before anything is queued for the end of the statement. The
    function runs with its owner's rights and finds its table by a path of its own, whoever writes.
    """
    made = []
    for table, columns in (("resource", _RESOURCE_ROW), ("slice", _SLICE_ROW)):

        def note(op: str, row: str, columns: str = columns) -> str:
            values = columns.replace("{ROW}", row).replace("{OP}", op)
            return (
                'insert into outside (at, source, tab, op, uid, "check", environment, digest, body, kind, name, '
                f"status) select {{NOW}}, {values}"
            )

        name = f"{table}_written_outside"
        moved = f"old.until is not null or {_MOVED[table]}"
        made.append(
            f"create function {name}() returns trigger language plpgsql security definer as $$ begin\n"
            f"if tg_op = 'TRUNCATE' then {note('delete', 't')} from {table} t where t.until is null;\n"
            "return null; end if;\n"
            f"if tg_op = 'INSERT' then {note('insert', 'new')} where new.until is null; end if;\n"
            f"if tg_op = 'DELETE' then {note('delete', 'old')} where old.until is null; end if;\n"
            "if tg_op = 'UPDATE' then\n"
            f"{note('update', 'old')} where old.until is null;\n"
            f"{note('insert', 'new')} where new.until is null and ({moved});\n"
            "end if; return null; end $$"
        )
        made.append(
            f"do $$ begin execute format('alter function {name}() set search_path to %I, pg_temp', current_schema()); "
            "end $$"
        )
        outside = f"when (current_setting('gitops.applying', true) is distinct from 'on') execute function {name}()"
        made.append(f"create trigger {name} after insert or update or delete on {table} for each row {outside}")
        made.append(f"create trigger {table}_emptied_outside before truncate on {table} for each statement {outside}")
    return made


def _split(text: str) -> list[str]:
    return [s.strip() for s in text.split(";\n") if s.strip()]


def _steps(dialect: str) -> list[list[str]]:
    journal = _split(_JOURNAL_TABLES)
    journal += _sqlite_triggers() if dialect == "sqlite" else _postgres_triggers()
    executing = [*_split(_EXECUTING_TABLES), *RUNS[dialect]]
    return [_split(_TABLES), journal, executing, *map(_split, (_SECRET_TABLE, OPERATING, AUTOMATION))]


KNOWN = len(_steps("sqlite"))
"""The version of the tables that this release writes."""


def steps(dialect: str) -> list[list[str]]:
    """The statements of each step, tokens filled in; step ``i`` brings the tables from version ``i`` to ``i + 1``."""
    tokens = DIALECTS[dialect]
    fill = re.compile("{(" + "|".join(tokens) + ")}")
    return [[_typed(dialect, fill.sub(lambda m: tokens[m[1]], s)) for s in part] for part in _steps(dialect)]


def _typed(dialect: str, statement: str) -> str:
    """PostgreSQL would sort text by the locale of the database, whose rules change with the system's libraries and then
    leave indexes broken. By code points it is what SQLite does, and quicker."""
    if dialect == "postgresql" and statement.startswith(("create table", "alter table")):
        return re.sub(r"(?<=\w )text\b", 'text collate "C"', statement)
    return statement
