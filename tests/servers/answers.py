"""A web server in a thread, whose answers a test changes as it goes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Answers:
    """``status`` by path, 200 where nothing is said. A path in ``stuck`` isn't answered before the test ends."""

    def __init__(self) -> None:
        self.status: dict[str, int] = {}
        self.stuck: set[str] = set()
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.asked_for = threading.Condition()
        self.over = threading.Event()
        self.url = ""

    def wait(self, path: str, *, within: float = 10.0) -> None:
        """Until somebody asked for the path."""
        with self.asked_for:
            assert self.asked_for.wait_for(lambda: path in self.asked, within), f"nobody asked for {path}"


@contextmanager
def answering() -> Iterator[Answers]:
    """Serves on a free port for as long as the block lasts."""
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with answers.asked_for:
                answers.asked.append(self.path)
                answers.headers.append({name.lower(): value for name, value in self.headers.items()})
                answers.asked_for.notify_all()
            if self.path in answers.stuck:
                answers.over.wait(30)
                return
            status = answers.status.get(self.path, 200)
            body = b'{"ready": true}' if status < 400 else b'{"ready": false}'
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # else the kernel lets those who come together wait a second
        daemon_threads = False

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    answers.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield answers
    finally:
        answers.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
