"""``gitops store status|upgrade|backup|restore|copy|grants``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.lazy import Command, LazyGroup
from reconciler.cli.options import LOCK_TIMEOUT, Where, prints, reads_store
from reconciler.report.output import Output

_FAILED = 1


@click.group(cls=LazyGroup)
def command() -> None:
    """The store: what it holds, copies of it, its version, and who may do what with it."""


@command.command(cls=Command)
@click.option("--check", is_flag=True, help="Read everything, and tell what is damaged.")
@reads_store()
@prints()
def status(where: Where, output: Output, *, check: bool) -> int:
    """Show size, version, contents and users of the store, whatever release wrote it.

    Exits with 1 where this release can't use it, or something is damaged.
    """
    from reconciler.store.examine import examine

    facts = examine(_path(where), check=check)
    if output.json:
        from reconciler.report.file_json import facts_json

        output.data(facts_json(facts))
    else:
        from reconciler.report.file_text import facts_text

        output.lines(facts_text(facts, output.style))
    return 0 if facts.usable else _FAILED


@command.command(cls=Command)
@click.option("--no-backup", is_flag=True, help="Make no backup first.")
@click.option(
    "--force", is_flag=True, help="Upgrade while workers of an older release are alive; they fail from then on."
)
@LOCK_TIMEOUT
@reads_store()
@prints(quiet=True)
def upgrade(where: Where, output: Output, *, no_backup: bool, force: bool, lock_timeout: float) -> None:
    """Bring the tables to the version of this release, after a backup beside the store's file.

    Every other command does that as well when it opens the store, without a backup, unless older workers are alive.
    """
    from reconciler.flows.apply import Actor
    from reconciler.store.open import store_path
    from reconciler.store.upgrade import upgrade as upgraded

    path = _path(where)
    shown = store_path(path)
    done = upgraded(path, actor=Actor.here().name, backup=not no_backup, force=force, lock_timeout=lock_timeout)
    if output.json:
        from reconciler.report.file_json import upgraded_json

        output.data(upgraded_json(shown, done))
    else:
        from reconciler.report.file_text import upgraded_text

        output.lines(upgraded_text(shown, done))


@command.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Take the place of a file that is there.")
@reads_store()
@prints(quiet=True)
def backup(where: Where, output: Output, *, file: Path, force: bool) -> None:
    """Copy the store to FILE, as it is at one moment, while workers and applies go on.

    FILE is there when it was looked through and is on the disk, or not at all.
    """
    from reconciler.store.backup import back_up

    path = _path(where)
    made = back_up(path, str(file), force=force)
    if output.json:
        from reconciler.report.file_json import backup_json

        output.data(backup_json(path, made))
    else:
        from reconciler.report.file_text import backup_text

        output.lines(backup_text(path, made))


@command.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Although workers are alive; they notice within seconds.")
@LOCK_TIMEOUT
@reads_store()
@prints(quiet=True)
def restore(where: Where, output: Output, *, file: Path, force: bool, lock_timeout: float) -> None:
    """Put the backup FILE in the place of the store, which is moved aside and kept.

    The backup is looked through first. Killed at any moment, the old store or the new one is there.
    """
    from reconciler.flows.apply import Actor
    from reconciler.store.restore import restore as restored

    path = _path(where)
    done = restored(path, str(file), actor=Actor.here().name, force=force, lock_timeout=lock_timeout)
    if output.json:
        from reconciler.report.file_json import restored_json

        output.data(restored_json(path, str(file), done))
    else:
        from reconciler.report.file_text import restored_text

        output.lines(restored_text(path, str(file), done))


@command.command(cls=Command)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--force", is_flag=True, help="Although workers are alive: what they do from now on isn't in the copy.")
@prints(quiet=True)
def copy(output: Output, *, source: str, target: str, force: bool) -> None:
    """Copy the store FROM, a file or postgresql://..., to TO, where there is none yet.

    All of it as it is at one moment, compared by digests. Killed, TO is no store, and the same command goes on.
    """
    from reconciler.report.copied import copied_json, copied_text
    from reconciler.report.progress import progress_for
    from reconciler.store.copying import copy_store

    with progress_for(output) as progress:
        done = copy_store(source, target, force=force, progress=progress)
    if output.json:
        output.data(copied_json(done))
    else:
        output.lines(copied_text(done, output.style))


@command.command(cls=Command)
@click.option("--apply-role", default="gitops_apply", show_default=True, help="Who plans and applies.")
@click.option("--worker-role", default="gitops_worker", show_default=True, help="Who runs checks and automations.")
@click.option("--read-role", default="gitops_read", show_default=True, help="Who only looks.")
@click.option("--schema", default="public", show_default=True, help="Where the tables are.")
@prints()
def grants(output: Output, *, apply_role: str, worker_role: str, read_role: str, schema: str) -> None:
    """Print SQL that gives three roles the least rights they need in a store on PostgreSQL.

    Nothing is connected to. The owner of the tables runs it, and runs it again after every upgrade of them.
    """
    from reconciler.base.errors import UsageError
    from reconciler.store.roles import Roles
    from reconciler.store.roles import grants as granted

    roles = Roles(apply_role, worker_role, read_role, schema)
    if not all(roles) or len(set(roles[:3])) < 3:
        raise UsageError("the three roles need three names", hint="name each: --apply-role, --worker-role, --read-role")
    statements = list(granted(roles))
    if output.json:
        output.data({"format": 1, "sql": statements})
    else:
        output.result("".join(f"{line}\n" for line in statements))


def _path(where: Where) -> str:
    from reconciler.store.address import is_postgres
    from reconciler.store.open import store_path

    address = where.settled().store
    return address if is_postgres(address) else store_path(address)
