"""The executor as an operator has configured it: where runs may connect to, where secrets are, how scripts are held.

All of it by variables of the process and the store's settings; nothing of it can be said in a repository.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.base.errors import UsageError
from reconciler.execute.egress import Guard
from reconciler.execute.executor import Executor
from reconciler.execute.port import Strategy, Unobservable
from reconciler.execute.prepare import Prepared
from reconciler.flows.sandbox import policy_of, stored_policy
from reconciler.flows.secrets import make_resolver
from reconciler.flows.supply import StoreSupplied, Supplied
from reconciler.sandbox.packages.folder import Packages
from reconciler.sandbox.policy import SandboxPolicy
from reconciler.secrets.resolver import Resolver
from reconciler.store.database import MEMORY
from reconciler.store.port import Reader
from reconciler.versioning.stored import current

if TYPE_CHECKING:
    from reconciler.sandbox.capabilities import Capabilities
    from reconciler.sandbox.run import Sandbox
    from reconciler.sandbox.spawner import Spawner
    from reconciler.secrets.encrypted import Rows

EGRESS = "GITOPS_EGRESS_DENY"
PACKAGES = "GITOPS_PACKAGES"
SCRIPTS = "GITOPS_SCRIPTS_AT_ONCE"
_MOST_SCRIPTS = 1000
_PACKAGES_FOLDER = ".gitops/packages"
NO_POLICY = "the policy for scripts hasn't come yet, and without one none is run"
REMEMBERED = 300.0
"""Seconds for which a policy that was read holds while the store is away. Scripts that may reach some hosts would fail
under a stricter one, and say that their targets are down."""


class Held(NamedTuple):
    """How scripts are held here. ``banner`` is to be shown at a worker's start, where there is something to say."""

    policy: SandboxPolicy
    capabilities: Capabilities
    banner: str | None


class ConfiguredExecutor(Executor):
    """An executor that owns what it was configured with, and gives it back when it is closed."""

    def __init__(self, resolver: Resolver, guard: Guard, sandboxes: Sandboxes, *, at_once: int | None) -> None:
        super().__init__(resolver, guard, factories={"script": partial(_script, sandboxes, at_once)})
        self.resolver, self.guard, self.sandboxes = resolver, guard, sandboxes

    def prepare(self, body: bytes) -> Prepared:
        """What another release stored is brought to this one's form first. Raises ``ValueError`` where it can't be."""
        return super().prepare(current(body))

    async def aclose(self) -> None:
        """Also ends the process that starts scripts, and closes the connection to the store."""
        await super().aclose()
        await asyncio.to_thread(self.sandboxes.close)


class Sandboxes:
    """Implements :class:`reconciler.execute.script.Sandboxes`: all runs share one spawner, and each asks which
    policy holds by then, as the store says. Until the first one has come, nothing runs. What came and can't be read is
    the strictest one, and so is what can't be had any more for long."""

    def __init__(self, policy: SandboxPolicy | Supplied, packages: Packages | None) -> None:
        self.packages = packages
        self._policy = policy
        self._lock = threading.Lock()
        self._spawner: Spawner | None = None
        self._closed = False
        self._made: tuple[str | None, Sandbox] | None = None
        self._read: tuple[str | None, float] | None = None

    def current(self) -> Sandbox:
        """The sandbox of the policy that holds now; the same one as long as the policy is the same. Raises
        ``Unobservable`` until the first one has come."""
        mark, text, failure = self._asked()
        if self._read is None and failure is not None:
            raise Unobservable(NO_POLICY) from failure
        return self._sandbox(mark, text, failure)

    def _sandbox(self, mark: str | None, text: str | None, failure: Exception | None) -> Sandbox:
        from reconciler.sandbox.run import Sandbox

        with self._lock:
            if self._closed:
                raise Unobservable("the worker ends, and no script begins any more")
            if self._made is None or self._made[0] != mark:

                def provide() -> SandboxPolicy:
                    if failure is not None:
                        raise failure
                    return self._policy if isinstance(self._policy, SandboxPolicy) else policy_of(text)

                self._made = (mark, Sandbox.provided(provide, self._started()))
            return self._made[1]

    def held(self) -> Held:
        """What holds for scripts on this host. Blocks for a second where the host wasn't probed yet."""
        from reconciler.sandbox.banner import banner

        sandbox = self._sandbox(*self._asked())
        found = sandbox.capabilities
        return Held(sandbox.policy, found, banner(sandbox.policy, found))

    def close(self) -> None:
        """End everything that still runs. Blocks until it is gone."""
        with self._lock:
            self._closed = True
            if self._spawner is not None:
                self._spawner.close()
                self._spawner, self._made = None, None
        if not isinstance(self._policy, SandboxPolicy):
            self._policy.close()

    def _asked(self) -> tuple[str | None, str | None, Exception | None]:
        """(what tells one policy from another, the stored text, why it can't be had)."""
        if isinstance(self._policy, SandboxPolicy):
            return None, None, None
        try:
            text = self._policy.policy()
        except Exception as error:
            if self._read is not None and time.monotonic() - self._read[1] < REMEMBERED:
                return self._read[0], self._read[0], None
            return f"unreadable: {type(error).__name__}", None, error
        self._read = (text, time.monotonic())
        return text, text, None

    def _started(self) -> Spawner:
        from reconciler.sandbox.spawner import Spawner

        if self._spawner is None:
            self._spawner = Spawner()
        return self._spawner


