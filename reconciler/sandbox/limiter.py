"""A program of a few hundred bytes that sets limits and becomes its first argument; prlimit without its libraries.

Loading prlimit and what it is linked with takes a tenth of a whole sandboxed run. Written out as machine code, because
no compiler can be asked for where this runs; only for x86_64, and everything else goes through prlimit. The self-test
runs it like any script does, so a limit that it failed to set would be found out.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from reconciler.sandbox.limits import Limit

MACHINE = "x86_64"
FAILED = 125
COMPLAINT = b"sandbox: a limit can't be set\n"
_MISSING = b"sandbox: the command can't be executed\n"
_BASE = 0x400000
_HEADERS = 64 + 56


def program(limits: Sequence[Limit]) -> bytes:
    """The executable. It exits with 127 when its argument can't be executed, with :data:`FAILED` for a limit."""
    rows = (struct.pack("<qQQ", limit.number, limit.soft, limit.hard) for limit in limits)
    table = b"".join(rows) + struct.pack("<q", -1)
    text = _code(0, 0, 0)
    code = _code(len(text), len(text) + len(table), len(text) + len(table) + len(COMPLAINT))
    content = code + table + COMPLAINT + _MISSING
    size = _HEADERS + len(content)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        *(2, 62, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0),
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + content


def _code(table: int, complaint: int, missing: int) -> bytes:
    """The offsets are those of the data behind the code. rbx walks the table; a negative number ends it."""

    def relative(target: int, after: int) -> bytes:
        return struct.pack("<i", target - after)

    out = b"\x48\x8d\x1d" + relative(table, 7)  # lea rbx, [rip + table]
    loop = len(out)
    body = (
        b"\x8b\x33\x85\xf6\x78\x1a"  # mov esi, [rbx]; test esi, esi; js done
        b"\x48\x8d\x53\x08\x31\xff\x45\x31\xd2"  # lea rdx, [rbx + 8]; xor edi, edi; xor r10d, r10d
        b"\xb8\x2e\x01\x00\x00\x0f\x05"  # mov eax, 302 (prlimit64); syscall
        b"\x85\xc0\x75\x33"  # test eax, eax; jnz failed
        b"\x48\x83\xc3\x18"  # add rbx, 24
    )
    out += body + b"\xeb" + struct.pack("<b", loop - (loop + len(body) + 2))  # jmp loop
    out += (
        b"\x48\x8b\x0c\x24\x48\x8b\x7c\x24\x10"  # done: mov rcx, [rsp]; mov rdi, [rsp + 16]
        b"\x48\x8d\x74\x24\x10\x48\x8d\x54\xcc\x10"  # lea rsi, [rsp + 16]; lea rdx, [rsp + rcx * 8 + 16]
        b"\xb8\x3b\x00\x00\x00\x0f\x05"  # mov eax, 59 (execve); syscall
    )
    out += b"\xbb\x7f\x00\x00\x00\xba" + struct.pack("<i", len(_MISSING))  # mov ebx, 127; mov edx, length
    address = len(out) + 7
    out += b"\x48\x8d\x35" + relative(missing, address) + b"\xeb\x11"  # lea rsi, [rip + missing]; jmp say
    out += b"\xbb" + struct.pack("<i", FAILED) + b"\xba" + struct.pack("<i", len(COMPLAINT))  # failed: mov ebx; mov edx
    address = len(out) + 7
    out += b"\x48\x8d\x35" + relative(complaint, address)  # lea rsi, [rip + complaint]
    return out + (
        b"\xbf\x02\x00\x00\x00\xb8\x01\x00\x00\x00\x0f\x05"  # say: mov edi, 2; mov eax, 1 (write); syscall
        b"\x89\xdf\xb8\x3c\x00\x00\x00\x0f\x05"  # mov edi, ebx; mov eax, 60 (exit); syscall
    )
