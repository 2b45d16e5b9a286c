"""The allow list: one requirement a line, as in a requirements file; ``npm:`` in front of those for Node.js.

::

    # what scripts of checks may import
    httpx>=0.27,<1
    dnspython
    npm:undici@^6
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from reconciler.sandbox.packages.faults import PackagesError

_PYTHON = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:\[[A-Za-z0-9,._\s-]*\])?\s*"
    r"(?:(?:===?|[<>~!]=|[<>])\s*[A-Za-z0-9.*+!_-]+\s*,?\s*)*(?:;[^@]*)?"
)
_NPM = re.compile(r"(?P<name>(?:@[a-z0-9~][a-z0-9._~-]*/)?[a-z0-9~][a-z0-9._~-]*)(?:@(?P<range>[\w\s.^~<>=|*+-]+))?")


@dataclass(frozen=True, slots=True)
class Allowed:
    """``python`` holds requirements, ``node`` (name, range) pairs; both in their order."""

    python: tuple[str, ...] = ()
    node: tuple[tuple[str, str], ...] = ()


def parse(text: str, *, name: str = "the allow list") -> Allowed:
    """Read an allow list. Raises :class:`PackagesError` that names every line that can't stay.

    Options, paths, addresses and editable installs are refused: they would bring in what no hash of a release covers.
    """
    python: list[str] = []
    node: list[tuple[str, str]] = []
    faults: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        if not line:
            continue
        if line.startswith("npm:"):
            found = _NPM.fullmatch(line[4:].strip())
            if found is None:
                faults.append(f"{name}:{number}: {line!r} is no npm package; write npm:name@range")
            else:
                node.append((found["name"], (found["range"] or "*").strip()))
        elif _PYTHON.fullmatch(line):
            python.append(line)
        else:
            faults.append(f"{name}:{number}: {line!r} is no requirement; write name, or name and versions")
    if faults:
        raise PackagesError("\n".join(faults))
    return Allowed(tuple(python), tuple(node))
