"""Where a file stands at a commit, in the pages of a forge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.base.errors import UsageError

_BLOB = "{base}/blob/{commit}/{path}#L{line}"
_GITLAB = "{base}/-/blob/{commit}/{path}#L{line}"
_GITEA = "{base}/src/commit/{commit}/{path}#L{line}"


@dataclass(frozen=True, slots=True)
class Links:
    """``pattern`` holds ``{commit}``, ``{path}`` and ``{line}``; empty where nobody said which forge it is.

    ``folder`` is where paths start from, seen from the repository's top.
    """

    pattern: str = ""
    folder: str = ""

    def to(self, commit: str, path: str, line: int) -> str:
        """The address, or an empty text: files on disk are in no forge."""
        if not self.pattern or not commit:
            return ""
        from urllib.parse import quote

        whole = f"{self.folder}/{path}" if self.folder else path
        spelt = {"{commit}": quote(commit, safe=""), "{path}": quote(whole, safe="/"), "{line}": str(line)}
        found = self.pattern
        for name, value in spelt.items():
            found = found.replace(name, value)
        return found

    @staticmethod
    def of(base: str | None, environ: Mapping[str, str], folder: str = "") -> Links:
        """What ``--link-base`` says, or the variables of a CI job.

        ``base`` is the address of the repository at a forge, or a pattern with ``{path}`` in it. Raises ``UsageError``.
        """
        if base:
            if not _is_address(base):
                raise UsageError(f"{base!r} is no http address", hint="pass https://forge.example.net/team/repository")
            return Links(base if "{path}" in base else _pattern(_BLOB, base), folder)
        server, repository = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY", "")
        if server and repository:
            gitea = any(environ.get(name) == "true" for name in ("GITEA_ACTIONS", "FORGEJO_ACTIONS"))
            return _checked(_pattern(_GITEA if gitea else _BLOB, f"{server}/{repository}"), folder)
        return _checked(_pattern(_GITLAB, environ.get("CI_PROJECT_URL", "")), folder)


def _pattern(form: str, base: str) -> str:
    return form.replace("{base}", base.rstrip("/")) if base else ""


def _checked(pattern: str, folder: str) -> Links:
    """A variable that holds something else than an address makes no link."""
    return Links(pattern if _is_address(pattern) else "", folder)


def _is_address(text: str) -> bool:
    return text.startswith(("http://", "https://")) and not any(c in text for c in " \"'<>`\\") and text.isprintable()


NO_LINKS = Links()
