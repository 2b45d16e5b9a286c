"""``gitops packages lock|sync|status``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.base.errors import UsageError
from reconciler.cli.lazy import Command, LazyGroup
from reconciler.cli.options import prints
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.sandbox.packages.lockfile import Lock

_FILE = click.Path(path_type=Path, dir_okay=False)
_ALLOW = click.option(
    "--allow",
    envvar="GITOPS_PACKAGES_ALLOW",
    default="script-packages.txt",
    show_default=True,
    type=_FILE,
    metavar="FILE",
    help="The packages scripts may import. [GITOPS_PACKAGES_ALLOW]",
)
_LOCK = click.option(
    "--lock",
    "lock_path",
    envvar="GITOPS_PACKAGES_LOCK",
    default="script-packages.lock",
    show_default=True,
    type=_FILE,
    metavar="FILE",
    help="Their exact versions and hashes. [GITOPS_PACKAGES_LOCK]",
)
_INTO = click.option(
    "--into",
    envvar="GITOPS_PACKAGES",
    default=".gitops/packages",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where they are built, and bound into runs from. [GITOPS_PACKAGES]",
)


@click.group(cls=LazyGroup)
def command() -> None:
    """Packages that scripts may import: lock what is allowed, build it, see how it stands."""


@command.command(cls=Command)
@_ALLOW
@_LOCK
@prints(quiet=True)
def lock(output: Output, *, allow: Path, lock_path: Path) -> None:
    """Choose versions for the allowed packages and write them down with their hashes. Nothing is installed.

    The list has one requirement a line, as in a requirements file; npm:name@range for Node.js.
    """
    from reconciler.sandbox.packages.allowed import parse
    from reconciler.sandbox.packages.lockfile import write
    from reconciler.sandbox.packages.resolve import resolve

    try:
        text = allow.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "write one requirement a line into it, or name another with --allow"
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"the allow list {allow} can't be read: {why}", hint=hint) from error
    allowed = parse(text, name=str(allow))
    output.note("Asking the package indexes")
    made = resolve(allowed)
    changed = _read_or_none(lock_path) != made
    if changed:
        write(made, lock_path)
    if output.json:
        output.data({"format": 1, "lock": str(lock_path), "digest": made.digest, "changed": changed, **_counts(made)})
        return
    output.lines([f"Locked {_told(made)} in {lock_path}." if changed else f"{lock_path} says so already."])


@command.command(cls=Command)
@_LOCK
@_INTO
@prints(quiet=True)
def sync(output: Output, *, lock_path: Path, into: Path) -> None:
    """Build what is locked and put it in force, in one step. What is in force stays so until then."""
    from reconciler.sandbox.packages.folder import busy
    from reconciler.sandbox.packages.lockfile import read
    from reconciler.sandbox.packages.sync import sync as carry_out

    wanted = read(lock_path)
    if busy(into):
        output.note("Waiting for another sync")
    done = carry_out(wanted, into)
    if output.json:
        output.data({"format": 1, "digest": done.digest, "built": done.built, **_counts(wanted)})
        return
    word = "Built" if done.built else "Found"
    output.lines([f"{word} {_told(wanted)} as {done.digest}; runs get it from now on."])


@command.command(cls=Command)
@_LOCK
@_INTO
@prints()
def status(output: Output, *, lock_path: Path, into: Path) -> None:
    """Show whether runs get what is locked: pending, syncing, ready or error."""
    from reconciler.sandbox.packages.folder import Packages

    wanted = _read_or_none(lock_path)
    found = Packages(into).status(wanted)
    if output.json:
        told = {"state": found.state, "wanted": found.wanted, "current": found.current, "why": found.why}
        output.data({"format": 1, **told, **(_counts(wanted) if wanted else {})})
        return
    from reconciler.report.table import pairs

    rows = [
        ("State", f"{found.state}: {found.why}" if found.why else found.state),
        ("Locked", f"{_told(wanted)}, {found.wanted}" if wanted else f"there is no {lock_path}"),
        ("In force", found.current or "nothing"),
    ]
    output.lines(pairs(rows, output.style))


def _read_or_none(path: Path) -> Lock | None:
    """A lock that isn't there is an answer; one that is damaged is a fault."""
    from reconciler.sandbox.packages.lockfile import read

    return read(path) if path.exists() else None


def _counts(lock: Lock) -> dict[str, object]:
    return {"python": len(lock.wheels), "node": lock.node_packages}


def _told(lock: Lock) -> str:
    from reconciler.report.style import count

    return f"{count(len(lock.wheels), 'Python package')} and {count(lock.node_packages, 'npm package')}"
