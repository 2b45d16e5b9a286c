"""An HTTP server that is never the bottleneck: one process pinned to a core, that does nothing but accept, read what
is already there, and answer. ``python tests/servers/http_fast.py`` prints its port and serves until it is ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

BODY = b'{"ready": true, "items": [1, 2, 3]}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: fast\r\nCache-Control: no-store\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


@contextlib.contextmanager
def fast_server(cores: set[int] | None = None) -> Iterator[str]:
    """``http://host:port`` of a running one. ``cores``: where it may run."""
    command = [sys.executable, str(Path(__file__).resolve()), ",".join(map(str, sorted(cores or ())))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def serve() -> None:
    """Serve until SIGTERM."""
    if len(sys.argv) > 1 and sys.argv[1]:
        os.sched_setaffinity(0, {int(core) for core in sys.argv[1].split(",")})
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    # A connection is handed over when its request is there, so that reading never waits for one client.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
    print(listener.getsockname()[1], flush=True)
    accept, answer = listener.accept, ANSWER
    while True:
        client = accept()[0]
        try:
            client.recv(65_536)
            client.send(answer)
        except OSError:
            pass
        client.close()


if __name__ == "__main__":
    serve()
