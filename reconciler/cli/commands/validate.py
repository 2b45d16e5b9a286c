"""``gitops validate``."""

from __future__ import annotations

import click

from reconciler.cli.frame import without_gc
from reconciler.cli.lazy import Command
from reconciler.cli.options import Where, prints, reads_source
from reconciler.report.output import Output


@click.command(cls=Command)
@reads_source()
@prints(quiet=True)
def command(where: Where, output: Output) -> int:
    """Check every document, without a store or credentials.

    Reads the files as they are on disk, or the commit that --rev names. Everything a plan checks is checked: shape,
    migration, references, templates for each environment. All faults are shown at once.
    """
    from reconciler.base.errors import InvalidDocuments
    from reconciler.flows.validate import Validation, validate
    from reconciler.report.progress import progress_for

    try:
        with without_gc(), progress_for(output) as progress:
            found = validate(where.open(worktree=True), progress)
    except InvalidDocuments as invalid:  # the settings themselves
        found = Validation(invalid.diagnostics, None)
    if output.json:
        from reconciler.report.validation import validation_json

        output.data(validation_json(found))
    else:
        from reconciler.report.validation import validation_text

        output.result("".join(f"{line}\n" for line in validation_text(found, output.style, quiet=output.quiet)))
    return 0 if found.valid else 1
