"""A forge's API for comments and issues, on loopback: enough of GitHub's and GitLab's to be used, and to say no."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "t0ken-of-the-job"
ME = {"id": 7, "login": "github-actions[bot]", "type": "Bot"}
SOMEBODY = {"id": 8, "login": "mallory", "type": "User"}


class Forge:
    """Comments by identity, oldest first. ``fails`` maps a method to the status it is answered with. ``issues`` are
    newest first, as they were asked for, with a number; ``loses`` answers to so many new ones get lost."""

    def __init__(self) -> None:
        self.url = ""
        self.comments: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.loses = 0
        self.limited = False
        self.asked: list[tuple[str, str]] = []
        self.tokens: set[str] = set()
        self.fails: dict[str, int] = {}
        self.known = False
        """Whether the token belongs to somebody; a job's own doesn't."""
        self.limit = 65_536
        self.page = 100
        self.elsewhere: str | None = None
        """The host that a next page is said to be on."""

    def say(self, body: str, *, by: dict[str, Any] = ME) -> int:
        """Somebody comments."""
        identity = 1000 + len(self.comments)
        self.comments.append(
            {"id": identity, "body": body, "user": by, "author": by, "html_url": f"{self.url}/c/{identity}"}
        )
        return identity

    @property
    def bodies(self) -> list[str]:
        """What the comments say."""
        return [comment["body"] for comment in self.comments]


class _Handler(BaseHTTPRequestHandler):
    forge: Forge

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PATCH(self) -> None:
        self._answer("PATCH")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        forge, path = self.forge, urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        forge.asked.append((method, self.path))
        token = self.headers.get("PRIVATE-TOKEN") or (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        forge.tokens.add(token)
        if token != TOKEN:
            self._send(401, {"message": "Bad credentials"})
        elif method in forge.fails:
            status = forge.fails[method]
            self._send(
                status, {"message": "said no\x1b[31m"}, {"Location": "http://127.0.0.1:9/"} if status == 302 else {}
            )
        elif forge.limited:
            self._send(403, {"message": "slow down"}, {"X-RateLimit-Remaining": "0"})
        elif path.endswith("/issues"):
            self._issues(path, json.loads(body) if method == "POST" else None)
        elif path.endswith("/user"):
            self._send(200, ME) if forge.known else self._send(403, {"message": "not for this token"})
        elif method == "GET":
            self._list(path, int(parse_qs(urlsplit(self.path).query).get("page", ["1"])[0]))
        else:
            self._write(method, path, json.loads(body)["body"])

    def _issues(self, path: str, asked: dict[str, Any] | None) -> None:
        forge = self.forge
        if asked is None:
            self._send(200, forge.issues)
            return
        number = len(forge.issues) + 1
        url = f"{forge.url}{path}/{number}"
        forge.issues.insert(0, {**asked, "number": number, "iid": number, "html_url": url, "web_url": url})
        if forge.loses:
            forge.loses -= 1
            self._send(502, {"message": "lost on the way"})
        else:
            self._send(201, forge.issues[0])

    def _list(self, path: str, page: int) -> None:
        forge = self.forge
        found = forge.comments[(page - 1) * forge.page : page * forge.page]
        more = len(forge.comments) > page * forge.page
        link = f'<{forge.url}{path}?per_page=100&page=1>; rel="first", '
        link += f'<{forge.elsewhere or forge.url}{path}?per_page=100&page={page + 1}>; rel="next"' if more else ""
        self._send(200, found, {"Link": link})

    def _write(self, method: str, path: str, text: str) -> None:
        forge = self.forge
        if len(text) > forge.limit:
            self._send(422, {"message": f"body is too long (maximum is {forge.limit} characters)"})
        elif method == "POST":
            forge.say(text)
            self._send(201, forge.comments[-1])
        else:
            wanted = [c for c in forge.comments if str(c["id"]) == path.rpartition("/")[2]]
            for comment in wanted:
                comment["body"] = text
            self._send(200, wanted[0]) if wanted else self._send(404, {"message": "Not Found"})

    def _send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def forging() -> Iterator[Forge]:
    """Serves on a free port for as long as the block lasts."""
    forge = Forge()
    handler = type("Handler", (_Handler,), {"forge": forge})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    forge.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield forge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
