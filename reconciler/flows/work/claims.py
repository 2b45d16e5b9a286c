"""The claims of one worker: made with all that their runs need, renewed while they go on, and given back in the end."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from reconciler.flows.work.handover import Ready, Recipes
from reconciler.flows.work.knobs import Knobs
from reconciler.store.executing import Claim

if TYPE_CHECKING:
    from reconciler.flows.subjects import Subjects
    from reconciler.store.executing import Executing

_NEVER = -1e9


class Claims:
    """Belongs to the clerk's thread. A claim is held from when it was made until what came of it is stored."""

    def __init__(self, worker: str, knobs: Knobs) -> None:
        self._worker, self._lease, self._regions = worker, knobs.lease, knobs.regions
        self._held: dict[int, tuple[Claim, float]] = {}
        self._recipes = Recipes()

    def take(self, executing: Executing, limit: int, *, grace: float = 0.0) -> list[Claim]:
        """Claim up to ``limit`` slices, longest due first. ``grace``: see the store's protocol."""
        claims = executing.claim(self._worker, limit, lease=self._lease, regions=self._regions, grace=grace)
        now = time.monotonic()
        for claim in claims:
            self._held[claim.lease] = (claim, now)
        return claims

    def equip(self, executing: Executing, subjects: Subjects, claims: list[Claim]) -> tuple[list[Ready], list[Claim]]:
        """With bodies and names; and those whose slice is gone meanwhile."""
        new = [c.key for c in claims if self._recipes.get(c.key, c.digest) is None]
        bodies = executing.bodies(new) if new else {}
        known = subjects.many([c.key for c in claims])
        ready, gone = [], []
        for claim in claims:
            digest, recipe = claim.digest, self._recipes.get(claim.key, claim.digest)
            if recipe is None and claim.key in bodies:
                digest, body = bodies[claim.key]  # it may have changed since the claim
                recipe = self._recipes.get(claim.key, digest) or self._recipes.put(claim.key, digest, body)
            if recipe is None:
                gone.append(claim)
            else:
                ready.append(Ready(claim._replace(digest=digest), recipe, known[claim.key]))
        return ready, gone

    def release(self, claims: Iterable[Claim]) -> None:
        """These are done with."""
        for claim in claims:
            self._held.pop(claim.lease, None)

    def renew(self, executing: Executing, now: float) -> set[int]:
        """Extend what ran for a third of its lease; returns the leases that are lost."""
        due = [claim for claim, renewed in self._held.values() if now - renewed >= self._lease / 3]
        if not due:
            return set()
        kept = executing.renew(due, lease=self._lease)
        for claim in due:
            if claim.lease in kept:
                self._held[claim.lease] = (claim, now)
            else:
                del self._held[claim.lease]
        return {claim.lease for claim in due} - kept

    def renew_soon(self) -> None:
        """All of them at the next time: the clock by which leases end has moved."""
        self._held = {lease: (claim, _NEVER) for lease, (claim, _) in self._held.items()}

    def give_back(self, executing: Executing) -> None:
        """What is still held when the worker leaves: claims that met a floor that was closed already."""
        executing.give_back([claim for claim, _ in self._held.values()], again=True)
        self._held.clear()
