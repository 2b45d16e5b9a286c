"""Servers that aren't what a client expects: they keep silent, hang up, or speak another language."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Manner = Literal["silent", "closing", "http", "noise"]
MANNERS: tuple[Manner, ...] = ("silent", "closing", "http", "noise")

_WORDS: dict[str, bytes] = {
    "http": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "noise": bytes(range(256)) * 4,
}


@contextmanager
def rude(manner: Manner) -> Iterator[int]:
    """The port of such a server. ``closing`` hangs up at once, the speaking ones after the client said something."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()
        talking = threading.Thread(target=_serve, args=(listener, manner, ended))
        talking.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            ended.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            talking.join()


def _serve(listener: socket.socket, manner: Manner, ended: threading.Event) -> None:
    if manner == "silent":
        # The kernel takes connections by itself; nobody ever looks at them.
        ended.wait()
    while not ended.is_set():
        try:
            peer, _ = listener.accept()
        except OSError:
            break
        with peer, suppress(OSError):
            if manner in _WORDS:
                # A server of ssh speaks first, most others wait: say it unasked, then listen a little.
                peer.sendall(_WORDS[manner])
                peer.settimeout(0.2)
                peer.recv(4096)
