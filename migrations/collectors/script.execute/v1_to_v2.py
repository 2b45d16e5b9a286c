"""The command and its arguments become a shell script, quoted as POSIX wants it."""

from __future__ import annotations

from typing import Any

FROM, TO = 1, 2

RENAMED = ((("script",), ("command",)),)


def migrate(data: dict[str, Any]) -> dict[str, Any]:
    """The config with ``script`` in place of ``command`` and ``args``; one that has a script stays as it is."""
    if "command" not in data or "script" in data:
        return data
    import shlex

    words = [data["command"], *(data.get("args") or ())]
    script = " ".join(shlex.quote(_word(word)) for word in words)
    kept = {key: value for key, value in data.items() if key not in ("command", "args")}
    return {"script": script, **kept}


def _word(value: object) -> str:
    """An argument as version 1 handed it over: YAML's true is the word true."""
    return str(value).lower() if isinstance(value, bool) else str(value)
