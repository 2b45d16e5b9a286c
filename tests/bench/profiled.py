"""Run the command line under cProfile: ``python -m tests.bench.profiled FILE worker ...``. The thread of the event loop
is written to FILE, the clerk's to FILE.clerk."""

from __future__ import annotations

import cProfile
import sys
from typing import Any


def main() -> None:
    """Profile both threads."""
    from reconciler.cli.main import cli

    target = sys.argv[1]
    sys.argv = ["gitops", *sys.argv[2:]]

    from reconciler.flows.work.clerk import Clerk

    run = Clerk.run

    def profiled(self: Any) -> None:
        profile = cProfile.Profile()
        try:
            profile.runcall(run, self)
        finally:
            profile.dump_stats(f"{target}.clerk")

    Clerk.run = profiled  # type: ignore[method-assign]
    profile = cProfile.Profile()
    try:
        profile.runcall(cli.main)
    finally:
        profile.dump_stats(target)


if __name__ == "__main__":
    main()