def make_executor(what: Reader | SandboxPolicy, environ: Mapping[str, str]) -> ConfiguredExecutor:
    """An executor of a store's runs, or of runs without any store under a given policy.

    May be called by any thread; of a reader only its address is used (and its policy, for one in memory). Raises what
    :func:`executor_of` raises.
    """
    if isinstance(what, SandboxPolicy):
        return executor_of(what, environ)
    return executor_of(stored_policy(what) if what.where == MEMORY else StoreSupplied(what.address), environ)


def executor_of(what: Supplied | SandboxPolicy, environ: Mapping[str, str]) -> ConfiguredExecutor:
    """An executor of what is supplied, or of runs without anything but a policy. Closes what it was given.

    Needs a running event loop no sooner than its first run. Raises :class:`UsageError` for a variable that makes no
    sense, and ``SecretsError`` for a master key that can't be used.
    """

    def rows() -> Rows:
        if not isinstance(what, SandboxPolicy):
            return what.secrets()
        raise UsageError("GITOPS_SECRETS names the store, and there is none here", hint="use env, or dir:/path")

    resolver = make_resolver(environ, rows)
    guard, at_once, packages = egress_guard(environ), _at_once(environ), _packages(environ)
    return ConfiguredExecutor(resolver, guard, Sandboxes(what, packages), at_once=at_once)


def egress_guard(environ: Mapping[str, str]) -> Guard:
    """The guard with the operator's networks on top. Raises :class:`UsageError` for what is no network."""
    denied = [part.strip() for part in environ.get(EGRESS, "").split(",") if part.strip()]
    for network in denied:
        try:
            ip_network(network, strict=False)
        except ValueError:
            raise UsageError(
                f"{EGRESS} can't be used: {network!r} is no network",
                hint="write networks with commas: 10.0.0.0/8, fd00::/8",
            ) from None
    return Guard(denied)


def _script(sandboxes: Sandboxes, at_once: int | None) -> Strategy:
    from reconciler.execute.script import Script

    return Script(sandboxes, at_once=at_once)


def _at_once(environ: Mapping[str, str]) -> int | None:
    text = environ.get(SCRIPTS, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST_SCRIPTS):
        raise UsageError(f"{SCRIPTS} can't be used: {text!r} is no whole number from 1 to {_MOST_SCRIPTS}")
    return int(text)


def _packages(environ: Mapping[str, str]) -> Packages | None:
    """The folder that is named, ready or not; without a name the default one, where it is there."""
    named = environ.get(PACKAGES)
    if named:
        return Packages(Path(named))
    return Packages(Path(_PACKAGES_FOLDER)) if Path(_PACKAGES_FOLDER).is_dir() else None
