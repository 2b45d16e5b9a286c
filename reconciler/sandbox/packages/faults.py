"""What goes wrong with managed packages.

::

    GitopsError
    └── PackagesError              the allow list, the lock file, or a build of them
        └── PackagesNotReady       a run wants them and there is nothing to bind yet
"""

from __future__ import annotations

from reconciler.base.errors import GitopsError


class PackagesError(GitopsError):
    """The allow list or the lock can't be used, or the packages can't be built. What was built before is intact."""


class PackagesNotReady(PackagesError):
    """There is no set of packages to bind. ``state``: pending, syncing or error."""

    def __init__(self, state: str, why: str) -> None:
        super().__init__(f"the script packages are not ready ({state}): {why}", hint="run gitops packages sync")
        self.state = state
