"""The kernel's questions about connect(): reading them, looking at what was asked, answering. x86_64 and aarch64.

What a question points to lies in the memory of the one who asks, and may change right after it was read. So an answer
here never grants anything: it only lets a call go on inside a namespace that leads nowhere but to our own listeners.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

from reconciler.sandbox.network.ranges import Address

_RECEIVE, _SEND, _VALID = 0xC0502100, 0xC0182101, 0x40082102
_QUESTION: Final = struct.Struct("=QIIiIQ6Q")
_ANSWER: Final = struct.Struct("=QqiI")
_CONTINUE: Final = 1
_PIDFD_GETFD: Final = 438
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class Question(NamedTuple):
    """One connect() that waits for an answer. ``pid`` is that of the thread, as we see it."""

    ident: int
    pid: int
    descriptor: int
    pointer: int
    length: int


class Target(NamedTuple):
    """Where it wants to go; an IPv4 address inside IPv6 is taken for what it is."""

    address: Address
    port: int


def waits(listener: int) -> bool:
    """Whether there is a question. Readable alone doesn't say so: it may mean that nobody is left to ask, and then
    older kernels would let :func:`receive` wait for ever."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return any(events & select.POLLIN for _, events in poll.poll(0))


def receive(listener: int) -> Question | None:
    """The next question; None when whoever asked is gone. Call when ``listener`` is readable."""
    buffer = bytearray(_QUESTION.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, buffer)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINTR):
            return None
        raise
    ident, pid, _, _, _, _, descriptor, pointer, length, *_ = _QUESTION.unpack(buffer)
    return Question(ident, pid, descriptor & 0xFFFFFFFF, pointer, length & 0xFFFFFFFF)


def go_on(listener: int, question: Question) -> None:
    """Let the kernel do what was asked for."""
    _answer(listener, question, 0, _CONTINUE)


def refuse(listener: int, question: Question, number: int) -> None:
    """The call fails with that error."""
    _answer(listener, question, -number, 0)


def target(listener: int, question: Question) -> Target | None:
    """Where a TCP connection is wanted to; None when it is something else (another family, datagrams).

    Raises ``OSError`` when it can't be found out: then the question must be refused.
    """
    with open(f"/proc/{question.pid}/mem", "rb", buffering=0) as memory:
        memory.seek(question.pointer)
        raw = memory.read(min(question.length, 28))
    # The number may have gone to another process while we looked.
    fcntl.ioctl(listener, _VALID, struct.pack("=Q", question.ident))
    family = int.from_bytes(raw[:2], "little") if len(raw) >= 2 else 0
    if family == socket.AF_INET and len(raw) >= 8:
        found: Address = IPv4Address(raw[4:8])
    elif family == socket.AF_INET6 and len(raw) >= 24:
        six = IPv6Address(raw[8:24])
        found = six.ipv4_mapped or six
    else:
        return None
    if not _is_stream(listener, question):
        return None
    return Target(found, int.from_bytes(raw[2:4], "big"))


def _is_stream(listener: int, question: Question) -> bool:
    """Resolvers connect datagram sockets only to learn a source address; such calls must not become connections."""
    with open(f"/proc/{question.pid}/status", encoding="utf-8", errors="replace") as file:
        group = next(int(line.split()[1]) for line in file if line.startswith("Tgid:"))
    process = os.pidfd_open(group)
    try:
        copied = _LIBC.syscall(_PIDFD_GETFD, process, question.descriptor, 0)
        if copied < 0:
            raise OSError(ctypes.get_errno(), "the socket can't be looked at")
    finally:
        os.close(process)
    with socket.socket(fileno=copied) as found:
        return found.type == socket.SOCK_STREAM


def _answer(listener: int, question: Question, error: int, flags: int) -> None:
    with suppress(OSError):
        fcntl.ioctl(listener, _SEND, _ANSWER.pack(question.ident, 0, error, flags))
