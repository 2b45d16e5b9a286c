"""The file of a store, and what was done to it, as machines read it: sizes in bytes, times in epoch seconds."""

from __future__ import annotations

from typing import Any

from reconciler.report.diagnostics_json import FORMAT
from reconciler.store.backup import BackedUp
from reconciler.store.examine import Facts, Server
from reconciler.store.restore import Restored
from reconciler.store.upgrade import Upgraded


def facts_json(facts: Facts) -> dict[str, Any]:
    """``damage`` is null where it wasn't looked for, and empty where there is none."""
    return {
        "format": FORMAT,
        "store": facts.path,
        "size": facts.size,
        "log": facts.log,
        "tables": {"version": facts.version, "known": facts.known},
        "usable": facts.usable,
        "generation": facts.generation or None,
        "rows": dict(facts.counts),
        "runs": None if facts.runs is None else {"first": facts.runs[0], "last": facts.runs[1]},
        "workers": [
            {"id": w.id, "host": w.host, "pid": w.pid, "started": w.started, "seen": w.seen, "info": w.info}
            for w in facts.workers
        ],
        "damage": None if facts.damage is None else list(facts.damage),
        "server": None if facts.server is None else _server(facts.server),
    }


def _server(server: Server) -> dict[str, Any]:
    return {
        "version": server.version,
        "days": {"tables": server.days, "first": server.first or None, "last": server.last or None},
        "connections": {"database": server.ours, "server": server.connections, "most": server.most},
        "estimated": list(server.estimated),
    }


def upgraded_json(path: str, done: Upgraded) -> dict[str, Any]:
    """``backup`` is null where none was made."""
    backup = None if done.backup is None else done.backup.path
    return {"format": FORMAT, "store": path, "before": done.before, "after": done.after, "backup": backup}


def backup_json(path: str, made: BackedUp) -> dict[str, Any]:
    """What the copy holds."""
    return {
        "format": FORMAT,
        "store": path,
        "backup": made.path,
        "size": made.size,
        "tables": made.version,
        "generation": made.generation or None,
        "seconds": round(made.seconds, 3),
    }


def restored_json(path: str, backup: str, done: Restored) -> dict[str, Any]:
    """``aside`` is null where there was no store before."""
    return {
        "format": FORMAT,
        "store": path,
        "backup": backup,
        "aside": done.aside,
        "tables": done.version,
        "generation": done.generation or None,
    }
