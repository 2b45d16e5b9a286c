"""``gitops comment``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from reconciler.cli.lazy import Unchecked
from reconciler.cli.options import prints
from reconciler.report.output import Output

TOKEN = "GITOPS_FORGE_TOKEN"


@click.command(cls=Unchecked)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--forge",
    type=click.Choice(["github", "gitlab"]),
    envvar="GITOPS_FORGE",
    help="Whose API it is; Gitea and Forgejo speak GitHub's. [GITOPS_FORGE]",
)
@click.option("--api", envvar="GITOPS_FORGE_API", metavar="URL", help="Where the API is. [GITOPS_FORGE_API]")
@click.option(
    "--repository",
    envvar="GITOPS_FORGE_REPOSITORY",
    metavar="NAME",
    help="Such as team/repo. [GITOPS_FORGE_REPOSITORY]",
)
@click.option(
    "--pull", type=click.IntRange(min=1), envvar="GITOPS_FORGE_PULL", metavar="NUMBER",
    help="Which pull or merge request. [GITOPS_FORGE_PULL]",
)  # fmt: skip
@click.option("--required", is_flag=True, help="Exit with 1 when it can't be done; it is only told otherwise.")
@prints(quiet=True)
def command(
    output: Output,
    *,
    file: Path,
    forge: str | None,
    api: str | None,
    repository: str | None,
    pull: int | None,
    required: bool,
) -> int:
    """Keep FILE (from gitops plan --format markdown) as one comment on the pull request that this job is about.

    The comment is found again by its hidden marker, and updated. Jobs of GitHub, Gitea, Forgejo and GitLab say
    themselves which request it is; elsewhere the options do. The token is in GITOPS_FORGE_TOKEN, never on the command
    line. Without a request or a token (a fork has none) nothing is done, and that is told.
    """
    from reconciler.base.errors import UsageError
    from reconciler.cli.forge import ForgeError, pull_of, put_comment
    from reconciler.report.style import safe

    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}", hint="name the file with the comment") from error
    given = {"forge": forge, "api": api, "repository": repository, "pull": pull}
    target, token = pull_of(os.environ, given), os.environ.get(TOKEN, "").strip()
    try:
        if target is None:
            raise ForgeError("this job is about no pull request", hint="pass --pull, --repository, --api and --forge")
        if not token:
            raise ForgeError(f"there is no token in {TOKEN}", hint="a job for a fork gets none")
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise ForgeError(f"what is in {TOKEN} is no token", hint="it has blanks or other characters of no token")
        done = put_comment(target, token, text)
    except ForgeError as error:
        if required:
            raise
        output.errors([f"No comment was written: {safe(error.message)}"])
        return 0
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, "action": done.action, "url": done.url})
    else:
        output.lines([f"The comment was {done.action}{': ' + done.url if done.url else '.'}"])
    return 0
