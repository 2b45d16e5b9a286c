"""``gitops import``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from reconciler.cli.frame import without_gc
from reconciler.cli.lazy import Command
from reconciler.cli.options import prints
from reconciler.report.output import Output


def _formats(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from reconciler.importers.table import importers

    return [CompletionItem(n, help=i.title) for n, i in importers().items() if n.startswith(incomplete)]


@click.command(cls=Command)
@click.argument("tool", metavar="FORMAT", shell_complete=_formats)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "--out",
    default="monitoring",
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write the documents to.",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option("--report", metavar="FILE", type=click.Path(path_type=Path), help="Write the report to a file as well.")
@prints(quiet=True)
def command(output: Output, **said: Any) -> None:
    """Write documents out of another tool's configuration, and say what has no equal here.

    FORMAT is urls, gatus, blackbox, uptime-kuma, or one that a plugin adds. Folders are searched, - is standard input.
    The documents are validated before anything is written: all files or none. Credentials become references to
    secrets, and are listed.
    """
    from reconciler.cli.files import write_whole
    from reconciler.flows.importing import convert
    from reconciler.flows.importing_write import write_new

    folder: Path = said["out"]
    with without_gc():
        found = convert(said["tool"], said["files"])
    changed = write_new(folder, found.files, force=said["force"])
    from reconciler.report.import_text import import_text
    from reconciler.report.style import PLAIN

    if said["report"] is not None:
        lines = import_text(found, str(folder), PLAIN, changed=changed)
        write_whole(said["report"], "".join(f"{line}\n" for line in lines).encode())
    if output.json:
        from reconciler.report.import_json import import_json

        output.data(import_json(found, str(folder), changed=changed))
    else:
        output.lines(import_text(found, str(folder), output.style, changed=changed))
