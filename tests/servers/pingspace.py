"""Runs pings in a network namespace of their own, whose kernel may or may not let processes ping, and may or may not
reply. Started as a program by the tests: ``python pingspace.py MODE REPLIES JSON``.

``MODE``: ``kernel`` (ping sockets are allowed), ``raw`` (raw sockets only), ``neither``. ``REPLIES``: ``kernel``,
``none``, or the name of a way to reply (see ``REPLIES``), for which an echo server of our own takes the kernel's place.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Packet = tuple[int, int, bytes]
"""The identifier, the number and the data of an echo request or reply."""


def _other_id(p: Packet) -> Iterable[Packet]:
    return ((p[0] ^ 1, p[1], p[2]),)


REPLIES: dict[str, Callable[[Packet], Iterable[Packet]]] = {
    "even": lambda p: (p,) if p[1] % 2 == 0 else (),
    "twice": lambda p: (p, p),
    "other-id": _other_id,
    "other-data": lambda p: ((p[0], p[1], b"\x00" * len(p[2])),),
    "other-number": lambda p: ((p[0], p[1] + 1000, p[2]),),
    "short": lambda p: ((p[0], p[1], b""),),
    "flood": lambda p: ((p[0], p[1] + 1000, p[2]) for _ in range(20_000)),
}


def ping(mode: str, replies: str, own: dict[str, Any], **config: Any) -> dict[str, Any]:
    """Run one collector's config in a new namespace; what it found, or its failure, as plain data."""
    started = [sys.executable, __file__, mode, replies, json.dumps([config, own])]
    namespaces = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    done = subprocess.run([*namespaces, *started], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _serve(sock: socket.socket, reply: Callable[[Packet], Iterable[Packet]]) -> None:
    with sock:
        while True:
            data, source = sock.recvfrom(70_000)
            data = data[(data[0] & 0x0F) * 4 :]
            if data[0] != 8:
                continue
            identifier, number = struct.unpack("!HH", data[4:8])
            for packet in reply((identifier, number, data[8:])):
                sock.sendto(_echo_reply(*packet), source)


def _echo_reply(identifier: int, number: int, data: bytes) -> bytes:
    body = struct.pack("!HH", identifier, number % 65_536) + data
    padded = b"\x00\x00\x00\x00" + body + b"\x00" * (len(body) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!BBH", 0, 0, ~total & 0xFFFF) + body


def _settle(mode: str, replies: str) -> None:
    """Set the namespace up."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    kernel = Path("/proc/sys/net")
    if mode == "kernel":
        # A new namespace lets nobody; and outside of the group that is mapped into it, nothing can be written.
        (kernel / "ipv4/ping_group_range").write_text("0 0\n")
    if replies != "kernel":
        (kernel / "ipv4/icmp_echo_ignore_all").write_text("1\n")
        (kernel / "ipv6/icmp/echo_ignore_all").write_text("1\n")
    if replies in REPLIES:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        threading.Thread(target=_serve, args=(sock, REPLIES[replies]), daemon=True).start()


def _forget_capabilities() -> None:
    """Without CAP_NET_RAW, as ordinary processes are: the bounding set holds for what is started next."""
    arguments = [sys.executable, __file__, "neither-inside", "kernel", sys.argv[3]]
    os.execvp("setpriv", ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", *arguments])


def main() -> None:
    """What the tests start."""
    sys.path.insert(0, str(ROOT))
    from reconciler.execute.egress import Address
    from reconciler.execute.ping import Ping
    from reconciler.execute.ping_socket import Echo
    from reconciler.execute.port import Failed, Unobservable
    from tests.servers.peers import observe, open_sockets

    mode, replies, given = sys.argv[1:]
    if mode == "neither":
        _settle(mode, replies)
        _forget_capabilities()
    if mode != "neither-inside":
        _settle(mode, replies)
    config, own = json.loads(given)

    async def run() -> dict[str, Any]:
        before = open_sockets()
        try:
            if "cancel" in config:
                await _cancelled(observe(Ping(), "ping.ping", {}, own))
                return {}
            return (await observe(Ping(), "ping.ping", config, own))._asdict()
        except (Failed, Unobservable) as error:
            return {"failure": error.sentence, "kind": type(error).__name__}
        finally:
            assert open_sockets() == before

    async def _cancelled(running: Coroutine[Any, Any, Any]) -> None:
        before = open_sockets()
        task = asyncio.create_task(running)
        while open_sockets() == before:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()

    found = asyncio.run(run())
    if "failure" not in found:
        echo = Echo(Address(socket.AF_INET, "127.0.0.1", 0), 8)
        found["kernel"] = not echo._icmp.is_privileged
        echo.close()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
