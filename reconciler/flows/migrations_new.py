"""The next step of a chain, begun: the step itself, a golden to fill in, and the version it starts from frozen."""

from __future__ import annotations

from pathlib import Path

from reconciler.base.errors import UsageError
from reconciler.flows.migrations import FOLDER, chain_of
from reconciler.flows.migrations_trial import GOLDENS, IN, OUT

_STEP = '''"""Say in one line what users see change, since this line is what they read.

Then why, and what becomes of what has no counterpart.
"""

from __future__ import annotations

from typing import Any

FROM, TO = {frm}, {to}

RENAMED: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
"""New path and old path of what is called otherwise now, so that faults are shown at their lines."""


def migrate(data: dict[str, Any]) -> dict[str, Any]:
    """{what} of version {to}; one that is of that shape already stays as it is."""
    return dict(data)
'''


def begin(folder: Path, subject: str, *, steps: Path | None = None) -> list[Path]:
    """Write the files of the next step of ``subject``, and return them. Nothing that is there is overwritten.

    ``folder`` is a checkout of this project; ``steps`` the package with the steps of another distribution instead.
    Raises ``UsageError``.
    """
    chain = chain_of(subject)
    frm, to = chain.head, chain.head + 1
    place = steps or folder / FOLDER / chain.subject
    goldens = place / "golden" if steps is not None else folder / GOLDENS / chain.subject
    if steps is None and not (folder / FOLDER).is_dir():
        raise UsageError(
            f"{folder} has no folder {FOLDER}/", hint="run it in a checkout of this project, or name --steps DIR"
        )
    what = "The config" if "/" in chain.subject else "The document"
    files = {
        place / f"v{frm}_to_v{to}.py": _STEP.format(frm=frm, to=to, what=what),
        goldens / f"v{frm}-example{IN}": f"# {what} at version {frm}, as people write it.\n{{}}\n",
        goldens
        / f"v{frm}-example{OUT}": "# What has to come out. GITOPS_UPDATE_GOLDENS=1 pytest writes it.\ndata: {}\n",
    }
    there = next((path for path in files if path.exists()), None)
    if there is not None:
        raise UsageError(f"{there} is there already; nothing was written")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [*files, *(_frozen(folder, chain.subject, frm) if steps is None else ())]


def _frozen(folder: Path, subject: str, version: int) -> list[Path]:
    """Note the digest of the version that the step starts from: from now on it must not change."""
    from reconciler.kinds.jsonschema import RELEASED, freeze

    schemas = folder / "schemas"
    schema = schemas / subject / f"v{version}.schema.json"
    if not schema.is_file():
        return []
    freeze(schemas, [schema])
    return [schemas / RELEASED]
