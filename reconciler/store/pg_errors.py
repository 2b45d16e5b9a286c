"""What PostgreSQL and its driver say, in one sentence with a way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reconciler.base.errors import StoreError
from reconciler.store.pg_connect import driver

INTACT = "what was applied before is intact"
_FORM = "postgresql://user@host:5432/database"
_SERVER = "start it, or check host and port of the address"

# By SQLSTATE, the first that fits: the whole code, or the class of it.
_SENTENCES: tuple[tuple[str, str, str], ...] = (
    ("28P01", "{where} refused the password", "check it: in the address, in PGPASSWORD, or in ~/.pgpass"),
    ("28", "{where} refused the log-in: {said}", "check the user of the address, and pg_hba.conf on the server"),
    ("3D000", "there is no such database: {where}", "create it (createdb), or name another in the address"),
    ("3F000", "{where} has no schema to keep the tables in", "create it, or name another in the search_path"),
    ("53100", "the disk of {where} is full; {intact}", "free some space there, then try again"),
    ("53200", "{where} is out of memory; {intact}", "try again later"),
    ("53300", "{where} has no connection left", "end unused ones, or raise max_connections or the limit of the user"),
    ("42501", "{where} doesn't grant what this needs: {said}", "gitops store grants prints the rights of each role"),
    ("25006", "{where} is read-only, as a standby server is; {intact}", "name the primary server in the address"),
    ("57P01", "{where} ended the connection, as it is going down or was told to; {intact}", "try again"),
    ("57P02", "{where} has crashed; {intact}", "try again once it has recovered"),
    ("57P03", "{where} isn't ready yet: it is starting up or going down", "try again in a moment"),
    ("57P05", "{where} ended the connection, as it was idle for too long; {intact}", "try again"),
    ("57014", "{where} ended a statement: {said}; {intact}", "try again"),
    ("25P03", "{where} ended a transaction that stood still for too long; {intact}", "try again"),
    ("55P03", "{where} is locked by somebody else for too long; {intact}", "try again, or look at pg_stat_activity"),
    ("40P01", "{where} ended one of two that waited for each other; {intact}", "try again"),
    ("40", "somebody else wrote to {where} at the same time; {intact}", "try again"),
    ("42P07", "{where} has tables of another program: {said}", "give the store a schema or a database of its own"),
    ("42P01", "the tables of {where} aren't those of a store: {said}", "check its search_path, or name another store"),
    ("42703", "the tables of {where} aren't those of a store: {said}", "check its search_path, or name another store"),
    ("XX001", "{where} is damaged: {said}", "restore it from a backup"),
    ("XX002", "{where} is damaged: {said}", "have the server make its indexes anew (reindex), or restore a backup"),
    ("08P01", "{where} speaks another language: {said}", "check host and port of the address"),
    ("08", "the connection to {where} was lost; {intact}", "try again"),
)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn the driver's errors into one sentence with a way out; the old generation is intact in each case."""
    try:
        yield
    except driver().Error as error:
        raise explain(where, error) from None
    except UnicodeError as error:
        raise damaged(where, error) from None


def damaged(where: str, error: Exception) -> StoreError:
    """What is read makes no sense; nothing here can mend it."""
    return StoreError(
        f"what {where} holds is damaged ({error})", hint="restore it from a backup, or name another store"
    )


def explain(where: str, error: Any) -> StoreError:
    """One sentence about an error of the driver. What the driver says itself may hold the address, so only what comes
    from the server is told, and of the rest no more than what it is about."""
    state = error.sqlstate
    if state is None:
        return _of_the_connection(where, error)
    said = error.diag.message_primary or state
    for code, sentence, hint in _SENTENCES:
        if state.startswith(code):
            return StoreError(sentence.format(where=where, said=said, intact=INTACT), hint=hint)
    return StoreError(f"the store {where} failed: {said}; {INTACT}")


# What libpq says where there is no answer with a code, in lower case.
_WORDS: tuple[tuple[str, str, str], ...] = (
    ("password authentication failed", "{where} refused the password", _SENTENCES[0][2]),
    ("no password supplied", "{where} wants a password", "give it in PGPASSWORD, in ~/.pgpass, or in the address"),
    ("no pg_hba.conf entry", "{where} has no entry in its pg_hba.conf for this", "add one there, or use TLS"),
    ('role "', "{where} knows no such user", "create it (createuser), or name another in the address"),
    ("does not exist", "there is no such database: {where}", "create it (createdb), or name another in the address"),
    ("too many", "{where} has no connection left", _SENTENCES[6][2]),
    ("remaining connection slots", "{where} has no connection left", _SENTENCES[6][2]),
    ("starting up", "{where} isn't ready yet: it is starting up", "try again in a moment"),
    ("not yet accepting", "{where} isn't ready yet: it is recovering", "try again in a moment"),
    ("recovery mode", "{where} isn't ready yet: it is recovering", "try again in a moment"),
    ("shutting down", "{where} is going down", "try again once it is back"),
    ("servname", "the address {where} can't be understood", _FORM),
    ("response to ssl negotiation", "what answers at {where} is no PostgreSQL", _SERVER),
    ("during ssl exchange", "{where} isn't ready yet: it is starting up or going down", "try again in a moment"),
    ("ssl syscall error", "the connection to {where} was lost; {intact}", "try again"),
    ("ssl connection has been closed", "the connection to {where} was lost; {intact}", "try again"),
    ("unexpected eof", "the connection to {where} was lost; {intact}", "try again"),
    ("certificate", "the certificate of {where} can't be trusted", "check sslmode and sslrootcert of the address"),
    ("ssl", "{where} and this client find no way to encrypt", "check sslmode of the address"),
    ("name or service not known", "the host of {where} isn't known", "check the address"),
    ("could not translate host name", "the host of {where} isn't known", "check the address"),
    ("failed to resolve host", "the host of {where} isn't known", "check the address"),
    ("timeout expired", "{where} doesn't answer", _SERVER),
    ("timed out", "{where} doesn't answer", _SERVER),
    ("connection refused", "no server listens at {where}", _SERVER),
    ("no such file", "no server listens at {where}", _SERVER),
    ("server closed the connection", "the connection to {where} was lost; {intact}", "try again"),
    ("is closed", "the connection to {where} was lost; {intact}", "try again"),
    ("is lost", "the connection to {where} was lost; {intact}", "try again"),
    ("terminating connection", "the connection to {where} was lost; {intact}", "try again"),
)


def _of_the_connection(where: str, error: Any) -> StoreError:
    text = str(error).lower()
    for word, sentence, hint in _WORDS:
        if word in text:
            return StoreError(sentence.format(where=where, intact=INTACT), hint=hint)
    if isinstance(error, driver().OperationalError):
        return StoreError(f"the connection to {where} failed; {INTACT}", hint=_SERVER)
    if isinstance(error, driver().ProgrammingError):
        return StoreError(f"the address {where} can't be understood", hint=_FORM)
    return StoreError(f"the store {where} failed ({type(error).__name__}); {INTACT}")
