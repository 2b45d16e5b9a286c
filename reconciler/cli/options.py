"""Options that commands share. A flag wins over its variable, the variable over ``gitops.yaml``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click

from reconciler.base.durations import parse_duration
from reconciler.cli.frame import set_output
from reconciler.report.output import Format, Output

if TYPE_CHECKING:
    from reconciler.flows.opened import Source
    from reconciler.flows.settings import Overrides

    _Texts = click.ParamType[str]
    _Seconds = click.ParamType[float]
else:  # older releases of click have no parameter here
    _Texts = _Seconds = click.ParamType

F = TypeVar("F", bound=Callable[..., Any])


class Listed(_Texts):
    """A text that may stand several times as a flag, and with commas in a variable."""

    name = "glob"
    envvar_list_splitter = ","

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Blanks around commas don't count."""
        return str(value).strip()


class Duration(_Seconds):
    """Seconds out of ``10s``, ``2m``; a bare number means seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Fails with the sentence of the parser."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_duration(f"{value}s" if str(value).isdigit() else str(value)) / 1000
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Percent(_Seconds):
    """A number from 0 on; none of those with which no comparison is true."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Fails with a sentence."""
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not 0 <= number < float("inf"):
            self.fail(f"{str(value)!r} is no number from 0 on", param, ctx)
        return number


class Where(NamedTuple):
    """What is read, and which store: as it was said, not yet looked at."""

    directory: Path
    rev: str | None
    worktree: bool
    overrides: dict[str, Any]

    def open(self, *, worktree: bool = False) -> Source:
        """Settle it. ``worktree``: the default of this command, where no revision is named and there are files."""
        from reconciler.flows.opened import has_files, open_source

        tree = self.worktree or (worktree and self.rev is None and has_files(self.directory))
        return open_source(self.directory, self._overrides(), rev=self.rev, worktree=tree)

    def since(self, base: str, head: Source, *, exactly: bool = False) -> Source:
        """The commit where ``head`` left ``base``; ``base`` itself where ``exactly`` that is meant, and where the clone
        is too shallow to tell. A commit that hasn't got the folder yet holds nothing."""
        from reconciler.base.errors import InvalidDocuments, SourceError
        from reconciler.flows.opened import nothing_at, open_source
        from reconciler.source.head import NoFolder, resolve

        if not exactly:
            from reconciler.source.gitdelta import merge_base

            with suppress(SourceError):
                base = merge_base(head.folder, base, "HEAD" if head.head is None else head.head.commit).commit
        try:
            return open_source(self.directory, self._overrides(), rev=base)
        except NoFolder:
            return nothing_at(base, head)
        except InvalidDocuments as invalid:  # its settings, which may be mended since
            from reconciler.flows.between import InvalidBase

            raise InvalidBase(resolve(self.directory, base).commit, invalid) from invalid

    def settled(self) -> Source:
        """For commands that read the store alone: what an apply would use, or the folder before its first commit."""
        from reconciler.base.errors import SourceError
        from reconciler.flows.opened import open_source

        if not self.worktree:
            with suppress(SourceError):
                return open_source(self.directory, self._overrides())
        return open_source(self.directory, self._overrides(), worktree=True)

    def _overrides(self) -> Overrides:
        from reconciler.flows.settings import Overrides

        return Overrides(**self.overrides)


_DIRECTORY = click.option(
    "-C",
    "--directory",
    envvar="GITOPS_DIRECTORY",
    default=".",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder with the documents; the current one by default. [GITOPS_DIRECTORY]",
)
_STORE = click.option(
    "--store",
    envvar="GITOPS_STORE",
    metavar="STORE",
    help="Where generations are kept: a file, or postgresql://... [GITOPS_STORE]",
)
_REVISION = (
    click.option("--rev", envvar="GITOPS_REV", metavar="REV", help="Commit to read instead of HEAD. [GITOPS_REV]"),
    click.option(
        "--worktree",
        is_flag=True,
        default=False,
        envvar="GITOPS_WORKTREE",
        help="Read the files as they are on disk, committed or not. [GITOPS_WORKTREE]",
    ),
)
_SOURCE = click.option("--source", envvar="GITOPS_SOURCE", metavar="NAME", help="Name of this source. [GITOPS_SOURCE]")
_GLOBS = (
    click.option(
        "--include",
        multiple=True,
        envvar="GITOPS_INCLUDE",
        type=Listed(),
        help="Files that are documents, such as 'monitoring/**'. May be repeated. [GITOPS_INCLUDE, with commas]",
    ),
    click.option(
        "--exclude",
        multiple=True,
        envvar="GITOPS_EXCLUDE",
        type=Listed(),
        help="Files to leave out. May be repeated. [GITOPS_EXCLUDE, with commas]",
    ),
)
_SAFETY = (
    click.option(
        "--deletion",
        type=click.Choice(["orphan", "delete"]),
        envvar="GITOPS_DELETION",
        help="What becomes of a resource that is gone from git. [GITOPS_DELETION]",
    ),
    click.option(
        "--max-delete-percent",
        type=Percent(),
        envvar="GITOPS_MAX_DELETE_PERCENT",
        metavar="NUMBER",
        help="Refuse a plan that deletes a larger part of the source. [GITOPS_MAX_DELETE_PERCENT]",
    ),
    click.option(
        "--min-resources",
        type=click.IntRange(min=0),
        envvar="GITOPS_MIN_RESOURCES",
        metavar="NUMBER",
        help="Below this many resources the percentage doesn't count. [GITOPS_MIN_RESOURCES]",
    ),
)

