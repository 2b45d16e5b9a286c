"""Documents of checks that can be applied again, changed, to a store in a file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.flows.settings import Settings
from reconciler.model.run import Run
from reconciler.store.executing import SliceState
from reconciler.store.open import open_executing, open_store, open_to_read

if TYPE_CHECKING:
    from tests.conftest import Kit


class Source:
    """Each check has a system of the same name, and so one slice."""

    def __init__(self, kit: Kit, path: Path) -> None:
        self.kit, self.path, self.address = kit, path, str(path)
        self.documents: dict[str, Any] = {}

    def check(self, name: str, url: str, *, interval: str = "1s", timeout: str = "5s", method: str = "GET") -> None:
        """A check, and a system of the same name that is watched by it."""
        spec = {
            "interval": interval,
            "strategy": {"type": "http@3", "config": {"timeout": timeout}},
            "collectors": [
                {
                    "type": "request@1",
                    "config": {"url": url, "method": method},
                    "assertions": [{"field": "statusCode", "operator": "equals", "value": 200}],
                }
            ],
        }
        self.put(name, spec)

    def script(self, name: str, script: str, *, interval: str = "1s", timeout: str = "5s") -> None:
        """The same with a shell script."""
        collector = {"type": "execute@2", "config": {"script": script, "timeout": timeout}}
        self.put(name, {"interval": interval, "strategy": {"type": "script@1"}, "collectors": [collector]})

    def put(self, name: str, spec: dict[str, Any]) -> None:
        """A check of any kind."""
        assignment = {"check": name, "thresholds": {"degraded": 1, "unhealthy": 2}}
        self.documents[f"{name}.yaml"] = [
            self.kit.document("Check", name, spec),
            self.kit.system(name, [], [assignment]),
        ]

    def apply(self) -> None:
        """Bring the store to it."""
        store = open_store(self.address)
        try:
            settings = Settings(deletion="delete")
            self.kit.apply(store, self.documents, timeout=10.0, force=True, settings=settings)
        finally:
            store.close()

    def runs(self) -> list[Run]:
        """All that is stored, oldest first."""
        with closing(open_executing(self.address)) as hands:
            return hands.runs_after(0, limit=1_000_000)[1]

    def states(self) -> list[SliceState]:
        """The schedule."""
        with closing(open_executing(self.address)) as hands:
            return list(hands.states())

    def uids(self) -> dict[int, str]:
        """The names of checks and systems by uid."""
        with closing(open_to_read(self.address)) as store:
            return {uid: key.name for uid, key in store.names().items()}


class ServedSource(Source):
    """The same on a server."""

    def __init__(self, kit: Kit, address: str) -> None:
        super().__init__(kit, Path("/nowhere"))
        self.address = address
