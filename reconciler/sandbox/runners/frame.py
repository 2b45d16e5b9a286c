"""The result frame: how a value leaves the sandbox beside whatever else a script writes.

The token between the markers is made for one run and handed to the runner on its standard input, which is gone before
the script's first line: it stands in no argument, variable or file. What a script prints, were it the answer of a host
that means harm, can't hold it. (A script that searches its own memory finds it; but its result is its own to choose.)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

NO_RESULT = "Script exited without producing a result"


@dataclass(frozen=True, slots=True)
class Frame:
    """What the runner reports: ``result`` where ``ok``, else ``error`` and ``stack``. Everything in it is untrusted."""

    ok: bool
    result: Any = None
    error: str = ""
    stack: str = ""


def new_token() -> str:
    """A token for one run, out of the kernel's randomness."""
    return str(uuid4())


def markers(token: str) -> tuple[bytes, bytes]:
    """What stands before and behind the JSON."""
    return f"##__CS_SCRIPT_RESULT_{token}_START__##".encode(), f"##__CS_SCRIPT_RESULT_{token}_END__##".encode()


def extract(stderr: bytes, token: str) -> tuple[Frame | None, bytes]:
    """The last whole frame of that run, and stderr without it. None: there is no frame that can be read."""
    start, end = markers(token)
    close = stderr.rfind(end)
    begin = stderr.rfind(start, 0, close) if close >= 0 else -1
    if begin < 0:
        return None, stderr
    return _read(stderr[begin + len(start) : close]), stderr[:begin] + stderr[close + len(end) :]


def _read(data: bytes) -> Frame | None:
    try:
        # Not orjson: a script may return what only this reader takes, such as half a surrogate pair.
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("ok"), bool):
        return None
    if found["ok"]:
        return Frame(True, result=found.get("result"))
    return Frame(False, error=_text(found.get("error")), stack=_text(found.get("stack")))


def _text(value: Any) -> str:
    return whole(value) if isinstance(value, str) else ""


def whole(value: str) -> str:
    """The text with half surrogate pairs replaced: no store and no terminal takes those."""
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
