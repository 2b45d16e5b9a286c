"""The filter of system calls, assembled here: no library, and the same program for the same question.

A list of refusals rather than of permissions, so that ordinary programs run unchanged; what rots in such lists is cut
off by the ceiling: a number above the reviewed ones isn't there. The numbers are searched by halves, because the kernel
runs the program for each of them when it is loaded.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from functools import cache

from reconciler.sandbox.syscalls import ABSENT, CEILING, FILTERED, MEMFD, REFUSED, Numbers

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _JUMP, _JEQ, _JGE, _JSET, _RET = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_CLONE_NEW = 0x7E020080
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_TIOCSTI, _TIOCLINUX, _TIOCCONS = 0x5412, 0x541C, 0x541D
_PERSONALITIES = (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)
Instruction = tuple[int, int, int, int]
Code = tuple[Instruction, ...]


@cache
def program(machine: str, *, memfd: bool = False) -> bytes:
    """The filter for a machine (``platform.machine()``), as the kernel takes it. ``memfd``: allow memory files.

    Raises ``ValueError`` for a machine whose numbers weren't reviewed.
    """
    if machine not in ARCHITECTURES:
        raise ValueError(f"no system call filter for {machine}; there are {' and '.join(ARCHITECTURES)}")
    column = list(ARCHITECTURES).index(machine)
    head = (
        (_LOAD, 0, 0, _ARCH),
        (_JEQ, 1, 0, ARCHITECTURES[machine]),
        (_RET, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER),
    )
    code = head + _search(_ranges(_leaves(column, memfd=memfd)))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _leaves(column: int, *, memfd: bool) -> dict[int, Code]:
    """Number -> what is done, for all that isn't simply allowed."""
    found: dict[int, Code] = {}

    def put(numbers: Numbers, code: Code) -> None:
        number = numbers[column]
        if number is not None:
            found[number] = code

    for numbers in REFUSED.values():
        put(numbers, _error(errno.EPERM))
    for numbers in (*ABSENT.values(), *(() if memfd else MEMFD.values())):
        put(numbers, _error(errno.ENOSYS))
    for name, code in _by_argument().items():
        put(FILTERED[name], code)
    return found


def _by_argument() -> dict[str, Code]:
    """Only the low 32 bits are compared: the kernel looks at no more of these arguments."""
    allow, refuse = _return(ALLOW), _error(errno.EPERM)
    terminal = (_TIOCSTI, _TIOCLINUX, _TIOCCONS)
    route_only = (*_argument(2), *_if_equal((0,), allow), *_error(errno.EPROTONOSUPPORT))
    return {
        "clone": (*_argument(0), (_JSET, 0, 1, _CLONE_NEW), *refuse, *allow),
        "ioctl": (*_argument(1), *_if_equal(terminal, refuse), *allow),
        "personality": (*_argument(0), *_if_equal(_PERSONALITIES, allow), *refuse),
        "socket": (
            *_argument(0),
            *_if_equal((_UNIX, _INET, _INET6), allow),
            *_if_equal((_NETLINK,), route_only),
            *_error(errno.EAFNOSUPPORT),
        ),
        "socketpair": (*_argument(0), *_if_equal((_UNIX,), allow), *_error(errno.EAFNOSUPPORT)),
    }


def _return(value: int) -> Code:
    return ((_RET, 0, 0, value),)


def _error(number: int) -> Code:
    return _return(ERRNO | number)


def _argument(index: int) -> Code:
    return ((_LOAD, 0, 0, _ARGUMENTS + 8 * index),)


def _if_equal(values: Sequence[int], code: Code) -> Code:
    """``code`` (which ends the program) where the loaded word is one of ``values``."""
    tests = tuple((_JEQ, len(values) - 1 - i, 0 if i < len(values) - 1 else len(code), v) for i, v in enumerate(values))
    return tests + code


def _ranges(leaves: dict[int, Code]) -> list[tuple[int, Code]]:
    """(first number, what is done) in ascending order; each goes up to the next."""
    allow, absent = _return(ALLOW), _error(errno.ENOSYS)
    out: list[tuple[int, Code]] = []
    for number in range(CEILING + 1):
        code = absent if number == CEILING else leaves.get(number, allow)
        if not out or out[-1][1] != code:
            out.append((number, code))
    return out


def _search(ranges: list[tuple[int, Code]]) -> Code:
    """Halve until one range is left. A conditional jump reaches 255 instructions, a plain one any number."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    left, right = _search(ranges[:middle]), _search(ranges[middle:])
    first = ranges[middle][0]
    if len(left) <= 255:
        return ((_JGE, len(left), 0, first), *left, *right)
    return ((_JGE, 0, 1, first), (_JUMP, 0, 0, len(left)), *left, *right)
