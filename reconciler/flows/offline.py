"""Plans without anybody's store: everything is new to an empty one in memory."""

from __future__ import annotations

from reconciler.flows.plan import Options, make_plan
from reconciler.flows.progress import Progress
from reconciler.flows.settings import Settings
from reconciler.model.plan import Plan
from reconciler.source.tree import Tree
from reconciler.store.open import open_store

OFFLINE = Options(force=True, trust_external=True)
"""Guards are an apply's, and names of other sources are those that ``external`` lists."""


def offline_plan(
    tree: Tree, settings: Settings, *, options: Options = OFFLINE, progress: Progress | None = None
) -> Plan:
    """All that the tree holds, loaded, linked and rendered. Raises ``InvalidDocuments``, ``SourceError``."""
    store = open_store(":memory:")
    try:
        return make_plan(tree, settings, store, options=options, progress=progress)
    finally:
        store.close()
