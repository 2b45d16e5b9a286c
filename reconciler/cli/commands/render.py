"""``gitops render``."""

from __future__ import annotations

import click

from reconciler.cli.frame import without_gc
from reconciler.cli.lazy import Command
from reconciler.cli.options import Where, prints, reads_source
from reconciler.report.output import Output


@click.command(cls=Command)
@click.argument("check", required=False)
@click.option("--system", metavar="NAME", help="Slices of this system only.")
@click.option("--environment", metavar="NAME", help="Slices in this environment only.")
@reads_source()
@prints(formats=("text", "yaml", "json"))
def command(where: Where, output: Output, *, check: str | None, system: str | None, environment: str | None) -> None:
    """Show what templates become, slice by slice, without a store.

    Reads the files as they are on disk, or the commit that --rev names. Secrets stay references.
    """
    from reconciler.flows.render import rendered
    from reconciler.report.progress import progress_for

    source = where.open(worktree=True)
    with without_gc(), progress_for(output) as progress:
        slices = rendered(source, check, system=system, environment=environment, progress=progress)
    told = [{"system": s.system, "check": s.check, "environment": s.environment, "slice": s.body} for s in slices]
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, "slices": told})
    else:
        from reconciler.report.yaml import to_yaml

        output.result(to_yaml(*told))
