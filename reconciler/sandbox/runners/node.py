"""Node.js scripts, as ECMAScript modules. Two styles:

*module*: a line begins with ``import`` or ``export``. The default export is the result, or a function of the context
that returns it; promises are awaited::

    import { defineHealthCheck } from "@checkstack/sdk/healthcheck";
    export default defineHealthCheck(async (context) => ({ success: true, value: 3 }));

*body*: everything else. The text is the body of an asynchronous function: ``return x``, ``await`` as one likes.

``context`` and ``require`` are global in both. ``@checkstack/healthcheck`` is the helper's former name, which works on.
Plain JavaScript only: type annotations aren't stripped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.base.errors import GitopsError
from reconciler.sandbox.command import Command
from reconciler.sandbox.packages.folder import Packages
from reconciler.sandbox.runners import interpreters
from reconciler.sandbox.runners.frame import new_token, whole
from reconciler.sandbox.runners.outcome import Runs, ScriptResult, not_started, script_result
from reconciler.sandbox.runners.staging import header, staged
from reconciler.secrets.masking import Masker

_KEEPING_STDERR = 'exec "$0" "$@" 9>&2'
"""Node.js itself has no way to duplicate a descriptor."""
NO_NODE = "Node.js is not installed on this host"
_MODULE = re.compile(r"^[ \t]*(?:import(?![ \t]*[(.])|export)\b", re.MULTILINE)
_HELPERS = {
    "@checkstack/sdk": {"./healthcheck": "defineHealthCheck", "./integration": "defineIntegration"},
    "@checkstack/healthcheck": {".": "defineHealthCheck"},
}
"""Package to its entry points, and the one function each exports: it hands back what it is given."""


def run_node(
    sandbox: Runs,
    script: str,
    *,
    context: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_ms: int = 30_000,
    secrets: Iterable[str] = (),
    packages: Packages | None = None,
    memory_bytes: int | None = None,
) -> ScriptResult:
    """Run it. ``memory_bytes`` bounds the heap of JavaScript: the policy's limit, of which the engine must know."""
    interpreter = interpreters.node()
    if interpreter is None:
        return not_started(NO_NODE)
    token = new_token()
    try:
        bound = packages.node() if packages is not None else None
    except GitopsError as error:
        return not_started(error.message)
    started = Command(
        ("/bin/sh", "-c", _KEEPING_STDERR, interpreter.path, *_heap(memory_bytes), "run/run.mjs"),
        environment=environment or {},
        files=files(script),
        timeout_ms=timeout_ms,
        read_only=(*interpreter.read_only, *((bound,) if bound else ())),
        stdin=header(token, context or {}, (bound[1], bound[0]) if bound else ()),
    )
    return script_result(sandbox.run(started), token, Masker(secrets))


def files(script: str) -> dict[str, bytes]:
    """Runner, script and, where the script names it, the helper. A folder below the scratch, so that the managed
    packages can stand beside it under the name that modules are looked up by."""
    text = script if is_module(script) else f"export default async () => {{{script}\n}};\n"
    found = {"run/run.mjs": staged("run_node.mjs"), "run/script.mjs": whole(text).encode()}
    return {**found, **(_helper_files() if "@checkstack/" in script else {})}


def is_module(script: str) -> bool:
    """Whether a line begins with ``import`` or ``export``; a call of ``import()`` doesn't count."""
    return _MODULE.search(script) is not None


def _heap(memory_bytes: int | None) -> tuple[str, ...]:
    return () if memory_bytes is None else (f"--max-old-space-size={max(16, memory_bytes // 2**20)}",)


def _helper_files() -> dict[str, bytes]:
    found = {}
    for package, entries in _HELPERS.items():
        folder = f"run/node_modules/{package}"
        exports = {entry: f"./{function}.mjs" for entry, function in entries.items()}
        found[f"{folder}/package.json"] = json.dumps({"name": package, "exports": exports}).encode()
        for function in entries.values():
            found[f"{folder}/{function}.mjs"] = f"export const {function} = (given) => given;\n".encode()
    return found
