"""``gitops get``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.lazy import Command
from reconciler.cli.names import kind_of, kinds_and_names
from reconciler.cli.options import Where, prints, reads_store
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.store.port import Reader


@click.command(cls=Command)
@click.argument(
    "what",
    required=False,
    metavar="[KIND[/NAME] | slices[/SYSTEM[/CHECK[/ENVIRONMENT]]]]",
    shell_complete=kinds_and_names,
)
@click.option("--generation", type=click.IntRange(min=1), metavar="N", help="As it was then; now by default.")
@reads_store()
@prints(formats=("text", "table", "yaml", "json"))
def command(where: Where, output: Output, *, what: str | None, generation: int | None) -> None:
    """List resources or slices, or print one.

    A list is a table, a single thing is YAML, unless --format says otherwise. Answers from the store, not from git.
    """
    from reconciler.cli.stores import store_to_read

    parts = what.split("/") if what else [""]
    reader = store_to_read(where.settled().store)
    if parts[0].lower() in ("slice", "slices"):
        if len(parts) > 4:
            raise click.UsageError("a slice is slices/SYSTEM/CHECK/ENVIRONMENT", click.get_current_context())
        _slices(reader, parts[1:], generation, output)
    else:
        if len(parts) > 2:
            raise click.UsageError("a resource is KIND/NAME", click.get_current_context())
        _resources(reader, parts, generation, output)


def _resources(reader: Reader, parts: list[str], generation: int | None, output: Output) -> None:
    from reconciler.flows.get import resources
    from reconciler.report import stored
    from reconciler.report.store_json import resource_json

    kind = kind_of(parts[0]) if parts[0] else None
    name = parts[1] if len(parts) > 1 and parts[1] else None
    rows = resources(reader, kind, name, generation=generation)
    _print(rows, name is not None, output, "resources", resource_json, stored.resources_table, stored.resources_yaml)


def _slices(reader: Reader, names: list[str], generation: int | None, output: Output) -> None:
    from reconciler.flows.get import slices
    from reconciler.report import stored
    from reconciler.report.store_json import slice_json

    names = [n for n in names if n]
    rows = slices(reader, *names, generation=generation)
    single = len(names) > 1 and len(rows) == 1
    _print(rows, single, output, "slices", slice_json, stored.slices_table, stored.slices_yaml)


def _print(
    rows: list[Any],
    single: bool,
    output: Output,
    key: str,
    to_json: Callable[[Any], Any],
    to_table: Callable[..., Any],
    to_yaml: Callable[[Any], str],
) -> None:
    form = output.format if output.format != "text" else "yaml" if single else "table"
    if form == "json":
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, key: [to_json(r) for r in rows]})
    elif form == "yaml":
        output.result(to_yaml(rows))
    elif rows:
        output.lines(to_table(rows, output.style))
    else:
        output.note(f"There are no {key}.")
