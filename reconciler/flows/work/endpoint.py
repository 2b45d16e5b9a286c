"""``/metrics``, ``/healthz`` and ``/readyz``: three pages for machines, of a server that knows nothing else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

from reconciler.base.errors import GitopsError

Page = Callable[[], tuple[int, str, str]]
"""Status, content type and text."""
_PATIENCE = 5.0
_LONGEST = 16_384
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}
PLAIN = "text/plain; charset=utf-8"


class Endpoint:
    """One small answer for each connection."""

    def __init__(self, pages: dict[str, Page]) -> None:
        self._pages = pages
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> str:
        """Listen; returns the address people can open. Raises ``GitopsError``."""
        try:
            self._server = await asyncio.start_server(self._serve, host or None, port, limit=_LONGEST)
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
            raise GitopsError(
                f"the metrics can't be served on {host or '*'}:{port}: {why}", hint="name another --metrics HOST:PORT"
            ) from error
        bound = self._server.sockets[0].getsockname()
        name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        return f"http://{name}:{bound[1]}"

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head))
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # whoever asks like this gets no answer
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        page = self._pages.get(path)
        if method not in ("GET", "HEAD"):
            status, kind, text = 405, PLAIN, "only GET\n"
        elif page is None:
            status, kind, text = 404, PLAIN, f"there is {', '.join(self._pages)}\n"
        else:
            status, kind, text = page()
        body = text.encode()
        lines = (
            f"HTTP/1.1 {status} {_REASONS[status]}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == "HEAD" else body)
