"""What a store holds, and what was done to it, as people read it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.base.errors import UNFINISHED
from reconciler.report.moments import moment
from reconciler.report.style import Style, count, safe
from reconciler.report.table import pairs, table
from reconciler.store.backup import BackedUp
from reconciler.store.examine import Facts, Server
from reconciler.store.restore import Restored
from reconciler.store.schema import KNOWN
from reconciler.store.upgrade import Upgraded
from reconciler.store.users import told

_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def facts_text(facts: Facts, style: Style) -> Iterator[str]:
    """What is known of it, and the rows of each table."""
    log = f", {size(facts.log)} of it in its log" if facts.log else ""
    lines = [
        ("Store", facts.path),
        ("Size", f"{size(facts.size)}{log}"),
        ("Tables", _tables(facts)),
        ("Generation", f"{facts.generation}" if facts.generation else "nothing was applied yet"),
        ("Runs", f"from {moment(facts.runs[0])} to {moment(facts.runs[1])}" if facts.runs else "none"),
        ("Workers", _workers(facts)),
        *([] if facts.server is None else _server(facts.server)),
        *([] if facts.damage is None else [("Checked", "; ".join(facts.damage) or "nothing is damaged")]),
    ]
    guessed = facts.server.estimated if facts.server else ()
    yield from pairs(lines, style)
    yield ""
    yield from table(
        ["TABLE", "ROWS"], [[n, f"{'about ' * (n in guessed)}{rows:,}"] for n, rows in facts.counts.items()], style
    )


def _tables(facts: Facts) -> str:
    if facts.version == UNFINISHED:
        return "of a copy that isn't finished; the same gitops store copy goes on with it"
    if facts.version > facts.known:
        return f"version {facts.version}, of a newer release: this one knows {facts.known} and can't use the store"
    if facts.version < facts.known:
        return f"version {facts.version}; gitops store upgrade brings them to {facts.known}"
    return f"version {facts.version}, which this release reads and writes"


def _server(server: Server) -> Iterator[tuple[str, str]]:
    days = f"{count(server.days, 'day')} in tables of their own"
    yield "Server", f"PostgreSQL {server.version}"
    yield "Days of runs", f"{days}, from {server.first} to {server.last}" if server.days else "none"
    yield "Connections", f"{server.ours} to this database, {server.connections} of {server.most} to the server"


def _workers(facts: Facts) -> str:
    return "; ".join(told(w, facts.now) for w in facts.workers) or "none is alive"


def upgraded_text(path: str, done: Upgraded) -> Iterator[str]:
    """From where to where, and where the backup is."""
    if done.before == done.after:
        yield safe(f"The tables of {path} are at version {done.after} already.")
        return
    if done.backup is not None:
        yield safe(f"The store as it was is in {done.backup.path} ({size(done.backup.size)}).")
    yield safe(f"The tables of {path} are at version {done.after} now; they were at {done.before}.")


def backup_text(path: str, made: BackedUp) -> Iterator[str]:
    """What the copy holds."""
    what = f"generation {made.generation}, {size(made.size)}, tables of version {made.version}"
    yield safe(f"Copied {path} to {made.path}: {what}; looked through, in {made.seconds:.1f} s.")


def restored_text(path: str, backup: str, done: Restored) -> Iterator[str]:
    """What is there now, where the old store is, and what comes next."""
    if done.aside is not None:
        yield safe(f"The store as it was is in {done.aside}.")
    yield safe(f"{path} is {backup} now, at generation {done.generation}.")
    if done.version < KNOWN:
        yield f"Its tables are at version {done.version}; whoever opens it next brings them to {KNOWN}."
    yield "gitops plan shows what git says beyond it."


def size(number: int) -> str:
    """Bytes as people say them."""
    value, unit = float(number), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return count(number, "byte") if unit == 0 else f"{value:.1f} {_UNITS[unit]}"
