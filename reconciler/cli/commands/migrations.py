"""``gitops migrations list|check|show|new|test``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.lazy import Command, LazyGroup, Unchecked
from reconciler.cli.options import prints
from reconciler.report.output import Output

_DIRECTORY = click.option(
    "-C", "--directory", default=".", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Checkout with the steps; the current folder by default.",
)  # fmt: skip


@click.group(cls=LazyGroup)
def command() -> None:
    """For those who write steps from one version to the next."""


@command.command("list", cls=Command)
@prints()
def list_chains(output: Output) -> None:
    """List every subject with its versions and steps."""
    from reconciler.flows.migrations import chains
    from reconciler.report.migrations import chains_json, chains_text

    found = chains()
    output.data(chains_json(found)) if output.json else output.lines(chains_text(found, output.style))


@command.command(cls=Command)
@click.argument("subject")
@prints()
def show(output: Output, *, subject: str) -> None:
    """Show what each step of SUBJECT does, such as check or strategies/http."""
    from reconciler.flows.migrations import chain_of, stories
    from reconciler.report.migrations import stories_json, stories_text

    chain = chain_of(subject)
    found = stories(chain)
    output.data(stories_json(chain, found)) if output.json else output.lines(stories_text(chain, found, output.style))


@command.command(cls=Unchecked)
@click.option("--merge", metavar="REV", help="Look at the tree that merging REV into this commit will make as well.")
@_DIRECTORY
@prints()
def check(output: Output, *, merge: str | None, directory: Path) -> int:
    """Find forks and gaps in the chains: here, and on the merged tree before it is merged."""
    from reconciler.flows.migrations import faults_here, faults_of_merge

    faults = faults_here() + (faults_of_merge(directory, merge) if merge is not None else [])
    return _told(output, faults, "Every chain is sound.")


@command.command(cls=Command)
@click.argument("subject")
@_DIRECTORY
@click.option(
    "--steps", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Package with the steps, for a kind of another distribution.",
)  # fmt: skip
@prints()
def new(output: Output, *, subject: str, directory: Path, steps: Path | None) -> None:
    """Begin the next step of SUBJECT: the step, its golden test, and the schema it starts from frozen."""
    from reconciler.flows.migrations_new import begin

    written = begin(directory, subject, steps=steps)
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, "subject": subject, "written": [str(path) for path in written]})
        return
    output.lines([f"Wrote {path}" for path in written])
    output.lines(["", "Next: raise the head of the subject in its table, write the step, and gitops migrations test"])


@command.command(cls=Command)
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]...")
@_DIRECTORY
@prints()
def test(output: Output, *, subjects: tuple[str, ...], directory: Path) -> int:
    """Try every step: its goldens, the shape of what comes out, and that twice is once. Plugins' steps too."""
    from reconciler.flows.migrations import chain_of
    from reconciler.flows.migrations_trial import try_steps
    from reconciler.report.style import count

    found = try_steps(directory, [chain_of(subject).subject for subject in subjects])
    holds = "holds" if found.steps == 1 else "hold"
    tried = f"{count(found.steps, 'step')} {holds}, tried with {count(found.goldens, 'golden')}."
    return _told(output, found.failures, tried)


def _told(output: Output, faults: list[str], sound: str) -> int:
    """The faults, or that there are none."""
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, "faults": faults})
    elif faults:
        from reconciler.report.style import safe

        output.errors([f"{output.error_style('error:', 'red', 'bold')} {safe(fault)}" for fault in faults])
    else:
        output.lines([output.style(sound, "green")])
    return 1 if faults else 0
