"""``gitops validate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.frame import without_gc
from reconciler.cli.lazy import Command
from reconciler.cli.options import Where, prints, reads_source
from reconciler.cli.reporting import Report, ReportType
from reconciler.report.findings import FORMATS
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.flows.validation import Validation


@click.command(cls=Command)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--report",
    "reports",
    multiple=True,
    type=ReportType(("text", "json", *FORMATS)),
    metavar="FORMAT=FILE",
    envvar="GITOPS_REPORT",
    help="Write the result to a file as well, such as sarif=out.sarif. May be repeated. [GITOPS_REPORT, with commas]",
)
@click.option(
    "--only-changed",
    metavar="BASE",
    envvar="GITOPS_ONLY_CHANGED",
    help="Check what the commits since this one can have broken, the files on disk too. [GITOPS_ONLY_CHANGED]",
)
@reads_source()
@prints(quiet=True, formats=("text", "json", "sarif", "junit", "github", "gitlab", "rdjson"))
def command(
    where: Where, output: Output, *, paths: Sequence[Path], reports: Sequence[Report], only_changed: str | None
) -> int:
    """Check every document, without a store or credentials.

    Reads the files as they are on disk, or the commit that --rev names. Everything a plan checks is checked: shape,
    migration, references, templates for each environment. All faults are shown at once; PATHS narrow down of which
    files and folders they are shown, not what is read. With --only-changed also what refers to a changed document is
    checked, and every environment it is rendered for.
    """
    from reconciler.base.errors import InvalidDocuments, UsageError
    from reconciler.flows.opened import folder_in_repository
    from reconciler.flows.validation import Validation, restricted
    from reconciler.report.progress import progress_for

    files = [report.file.absolute() for report in reports]
    if twice := next((file for file in files if files.count(file) > 1 and (file.is_file() or not file.exists())), None):
        raise UsageError(f"two reports would go to {twice}, and one would be lost", hint="name a file for each")
    try:
        with without_gc(), progress_for(output) as progress:
            source = where.open(worktree=True)
            if only_changed is None:
                from reconciler.flows.validate import validate

                found = validate(source, progress)
            else:
                from reconciler.flows.validate_changed import validate_changed

                found = validate_changed(source, only_changed, progress)
            found = restricted(found, source, paths)
    except InvalidDocuments as invalid:  # the settings themselves
        found = Validation(invalid.diagnostics, None)
    _show(found, output, reports=reports, folder=folder_in_repository(where.directory))
    return 0 if found.valid else 1


def _show(found: Validation, output: Output, *, reports: Sequence[Report], folder: str) -> None:
    """Files first: who reads the output to its end finds them complete."""
    from reconciler.cli.files import write_whole
    from reconciler.report.validation import validation_in, validation_text

    for report in reports:
        write_whole(report.file, validation_in(report.format, found, folder).encode("utf-8", "surrogatepass"))
    if output.format == "text":
        output.result("".join(f"{line}\n" for line in validation_text(found, output.style, quiet=output.quiet)))
    else:
        output.result(validation_in(output.format, found, folder))
