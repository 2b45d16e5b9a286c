"""The addresses of this host, read from the kernel: a script may reach them only where somebody listed them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from reconciler.sandbox.network.ranges import Address

_GET_ADDRESS, _NEW_ADDRESS, _DONE, _ERROR = 22, 20, 3, 2
_REQUEST_DUMP: Final = 0x301
_ATTRIBUTE_ADDRESS, _ATTRIBUTE_LOCAL = 1, 2
_HEADER: Final = struct.Struct("=IHHII")
_MESSAGE_BYTES: Final = 8


def own_addresses() -> frozenset[Address]:
    """Every address of every interface in our network namespace, loopback included. Raises ``OSError``.

    Read anew each time: interfaces come and go while a worker runs.
    """
    found: set[Address] = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as link:
        link.settimeout(2)
        link.bind((0, 0))
        link.sendall(_HEADER.pack(_HEADER.size + _MESSAGE_BYTES, _GET_ADDRESS, _REQUEST_DUMP, 1, 0) + bytes(8))
        while True:
            data = link.recv(1 << 17)
            for kind, body in _messages(data):
                if kind == _DONE:
                    return frozenset(found)
                if kind == _ERROR:
                    raise OSError(-struct.unpack_from("=i", body)[0], "the kernel doesn't list our addresses")
                if kind == _NEW_ADDRESS:
                    found.update(_addresses(body))


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, offset)
        yield kind, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _addresses(body: bytes) -> Iterator[Address]:
    """Both attributes: on a point-to-point link the first is the peer's, and the peer isn't us."""
    attributes: dict[int, bytes] = {}
    offset = _MESSAGE_BYTES
    while offset + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, offset)
        attributes[kind] = body[offset + 4 : offset + length]
        offset += max((length + 3) & ~3, 4)
    raw = attributes.get(_ATTRIBUTE_LOCAL, attributes.get(_ATTRIBUTE_ADDRESS))
    if raw is not None and body[0] in (socket.AF_INET, socket.AF_INET6):
        yield ip_address(raw)
