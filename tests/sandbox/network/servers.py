"""Listeners of a test's own network namespace: ``servers.py LOG ADDRESS@PORT...``; TCP says hello, UDP echoes.
At port 8090 TCP returns everything once the visitor has said it all.

Whoever comes is written to LOG, so that a test can tell a refusal from a silence.
"""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path


def tcp(address: str, port: int, log: Path) -> None:
    listener = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    threading.Thread(target=accept, args=(listener, f"tcp {address} {port}\n", log)).start()


def accept(listener: socket.socket, line: str, log: Path) -> None:
    while True:
        visitor, _ = listener.accept()
        with log.open("a") as file:
            file.write(line)
        if " 8090" in line:
            threading.Thread(target=back, args=(visitor,)).start()
            continue
        visitor.sendall(b"hello")
        visitor.close()


def back(visitor: socket.socket) -> None:
    said = bytearray()
    while data := visitor.recv(1 << 16):
        said += data
    visitor.sendall(said)
    visitor.close()


def udp(address: str, port: int, log: Path) -> None:
    found = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    found.bind((address, port))
    threading.Thread(target=echo, args=(found, f"udp {address} {port}\n", log)).start()


def echo(found: socket.socket, line: str, log: Path) -> None:
    while True:
        data, sender = found.recvfrom(2048)
        with log.open("a") as file:
            file.write(line)
        found.sendto(data, sender)


for place in sys.argv[2:]:
    where, _, number = place.rpartition("@")
    tcp(where, int(number), Path(sys.argv[1]))
    udp(where, int(number), Path(sys.argv[1]))
print("ready", flush=True)
