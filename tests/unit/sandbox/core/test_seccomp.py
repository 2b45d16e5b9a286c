"""The filter, run by a small machine of our own, and held against libseccomp where that is installed."""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import struct

import pytest

from reconciler.sandbox.seccomp import ALLOW, ARCHITECTURES, ERRNO, KILL, program
from reconciler.sandbox.syscalls import ABSENT, CEILING, FILTERED, MEMFD, REFUSED

MACHINES = list(ARCHITECTURES)


def run(code: bytes, machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """What the kernel would answer: classic BPF over ``struct seccomp_data``."""
    arch = ARCHITECTURES[machine] if audit is None else audit
    padded = [*arguments, *(0,) * (6 - len(arguments))]
    data = struct.pack("<iIQ6Q", number - (1 << 32) if number >= 1 << 31 else number, arch, 0, *padded)
    instructions = list(struct.iter_unpack("=HBBI", code))
    accumulator = at = 0
    while True:
        operation, yes, no, k = instructions[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, k)
        elif operation == 0x06:
            return int(k)
        elif operation == 0x05:
            at += k
        else:
            holds = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}[operation]
            at += yes if holds else no


def error(number: int) -> int:
    return ERRNO | number


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("memfd", [False, True])
def test_every_number_up_to_the_ceiling(machine: str, memfd: bool) -> None:
    column = MACHINES.index(machine)
    code = program(machine, memfd=memfd)
    wanted = {n[column]: error(errno.EPERM) for n in REFUSED.values()}
    wanted |= {n[column]: error(errno.ENOSYS) for n in ABSENT.values()}
    if not memfd:
        wanted |= {n[column]: error(errno.ENOSYS) for n in MEMFD.values()}
    filtered = {n[column] for n in FILTERED.values()}
    for number in range(CEILING + 40):
        if number not in filtered:
            absent = error(errno.ENOSYS) if number >= CEILING else ALLOW
            assert run(code, machine, number) == wanted.get(number, absent), number


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_out_of_the_ordinary(machine: str) -> None:
    code = program(machine)
    for number in (CEILING, 512, 547, 0x40000000, 0x40000000 + 101, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        assert run(code, machine, number) == error(errno.ENOSYS), hex(number)
    for audit in (0x40000003, 0xC0000028, 0, 0x40000028, *(a for m, a in ARCHITECTURES.items() if m != machine)):
        assert run(code, machine, 0, audit=audit) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_arguments(machine: str) -> None:
    column = MACHINES.index(machine)
    code = program(machine)

    def ask(name: str, *arguments: int) -> int:
        number = FILTERED[name][column]
        assert number is not None
        return run(code, machine, number, *arguments)

    refused = error(errno.EPERM)
    for bit in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert ask("clone", bit | 17) == refused
        assert ask("clone", bit | 17 | 1 << 40) == refused
    assert ask("clone", 0x3D0F00) == ALLOW
    assert ask("clone", 17) == ALLOW
    for request in (0x5412, 0x541C, 0x541D):
        assert ask("ioctl", 0, request) == refused
        assert ask("ioctl", 0, request | 1 << 32) == refused
    assert ask("ioctl", 0x5412, 0x5401) == ALLOW
    for wanted in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF):
        assert ask("personality", wanted) == ALLOW
    for other in (1, 0x40000, 0x20001, 0x400000):
        assert ask("personality", other) == refused
    for family in (1, 2, 10):
        assert ask("socket", family, 1, 0) == ALLOW
    assert ask("socket", 16, 3, 0) == ALLOW
    assert ask("socket", 16, 3, 9) == error(errno.EPROTONOSUPPORT)
    for family in (0, 3, 17, 29, 31, 38, 40, 44, 45):
        assert ask("socket", family, 1, 0) == error(errno.EAFNOSUPPORT)
    assert ask("socketpair", 1, 1, 0) == ALLOW
    assert ask("socketpair", 2, 1, 0) == error(errno.EAFNOSUPPORT)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_program_is_one_the_kernel_takes(machine: str) -> None:
    instructions = list(struct.iter_unpack("=HBBI", program(machine)))
    assert len(instructions) < 4096
    for at, (operation, yes, no, k) in enumerate(instructions):
        assert operation in (0x20, 0x05, 0x15, 0x35, 0x45, 0x06)
        if operation in (0x15, 0x35, 0x45):
            assert at + 1 + max(yes, no) < len(instructions)
        if operation == 0x05:
            assert at + 1 + k < len(instructions)
        if operation == 0x20:
            assert k % 4 == 0
            assert k < 64
    assert instructions[-1][0] == 0x06


def test_other_machines_have_none() -> None:
    with pytest.raises(ValueError, match="no system call filter for riscv64; there are x86_64 and aarch64"):
        program("riscv64")


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_those_of_libseccomp(machine: str) -> None:
    found = ctypes.util.find_library("seccomp")
    if found is None:
        pytest.skip("libseccomp isn't installed")
    library = ctypes.CDLL(found)
    resolve = library.seccomp_syscall_resolve_name_arch
    resolve.argtypes, resolve.restype = (ctypes.c_uint32, ctypes.c_char_p), ctypes.c_int
    unknown = []
    for name, numbers in {**REFUSED, **ABSENT, **MEMFD, **FILTERED}.items():
        theirs = resolve(ARCHITECTURES[machine], name.encode())
        ours = numbers[MACHINES.index(machine)]
        if theirs == -1:
            unknown.append(name)
        elif theirs < 0:
            assert ours is None, f"{name} isn't there on {machine}, we say {ours}"
        else:
            assert ours == theirs, name
    assert len(unknown) <= 4, f"too many names that libseccomp doesn't know: {unknown}"