_QUIET = click.option("-q", "--quiet", is_flag=True, help="Print errors only (and JSON, where asked for).")
_COLOR = click.option(
    "--no-color", is_flag=True, help="No colours. [NO_COLOR; FORCE_COLOR wants them without a terminal]"
)
LOCK_TIMEOUT = click.option(
    "--lock-timeout",
    type=Duration(),
    default="10s",
    show_default=True,
    envvar="GITOPS_LOCK_TIMEOUT",
    help="How long to wait for another apply. [GITOPS_LOCK_TIMEOUT]",
)
YES = click.option("-y", "--yes", is_flag=True, help="Don't ask. Without a terminal nothing is asked anyway.")
OLD_WORKERS = click.option(
    "--allow-old-workers",
    "old_workers",
    is_flag=True,
    help="Apply even if live workers are too old to read what is written; its slices are degraded until they aren't.",
)
EXIT_CODE = click.option("--exit-code", is_flag=True, help="Exit with 3 for changes, 4 for drift only, 5 for both.")
FULL = click.option("--full", is_flag=True, help="Unfold long lists and values.")


def reads_source(*, planning: bool = False, offline: bool = False) -> Callable[[F], F]:
    """Folder, revision, globs; with ``planning`` also store and guards. Hands the command a :class:`Where`.

    ``offline``: plans without a store, and without the guards that hold back an apply.
    """
    more = (_STORE, *_SAFETY) if planning else _SAFETY[:1] if offline else ()
    return _where([_DIRECTORY, *_REVISION, _SOURCE, *_GLOBS, *more])


def reads_files() -> Callable[[F], F]:
    """Folder and globs: the files on disk, which are to be written as well."""
    return _where([_DIRECTORY, _SOURCE, *_GLOBS])


def reads_store(*, source: bool = False) -> Callable[[F], F]:
    """Folder and store only, and the name of a source where a command acts on one."""
    return _where([_DIRECTORY, _REVISION[1], _STORE, *((_SOURCE,) if source else ())])


def newest(many: int) -> Callable[[F], F]:
    """How many rows a list shows, ``many`` unless told."""
    return click.option(
        "-n",
        "--limit",
        type=click.IntRange(1, 10_000),
        default=many,
        show_default=True,
        metavar="N",
        help="How many, newest first.",
    )


def prints(
    *, quiet: bool = False, stream: bool = False, formats: tuple[Format, ...] = ("text", "json")
) -> Callable[[F], F]:
    """Format and colours. Hands the command an :class:`Output`. ``text`` is what isn't asked for.

    ``stream``: its JSON is an object a line, errors among them.
    """
    form = click.option(
        "--format",
        "format_",
        type=click.Choice(formats),
        envvar="GITOPS_FORMAT",
        help="How the result is printed. [GITOPS_FORMAT]",
    )

    def decorate(command: F) -> F:
        @wraps(command)
        def wrapped(*, format_: Format | None, no_color: bool, **rest: Any) -> Any:
            silent = bool(rest.pop("quiet", False))
            output = Output(format_ or "text", silent, no_color, stream)
            set_output(output)
            return command(output=output, **rest)

        return cast(F, _with(wrapped, [form, *((_QUIET,) if quiet else ()), _COLOR]))

    return decorate


def _where(options: list[Any]) -> Callable[[F], F]:
    names = ("source", "include", "exclude", "store", "deletion", "max_delete_percent", "min_resources")

    def decorate(command: F) -> F:
        @wraps(command)
        def wrapped(*, directory: Path, **rest: Any) -> Any:
            rev, worktree = _one_of(rest.pop("rev", None), bool(rest.pop("worktree", False)))
            said = {name: rest.pop(name) for name in names if name in rest}
            overrides = {k: v for k, v in said.items() if v is not None and v != ()}
            return command(where=Where(directory, rev, worktree, overrides), **rest)

        return cast(F, _with(wrapped, options))

    return decorate


def _one_of(rev: str | None, worktree: bool) -> tuple[str | None, bool]:
    """A commit or the working tree: what stands on the command line wins over a variable."""
    if rev is None or not worktree:
        return rev, worktree
    ctx = click.get_current_context()
    flag = click.core.ParameterSource.COMMANDLINE
    by_flag = [ctx.get_parameter_source(name) is flag for name in ("rev", "worktree")]
    if by_flag[0] == by_flag[1]:
        raise click.UsageError("--rev and --worktree exclude each other", ctx)
    return (rev, False) if by_flag[0] else (None, True)


def _with(command: Callable[..., Any], options: list[Any]) -> Any:
    for option in reversed(options):
        command = option(command)
    return command
