"""``gitops explain``."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from reconciler.cli.lazy import Command
from reconciler.cli.options import prints
from reconciler.report.output import Output


def _roots(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from reconciler.kinds.table import COLLECTORS, KINDS, STRATEGIES

    pins = [f"{name}@{entry.head}" for table in (STRATEGIES, COLLECTORS) for name, entry in table.items()]
    return [CompletionItem(w) for w in (*KINDS, *pins) if w.lower().startswith(incomplete.lower())]


@click.command(cls=Command)
@click.argument("path", shell_complete=_roots)
@prints()
def command(output: Output, *, path: str) -> None:
    """Explain a kind, a config or one field of it, as in Check.spec.collectors or http@3.timeout."""
    from reconciler.kinds.explain import explain
    from reconciler.report.explained import explained_json, explained_text

    found = explain(path)
    if output.json:
        output.data(explained_json(found))
    else:
        output.lines(explained_text(found, output.style))
