"""Plan and commit under the lock, or commit exactly what was reviewed."""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.base.errors import StalePlan
from reconciler.flows.readers import check_workers
from reconciler.model.plan import Plan
from reconciler.store.port import Writer


@dataclass(frozen=True, slots=True)
class Actor:
    """Who applies. In CI the account that started the job says more than the account it runs as."""

    name: str
    host: str

    @staticmethod
    def here() -> Actor:
        """From ``GITOPS_ACTOR``, the variables that CI services set, or the account."""
        for variable in ("GITOPS_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"):
            if os.environ.get(variable):
                # What isn't UTF-8 comes as half characters, which no store can keep.
                name = os.environ[variable].encode("utf-8", "replace").decode()
                return Actor(name, socket.gethostname())
        try:
            return Actor(getpass.getuser(), socket.gethostname())
        except (KeyError, OSError):  # an account without a name, as in many containers
            return Actor(f"uid {os.getuid()}", socket.gethostname())


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did. ``generation`` is the newest; ``plan`` what was committed, or would have been."""

    plan: Plan
    generation: int
    committed: bool
    seconds: float


def apply_planned(
    store: Writer,
    plan: Callable[[], Plan],
    *,
    actor: Actor,
    lock_timeout: float,
    confirm: Callable[[Plan], bool] | None = None,
    waiting: Callable[[str], None] | None = None,
    old_workers: bool = False,
) -> Applied:
    """Take the lock, make the plan, ask, commit.

    The lock is taken before planning, so that of two applies at once the second plans against what the first left.
    ``confirm`` is asked only when something is pending, ``waiting`` told who holds the lock if it is held. Raises what
    ``plan`` raises, ``LockHeld``, ``StoreError``, and ``PlanRefused`` where live workers are too old to read what would
    be written, unless ``old_workers`` says that they may be.
    """
    started = time.monotonic()
    with store.lock(actor=actor.name, timeout=lock_timeout, waiting=waiting):
        made = plan()
        if not old_workers:
            check_workers(store, made)
        if made.pending and confirm is not None and not confirm(made):
            return Applied(made, made.base, False, time.monotonic() - started)
        return _commit(store, made, actor, started)


def apply_reviewed(
    store: Writer,
    plan: Plan,
    *,
    actor: Actor,
    lock_timeout: float,
    waiting: Callable[[str], None] | None = None,
    old_workers: bool = False,
) -> Applied:
    """Commit a saved plan exactly, or raise ``StalePlan`` when the store has moved on since.

    ``old_workers``: see :func:`apply_planned`.
    """
    started = time.monotonic()
    with store.lock(actor=actor.name, timeout=lock_timeout, waiting=waiting):
        now = store.generation()
        if now != plan.base:
            raise StalePlan(plan.base, now)
        if not old_workers:
            check_workers(store, plan)
        return _commit(store, plan, actor, started)


def _commit(store: Writer, plan: Plan, actor: Actor, started: float) -> Applied:
    generation = store.apply(plan, actor=actor.name, host=actor.host, started=started)
    return Applied(plan, generation, plan.pending, time.monotonic() - started)
