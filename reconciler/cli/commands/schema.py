"""``gitops schema``."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from reconciler.base.bundled import bundled
from reconciler.base.errors import UsageError
from reconciler.cli.lazy import Command
from reconciler.cli.options import prints
from reconciler.report.output import Output
from reconciler.report.style import count

_SUFFIX = ".schema.json"
_WHOLE = "gitops.schema.json"
"""One schema for documents of every kind, with all configs in it: what an editor is pointed at."""


def _subjects(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(subject) for subject in _found() if subject.startswith(incomplete)]


@click.command(cls=Command)
@click.argument("subject", required=False, shell_complete=_subjects)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the schemas below this folder, for an editor that reads files.",
)
@prints()
def command(output: Output, *, subject: str | None, out: Path | None) -> None:
    """Print the JSON Schema of SUBJECT, such as check, check@1 or strategies/http@3; without it list them all."""
    files = _chosen(subject)
    if out is not None:
        files = [*files, bundled("schemas") / _WHOLE] if subject is None else files
        _export(files, out)
        output.note(f"Wrote {count(len(files), 'schema')} to {out}.")
    elif subject is not None:
        output.result(files[-1].read_text(encoding="utf-8"))
    elif output.json:
        from reconciler.report.diagnostics_json import FORMAT

        found = {name: [_version(f) for f in versions] for name, versions in _found().items()}
        output.data({"format": FORMAT, "schemas": found})
    else:
        from reconciler.report.table import table

        rows = [[name, " ".join(str(_version(f)) for f in versions)] for name, versions in _found().items()]
        output.lines(table(["SUBJECT", "VERSIONS"], rows, output.style))


def _found() -> dict[str, list[Path]]:
    """Files of every subject, oldest version first."""
    root = bundled("schemas")
    subjects: dict[str, list[Path]] = {}
    for file in root.rglob(f"v*{_SUFFIX}"):
        subjects.setdefault(file.parent.relative_to(root).as_posix(), []).append(file)
    return {name: sorted(subjects[name], key=_version) for name in sorted(subjects)}


def _version(file: Path) -> int:
    return int(file.name.removesuffix(_SUFFIX).removeprefix("v"))


def _chosen(subject: str | None) -> list[Path]:
    found = _found()
    if subject is None:
        return [file for files in found.values() for file in files]
    name, at, version = subject.partition("@")
    files = found.get(name) or found.get(name.lower())
    if files is None:
        import difflib

        near = difflib.get_close_matches(name, found, 1) or [s for s in found if s.endswith(f"/{name}")]
        hint = f"did you mean {near[0]}?" if near else "gitops schema lists them"
        raise UsageError(f"there is no schema of {name!r}", hint=hint)
    if at:
        files = [f for f in files if str(_version(f)) == version.removeprefix("v")]
        if not files:
            there = ", ".join(str(_version(f)) for f in found.get(name) or found[name.lower()])
            raise UsageError(f"{name} has no version {version}", hint=f"there are {there}")
    return files


def _export(files: list[Path], out: Path) -> None:
    from reconciler.cli.files import write_whole

    root = bundled("schemas")
    for file in files:
        target = out / file.relative_to(root)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{target.parent} can't be made: {error.strerror}", hint="name another folder") from error
        write_whole(target, file.read_bytes())
