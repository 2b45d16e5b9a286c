"""``gitops completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from reconciler.cli.lazy import Unchecked
from reconciler.report.output import Output


@click.command(cls=Unchecked)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of your shell.

    \b
    bash   eval "$(gitops completion bash)"            in ~/.bashrc
    zsh    eval "$(gitops completion zsh)"             in ~/.zshrc
    fish   gitops completion fish | source             in ~/.config/fish/config.fish
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"{shell} has no completion", ctx)
    root = ctx.find_root()
    Output().result(found(root.command, {}, "gitops", "_GITOPS_COMPLETE").source() + "\n")
