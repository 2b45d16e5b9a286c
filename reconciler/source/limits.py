"""How much one YAML file may ask for. The author of a pull request is not trusted; nobody writes so much by hand."""

from __future__ import annotations

MAX_BYTES = 8 * 1024 * 1024
"""Size of a file."""

MAX_DOCUMENTS = 10_000
"""Documents in one file, the empty ones included."""

MAX_DEPTH = 64
"""Maps and lists inside each other."""

MAX_ALIASED = 100_000
"""Nodes that the aliases of one file stand for, written out: nine lines of aliases can mean 10^9 nodes."""

MAX_FAULTS = 50
"""Faults that are told apart in one document, so that a broken export can't drown the rest."""

MAX_PURE_BYTES = 256 * 1024
MAX_PURE_BYTES_A_FILE = 2 * 1024 * 1024
"""Beyond these, a document gets the C parser's verdict: the pure parser takes up to 12 seconds for a megabyte."""
