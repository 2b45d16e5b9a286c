"""Work in a process of its own, which may be one without rights."""

from __future__ import annotations

import os
from collections.abc import Callable

NOBODY = 65534


def in_a_child(work: Callable[[], str], *, unprivileged: bool = False) -> str:
    """What ``work`` says in a process of its own; the name and the message of an exception that leaves it."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            if unprivileged and os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            try:
                said = work()
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
            os.write(write, said.encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said
