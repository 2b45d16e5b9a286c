"""A group that knows its commands by a written-out table, so that help imports none of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from reconciler.base.errors import GitopsError

Table = Mapping[str, Mapping[str, tuple[str, str]]]
"""Section to name to (module below ``reconciler.cli.commands``, one line of help). The order is the order of help."""


class Command(click.Command):
    """A command that holds the migration chains to their promise before it reads anything else."""

    checks_chains = True

    def invoke(self, ctx: click.Context) -> Any:
        """Check, then run. ``--help`` and completion never come here."""
        if self.checks_chains:
            from reconciler.versioning.loading import check_chains

            check_chains()
        return super().invoke(ctx)


class Unchecked(Command):
    """A command that reads nothing of the user's: it works in a broken installation too."""

    checks_chains = False


class LazyGroup(click.Group):
    """Each module named in the table has one ``command``."""

    command_class = Command

    def __init__(self, *args: Any, table: Table | None = None, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self._table = table or {}
        self._flat = {name: entry for section in self._table.values() for name, entry in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The table's names, in its order."""
        return [*self._flat, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one that is asked for."""
        if cmd_name not in self._flat:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"reconciler.cli.commands.{self._flat[cmd_name][0]}")
        found = module.command
        if not isinstance(found, click.Command):
            raise GitopsError(f"reconciler.cli.commands.{self._flat[cmd_name][0]} holds no command")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a guess at what was meant."""
        name = args[0]
        names = self.list_commands(ctx)
        if name not in names and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, names, 1)
            guess = f"; did you mean {near[0]}?" if near else ""
            ctx.fail(f"there is no command {name!r}{guess}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table by sections; click's own list where there is no table."""
        if not self._table:
            super().format_commands(ctx, formatter)
            return
        for section, commands in self._table.items():
            with formatter.section(section):
                width = max(map(len, self._flat))
                formatter.write_dl([(name.ljust(width), text) for name, (_, text) in commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands without importing them."""
        if not self._table:
            return super().shell_complete(ctx, incomplete)
        found = [CompletionItem(n, help=text) for n, (_, text) in self._flat.items() if n.startswith(incomplete)]
        return found or click.Command.shell_complete(self, ctx, incomplete)
