"""Which part of a plan is shown: options that plan and diff share. What is counted is always the whole."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from reconciler.model.resource import Key
from reconciler.plan.focus import ONLY, Focus

if TYPE_CHECKING:
    _Keys = click.ParamType[Key]
else:  # older releases of click have no parameter here
    _Keys = click.ParamType

F = TypeVar("F", bound=Callable[..., Any])


class TargetType(_Keys):
    """``Check/ready``; the kind in any case."""

    name = "kind/name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Key:
        """Fails with a sentence."""
        if isinstance(value, Key):
            return value
        from reconciler.kinds.table import KINDS, entries

        list(entries())  # those of plugins join the table

        kind, slash, name = str(value).strip().partition("/")
        kinds = {known.lower(): known for known in KINDS}
        if not slash or not name:
            self.fail(f"{str(value)!r} isn't KIND/NAME, such as Check/ready", param, ctx)
        if kind.lower() not in kinds:
            near = difflib.get_close_matches(kind.lower(), kinds, 1)
            hint = f"; did you mean {kinds[near[0]]}?" if near else f"; there are {', '.join(sorted(KINDS))}"
            self.fail(f"there is no kind {kind!r}{hint}", param, ctx)
        return Key(kinds[kind.lower()], name)


_OPTIONS = (
    click.option("--environment", metavar="NAME", help="Show only what changes in this environment."),
    click.option(
        "--target",
        type=TargetType(),
        metavar="KIND/NAME",
        help="Show only this resource, and the slices it is part of.",
    ),
    click.option(
        "--only", multiple=True, type=click.Choice(list(ONLY)), help="Show only changes of this sort. May be repeated."
    ),
)


LINK_BASE = click.option(
    "--link-base",
    envvar="GITOPS_LINK_BASE",
    metavar="URL",
    help="The repository at its forge, for links of --format markdown; CI jobs say it. [GITOPS_LINK_BASE]",
)


def focuses(command: F) -> F:
    """Hands the command a :class:`Focus`."""

    @wraps(command)
    def wrapped(*, environment: str | None, target: Key | None, only: tuple[str, ...], **rest: Any) -> Any:
        return command(focus=Focus(environment, target, tuple(dict.fromkeys(only))), **rest)

    decorated: Any = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return cast(F, decorated)
