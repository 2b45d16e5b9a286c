"""Runs inside the sandbox before the script, where no tun device can be had. Standard library only, given as text.

Makes the listeners that destinations end at inside, installs a filter that asks the supervisor about every connect(),
hands both out, and becomes the command once the supervisor has them. The modules around ``_socket`` and ``signal`` take
seven milliseconds to import, and a script waits for us. Arguments: the channel's descriptor, the listeners as
``[address]:port`` separated by commas, and the command. Nothing here has a right that the script won't have.
"""

from __future__ import annotations

import _socket
import ctypes
import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_SECCOMP, _CONNECT = {"x86_64": (317, 42), "aarch64": (277, 203)}[os.uname().machine]
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_IGNORED = (13, 25)
"""SIGPIPE and SIGXFSZ: Python ignores them, and a program would inherit that."""
_LIBC = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _listener(place: str) -> _socket.socket:
    address, _, port = place.rpartition(":")
    address = address.strip("[]")
    family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
    found = _socket.socket(family, _socket.SOCK_STREAM)
    if family == _socket.AF_INET6:
        found.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
    found.bind((address, int(port)))
    found.listen(128)
    return found


def _ask_about_connect() -> int:
    """The descriptor on which the kernel asks; the filter before this one has refused foreign architectures already."""
    steps = ((0x20, 0, 0, 0), (0x15, 0, 1, _CONNECT), (0x06, 0, 0, _ASK), (0x06, 0, 0, _ALLOW))
    program = b"".join(struct.pack("=HBBI", *step) for step in steps)
    described = _Program(len(steps), program)
    listener: int = _LIBC.syscall(_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(described))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "the filter can't be installed")
    return listener


def _give_up(why: str, code: int = 125) -> NoReturn:
    os.write(2, f"sandbox: {why}\n".encode())
    os._exit(code)


def main() -> None:
    """Never returns when all is well."""
    channel = _socket.socket(fileno=int(sys.argv[1]))
    try:
        listeners = [_listener(place) for place in sys.argv[2].split(",")]
        notify = _ask_about_connect()
    except OSError as error:
        _give_up(f"the gate can't be made: {error}")
    handed = [notify, *(listener.fileno() for listener in listeners)]
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack(f"={len(handed)}i", *handed))
    channel.sendmsg([b"+"], [rights])
    if channel.recv(1) != b"+":
        _give_up("the supervisor doesn't answer")
    channel.close()
    for number in _IGNORED:
        _LIBC.signal(number, None)
    try:
        os.execvp(sys.argv[3], sys.argv[3:])
    except OSError as error:
        _give_up(f"{sys.argv[3]}: {error.strerror}", 127 if isinstance(error, FileNotFoundError) else 126)


main()
