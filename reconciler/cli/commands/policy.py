"""``gitops policy list|explain|test``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.lazy import Command, LazyGroup
from reconciler.cli.options import Where, prints, reads_source
from reconciler.report.output import Output


@click.group(cls=LazyGroup)
def command() -> None:
    """The rules that documents have to keep, beside being valid."""


@command.command("list", cls=Command)
@reads_source()
@prints()
def list_rules(where: Where, output: Output) -> int:
    """List every rule: those in force, with who put them there, and the built-in ones that are off."""
    from reconciler.flows.policy_list import listed
    from reconciler.report.policies import list_json, list_text

    rules, diagnostics = listed(where.open(worktree=True))
    if output.json:
        output.data(list_json(rules, diagnostics))
    else:
        from reconciler.report.diagnostics_text import diagnostics_text

        output.lines(list_text(rules, output.style))
        output.errors(diagnostics_text(diagnostics, output.error_style))
    return 1 if diagnostics else 0


@command.command(cls=Command)
@click.argument("code")
@reads_source()
@prints()
def explain(where: Where, output: Output, *, code: str) -> None:
    """Explain the rule CODE, such as unused-check or policy/unused-check, and who is excepted from it."""
    from reconciler.flows.policy_list import explained
    from reconciler.report.policies import rule_json, rule_text

    found = explained(where.open(worktree=True), code)
    output.data(rule_json(found)) if output.json else output.lines(rule_text(found, output.style))


@command.command(cls=Command)
@click.argument("folder", required=False, metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False))
@reads_source()
@prints()
def test(where: Where, output: Output, *, folder: Path | None) -> int:
    """Run the test cases beside the rules: those of the repository, or of DIR, such as an operator's folder.

    Each case has documents, and everything that the rules have to find in them. Exits with 1 when one comes out
    otherwise. Exceptions don't count.
    """
    from reconciler.flows.policy_test import policy_files, try_policies
    from reconciler.report.policies import tried_json, tried_text

    tried = try_policies(policy_files(where.open(worktree=True), folder))
    output.data(tried_json(tried)) if output.json else output.lines(tried_text(tried, output.style))
    return 1 if tried.failures else 0
