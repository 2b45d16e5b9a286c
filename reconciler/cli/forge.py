"""One comment on a pull or merge request, kept up to date by the hidden marker in its text.

Speaks the REST API of GitHub (Gitea and Forgejo have the same for comments) and that of GitLab, by the standard
library: it is a handful of requests. The token goes to the API's own address and nowhere else: no redirect is followed,
and a next page has to be of the same host. Only a comment of our own is updated, as who wrote another could change it
back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from reconciler.base.errors import GitopsError, UsageError

Kind = Literal["github", "gitlab"]
Json = Any

MARKER = re.compile(r"^<!-- gitops\b[^\n]*-->$", re.MULTILINE)
"""The line that ``--format markdown`` begins with; it shows in no forge."""
LIMITS: dict[Kind, int] = {"github": 65_536, "gitlab": 1_000_000}
"""Characters that a comment may have."""
_PAGES = 100
_ANSWER = 32 << 20
_TIMEOUT = 30.0
_ROBOTS = ("github-actions[bot]", "gitea-actions", "forgejo-actions")
_NEXT = re.compile(r'<([^<>]+)>\s*;\s*rel="?next"?')


class ForgeError(GitopsError):
    """The forge said no, or nothing. ``status`` is 0 where there was no answer."""

    def __init__(self, message: str, *, status: int = 0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class Pull(NamedTuple):
    """Which request of which repository, and where its API is."""

    kind: Kind
    api: str
    repository: str
    number: int

    @property
    def comments(self) -> str:
        """The address of its comments."""
        if self.kind == "gitlab":
            return f"{self.api}/projects/{quote(self.repository, safe='')}/merge_requests/{self.number}/notes"
        return f"{self.api}/repos/{quote(self.repository)}/issues/{self.number}/comments"

    def comment(self, identity: int) -> str:
        """The address of one of them."""
        if self.kind == "gitlab":
            return f"{self.comments}/{identity}"
        return f"{self.api}/repos/{quote(self.repository)}/issues/comments/{identity}"


class Commented(NamedTuple):
    """What was done: ``created`` or ``updated``, and where it can be read."""

    action: Literal["created", "updated"]
    url: str


def pull_of(environ: Mapping[str, str], given: Mapping[str, str | int | None]) -> Pull | None:
    """From what was said, else from the variables of the job; None where the job is about no request at all.

    Raises ``UsageError`` for what can't be an address, a repository or a number.
    """
    found = _from_gitlab(environ) if environ.get("GITLAB_CI") == "true" else _from_github(environ)
    settled = {**found, **{name: str(value) for name, value in given.items() if value is not None}}
    if not settled.get("pull"):
        return None
    for name in ("forge", "api", "repository"):
        if not settled.get(name):
            raise UsageError(f"it isn't known which {name} the request is of", hint=f"pass --{name}")
    kind: Kind = "gitlab" if settled["forge"] == "gitlab" else "github"
    api, repository, number = settled["api"].rstrip("/"), settled["repository"], settled["pull"]
    if urlsplit(api).scheme not in ("http", "https") or not urlsplit(api).hostname:
        raise UsageError(f"{api!r} is no address of an API", hint="such as https://api.github.com")
    if not number.isdecimal():
        raise UsageError(f"{number!r} is no number of a request", hint="pass --pull NUMBER")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)*", repository) or ".." in repository:
        raise UsageError(f"{repository!r} is no name of a repository", hint="such as team/monitoring")
    return Pull(kind, api, repository, int(number))


def _from_gitlab(environ: Mapping[str, str]) -> dict[str, str]:
    names = {"api": "CI_API_V4_URL", "repository": "CI_PROJECT_ID", "pull": "CI_MERGE_REQUEST_IID"}
    return {"forge": "gitlab", **{key: environ.get(name, "") for key, name in names.items()}}


def _from_github(environ: Mapping[str, str]) -> dict[str, str]:
    """The number isn't in a variable of its own: it is in the event, which the forge wrote."""
    found = {"api": environ.get("GITHUB_API_URL", ""), "repository": environ.get("GITHUB_REPOSITORY", "")}
    if environ.get("GITHUB_ACTIONS") == "true":
        found["forge"] = "github"
    path = environ.get("GITHUB_EVENT_PATH")
    if path:
        try:
            with open(path, encoding="utf-8") as file:
                event = json.load(file)
            found["pull"] = str(event["pull_request"]["number"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # an event about something else
    return found


def put_comment(pull: Pull, token: str, text: str) -> Commented:
    """Update our comment with the marker of ``text``, or make one.

    Raises ``ForgeError``, and ``UsageError`` for a text without a marker.
    """
    marker = MARKER.search(text)
    if marker is None:
        raise UsageError("this text has no marker to find it by", hint="gitops plan --base REV --format markdown has")
    api = _Api(pull, token)
    body = {"body": fitting(text, marker[0], LIMITS[pull.kind])}
    ours = api.ours(marker[0])
    if ours is not None:
        try:
            answer, _ = api.ask("PUT" if pull.kind == "gitlab" else "PATCH", pull.comment(ours), body)
            return Commented("updated", _address(answer))
        except ForgeError as error:
            if error.status != 404:  # deleted since we looked
                raise
    answer, _ = api.ask("POST", pull.comments, body)
    return Commented("created", _address(answer))


def fitting(text: str, marker: str, most: int) -> str:
    """``text``, cut at the end of a line where it is too long; its top says so, where nothing can fold it away."""
    if len(text) <= most:
        return text
    rest = text.replace(marker, "", 1).lstrip("\n")
    head = f"{marker}\n**Cut: this is longer than the {most:,} characters of a comment. The job has all of it.**\n\n"
    kept = rest[: most - len(head)]
    end = kept.rfind("\n") + 1
    return head + (kept[:end] if end else kept)


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would carry the token along."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _Api:
    def __init__(self, pull: Pull, token: str) -> None:
        self._pull = pull
        self._opener: OpenerDirector = build_opener(_NoRedirects)
        self._headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "gitops-reconciler",
            **({"PRIVATE-TOKEN": token} if pull.kind == "gitlab" else {"Authorization": f"Bearer {token}"}),
        }

    def ours(self, marker: str) -> int | None:
        """The first comment that is ours and has the marker on a line of its own."""
        me = self._me()
        for comment in self._all():
            body, author = comment.get("body"), comment.get("author" if self._pull.kind == "gitlab" else "user") or {}
            if isinstance(body, str) and marker in body.splitlines() and _is_me(author, me):
                return int(comment["id"])
        return None

    def _me(self) -> Json:
        """Who the token belongs to; None for a job's own token, which belongs to nobody."""
        try:
            found, _ = self.ask("GET", f"{self._pull.api}/user")
        except ForgeError as error:
            if error.status in (401, 403, 404):
                return None
            raise
        return found.get("id") if isinstance(found, dict) else None

    def _all(self) -> Iterator[dict[str, Json]]:
        address: str | None = f"{self._pull.comments}?per_page=100"
        for _ in range(_PAGES):
            if address is None:
                return
            found, link = self.ask("GET", address)
            if not isinstance(found, list):
                raise ForgeError("the forge answered with no list of comments")
            yield from (each for each in found if isinstance(each, dict) and isinstance(each.get("id"), int))
            following = _NEXT.search(link)
            address = following[1] if following else None
            if address is not None and _host(address) != _host(self._pull.api):
                raise ForgeError(f"the forge sends us to another host for the next page: {_host(address)[1]}")

    def ask(self, method: str, address: str, data: Json = None) -> tuple[Json, str]:
        """The answer as data, and its ``Link`` header."""
        body = None if data is None else json.dumps(data).encode()
        request = Request(address, data=body, headers=self._headers, method=method)
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                return json.loads(answer.read(_ANSWER) or b"null"), answer.headers.get("Link") or ""
        except HTTPError as error:
            with error:
                _refused(method, address, error)
        except (URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise ForgeError(f"{_host(address)[1]} gave no answer that can be used: {reason}") from None


def _refused(method: str, address: str, error: HTTPError) -> NoReturn:
    try:
        message = json.loads(error.read(65_536)).get("message", "")
    except (OSError, ValueError, AttributeError):
        message = ""
    said = f": {str(message)[:300]}" if message else ""
    hint = "the token needs the right to write comments on pull requests" if error.code in (401, 403) else None
    path = urlsplit(address).path
    raise ForgeError(f"{method} {path} was answered with {error.code}{said}", status=error.code, hint=hint)


def _is_me(author: Mapping[str, Json], me: Json) -> bool:
    if me is not None:
        return bool(author.get("id") == me)
    return author.get("type") == "Bot" or author.get("login") in _ROBOTS


def _host(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc


def _address(answer: Json) -> str:
    return str(answer.get("html_url", "")) if isinstance(answer, dict) else ""
