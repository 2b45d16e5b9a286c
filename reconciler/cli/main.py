"""The command ``gitops``: the table of commands, and where the process ends."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, NoReturn

import click

from reconciler.cli.frame import set_output
from reconciler.cli.lazy import LazyGroup

_COMMANDS = {
    "Change what runs": {
        "plan": ("plan", "Show exactly what an apply would change"),
        "diff": ("diff", "Show what changes from one commit to another, without a store"),
        "apply": ("apply", "Bring the store to what the commit says, in one transaction"),
        "rollback": ("rollback", "Go back to an earlier generation until git moves on"),
        "orphan": ("orphan", "List, delete or release what is gone from git and keeps running"),
    },
    "Write documents": {
        "init": ("init", "Write a small repository that applies, to start from"),
        "validate": ("validate", "Check every document, without a store or credentials"),
        "render": ("render", "Show what templates become, slice by slice, without a store"),
        "explain": ("explain", "Explain a kind or one of its fields"),
        "migrate": ("migrate", "Bring documents of older versions to the current one, in their files"),
        "import": ("import_", "Write documents out of another tool's configuration"),
        "policy": ("policy", "List, explain and test the rules that documents have to keep"),
        "schema": ("schema", "Print or export the JSON Schemas for editors"),
        "comment": ("comment", "Keep a plan as one comment on a pull request"),
    },
    "Run checks": {
        "worker": ("worker", "Run everything on its schedule, until told to stop"),
        "serve": ("serve", "Take webhooks for automations, until told to stop"),
        "run": ("run", "Run a check once, now, and show what came of it"),
        "test": ("test", "Run checks once as the files on disk say, without a store"),
        "check": ("check", "Pause checks and resume them, and see what is set aside"),
        "runs": ("runs", "Show the last runs of a slice, in full or summed up"),
        "watch": ("watch", "Follow changes of health and failing runs as they come"),
        "automation": ("automation", "Try automations before they are merged, and see what they do"),
    },
    "Look": {
        "status": ("status", "Show what was applied, and how healthy it is"),
        "get": ("get", "List resources or slices, or print one"),
        "history": ("history", "List applies: who, when, which commit, what changed"),
        "show": ("show", "Show what one generation changed"),
        "workers": ("workers", "List the workers, their regions and what they can"),
        "drift": ("drift", "Find writes made outside an apply"),
    },
    "Operate": {
        "delivery": ("delivery", "List what actions sent and couldn't send, and send it again"),
        "incident": ("incident", "Open, update, resolve and list incidents"),
        "maintenance": ("maintenance", "Plan, list, end and cancel work during which health starts nothing"),
        "source": ("source", "List sources, grant and revoke what they may name"),
        "store": ("store", "Show, upgrade, copy and back up the store, print rights"),
        "secret": ("secret", "Keep secrets in the store, see which are named and found"),
        "packages": ("packages", "Lock and build the packages that scripts may import"),
        "sandbox": ("sandbox", "Probe what this host enforces on scripts, show and set the policy"),
        "migrations": ("migrations", "List, check, begin and test the steps from one version to the next"),
        "completion": ("completion", "Print the completion script of your shell"),
    },
}


class Root(LazyGroup):
    """Ends every run with one exit code, whatever happened."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run, translate errors, leave."""
        set_output(None)
        extra["standalone_mode"] = False
        extra.setdefault("prog_name", "gitops")
        try:
            code = super().main(*args, **extra)
        except BaseException as error:
            from reconciler.cli.failure import told

            code = told(error)
        sys.exit(code if isinstance(code, int) else 0)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from reconciler._version import __version__

        click.echo(f"gitops {__version__}")
        ctx.exit()


@click.group(
    "gitops",
    cls=Root,
    table=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 6 worse health, 130 interrupted; --exit-code: 3, 4, 5.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def cli() -> None:
    """Monitoring as code: versioned YAML in git, an exact plan, one transaction."""


def entry() -> NoReturn:
    """The console script. Leaves without tearing down a heap of a hundred thousand objects, which takes 100 ms."""
    code: Any = 1
    _open_closed()
    try:
        cli.main()
    except SystemExit as leaving:
        code = leaving.code
    _leave(code if isinstance(code, int) else 0)


def _open_closed() -> None:
    """Give a stream that the caller closed somewhere to go; else the store's file could become descriptor 1."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 (open until the end)


def _leave(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the reader is gone: everything it wanted was written
            stream.flush()
    os._exit(code)
