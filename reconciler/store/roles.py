"""SQL for three roles of a store on PostgreSQL, each with the least that it needs.

The owner of the tables is none of them: whoever made the store upgrades it, copies it and keeps its secrets. Runs of a
day have a table of their own, which is made and dropped by functions with the owner's rights, and reached through the
table of all runs; so tables to come need no rights given beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from reconciler.store.copied_tables import tables

_ALL = "select, insert, update, delete"

_APPLY: Mapping[str, str] = {
    "generation": "select, insert",
    "source": "select, insert, update",
    "source_grant": "select, insert, update, delete",
    "blob": _ALL,
    "resource": "select, insert, update",
    "edge": "select, insert, delete",
    "slice": "select, insert, update",
    "setting": "select, insert, update",
    "outside": "select, delete",
    **dict.fromkeys(("schema_version", "schedule", "run", "transition", "worker", "region", "pause"), "select"),
    **dict.fromkeys(("delivery", "incident", "maintenance"), "select"),
}
"""What an apply writes, the history apart, which nobody may delete; and what tells whether health got worse, as gitops
status does."""

_SECRET = "environment, name, key_id, at, actor"
"""Of secrets everything but what is secret."""

_ENGINE = {"pgqueuer": _ALL, "pgqueuer_log": "select, insert"}
_ENGINE_SEQUENCES = ("pgqueuer_id_seq", "pgqueuer_log_id_seq")
_FUNCTIONS = ("run_days(bigint, bigint)", "run_dropped(bigint)", "pgqueuer_log_emptied()")
"""They run with the owner's rights; what everybody may call, everybody could drop days of runs with."""


class Roles(NamedTuple):
    """Their names, and the schema in which the tables are."""

    apply: str = "gitops_apply"
    worker: str = "gitops_worker"
    read: str = "gitops_read"
    schema: str = "public"


def grants(roles: Roles) -> Iterator[str]:
    """Statements, a line or a few each; they may be run again and again, and take away what isn't needed any more."""
    schema = _name(roles.schema)
    three = ", ".join(map(_name, roles[:3]))
    yield "-- To be run by the owner of the tables (psql --single-transaction --file), and again after every upgrade."
    yield from (_role(role) for role in roles[:3])
    yield (
        "do $gitops$ begin execute format('grant connect on database %I to %s', current_database(), "
        f"{_text(three)}); end $gitops$;"
    )
    for what in ("tables", "sequences", "functions"):
        yield f"revoke all on all {what} in schema {schema} from {three};"
    yield f"revoke all on schema {schema} from {three};"
    yield f"grant usage on schema {schema} to {three};"
    for function in _FUNCTIONS:
        yield f"revoke all on function {schema}.{function} from public;"
        yield f"grant execute on function {schema}.{function} to {_name(roles.worker)};"
    yield from _tables(roles.apply, _APPLY, schema)
    yield from _tables(roles.worker, {**_worker(), **_ENGINE}, schema)
    for sequence in _ENGINE_SEQUENCES:
        yield f"grant usage on sequence {schema}.{sequence} to {_name(roles.worker)};"
    yield from _tables(roles.read, dict.fromkeys((*_names(), *_ENGINE), "select") | {"secret": ""}, schema)
    yield f"grant select ({_SECRET}) on {schema}.secret to {_name(roles.read)};"


def _worker() -> dict[str, str]:
    """It reads what is applied, and secrets; all else that changes is its own."""
    read = {name: "select" for name, rights in _APPLY.items() if rights != "select"}
    return dict.fromkeys(_names(), _ALL) | read | {"secret": "select", "schema_version": "select"}


def _names() -> list[str]:
    return sorted([*(t.name for t in tables()), "schema_version", "worker", "fence"])


def _tables(role: str, rights: Mapping[str, str], schema: str) -> Iterator[str]:
    """Tables with the same rights in one statement."""
    for kind in sorted(set(rights.values()) - {""}):
        listed = ", ".join(f"{schema}.{_name(table)}" for table in sorted(rights) if rights[table] == kind)
        yield f"grant {kind} on {listed} to {_name(role)};"


def _role(role: str) -> str:
    """Made where it isn't there; a password is given by whoever administers the server."""
    make = f"create role {_name(role)} login"
    return (
        f"do $gitops$ begin if not exists (select from pg_roles where rolname = {_text(role)}) then {make}; end if; "
        "end $gitops$;"
    )


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
