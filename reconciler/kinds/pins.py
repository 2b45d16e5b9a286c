"""``http@3``: the name of an inner config with its version, resolved to its model."""

import re

from reconciler.base.diagnostics import Fault, Path
from reconciler.kinds.checks import quoted
from reconciler.kinds.faults import did_you_mean, suggest
from reconciler.kinds.loaded import Loaded, load
from reconciler.kinds.table import EVENTS, TABLES, Entry

_found: dict[tuple[str, str, str], Loaded] = {}
_PIN = re.compile(r"([^@\s]+)@([0-9]{1,6})\Z")
_WORDS = {"strategies": "strategy", "collectors": "collector", "triggers": "event", "actions": "action"}


def resolve(
    table: str, text: str, path: Path, *, key: str = "type", prefix: str = ""
) -> tuple[Loaded | None, Fault | None]:
    """The model that ``text`` pins, and the fault at ``path``; both where only the version is missing.

    ``key`` is the key in YAML, for hints; ``prefix`` comes before the name in the table (``http.`` for its collectors).
    """
    before = _found.get((table, prefix, text))
    if before is not None:
        return before, None
    known = _known(table, prefix)
    match = _PIN.match(text)
    name = match.group(1) if match else text.partition("@")[0]
    entry = known.get(name)
    if entry is None:
        if table == "triggers" and name in EVENTS:
            fault = Fault("bad-pin", f"{name} has no config, so it takes no version", path, f"write {key}: {name}")
            return None, fault
        return None, _unknown(table, name, path, known, prefix)
    if match is None:
        code, message = "missing-pin", f"{name} lacks the version of its config"
        if "@" in text:
            code, message = "bad-pin", f"{quoted(text)} is no name with a version"
        return load(entry), Fault(code, message, path, f"write {key}: {name}@{entry.head}")
    version = int(match.group(2))
    if version > entry.head:
        message = f"{quoted(text)} is newer than this release knows"
        return None, Fault("newer-version", message, path, f"use {name}@{entry.head}, or a later release")
    if version < entry.head:
        message = f"{quoted(text)} was not brought to the current version"
        return None, Fault("older-version", message, path, f"{name}@{entry.head} is current, @{entry.first} the first")
    loaded = _found[table, prefix, text] = load(entry)
    return loaded, None


def _known(table: str, prefix: str) -> dict[str, Entry]:
    entries = TABLES[table]
    if not prefix:
        return entries
    return {name.removeprefix(prefix): entry for name, entry in entries.items() if name.startswith(prefix)}


def _unknown(table: str, name: str, path: Path, known: dict[str, Entry], prefix: str) -> Fault:
    word = _WORDS[table]
    pinned = {f"{each}@{entry.head}": each for each, entry in known.items()}
    names = [*pinned, *EVENTS] if table == "triggers" else list(pinned)
    owner = f" of the strategy {prefix.rstrip('.')}" if prefix else ""
    near = did_you_mean(name, known)
    hint = suggest(next((pin for pin, each in pinned.items() if near == f"did you mean {each}?"), name), sorted(names))
    return Fault(f"unknown-{word}", f"there is no {word} {quoted(name)}{owner}", path, hint)
