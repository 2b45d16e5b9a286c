"""Everything a plan checks, without a store: what a reviewer and a hook run."""

from __future__ import annotations

from reconciler.base.errors import InvalidDocuments
from reconciler.flows.opened import Source
from reconciler.flows.plan import Options, make_plan
from reconciler.flows.progress import Progress
from reconciler.flows.validation import Validation
from reconciler.store.open import open_store


def validate(source: Source, progress: Progress | None = None) -> Validation:
    """Load, migrate, link and render everything, against an empty store in memory.

    Names of other sources are those that ``external`` lists. Raises ``SourceError``, never for documents.
    """
    store = open_store(":memory:")
    tree = source.tree()
    try:
        options = Options(force=True, trust_external=True)
        plan = make_plan(tree, source.settings, store, options=options, progress=progress)
    except InvalidDocuments as invalid:
        return Validation(invalid.diagnostics, None, files_of(source))
    finally:
        store.close()
    return Validation(plan.warnings, plan.totals, files_of(source))


def files_of(source: Source) -> tuple[str, ...]:
    """Every file of the source that is wanted, those that can't be read too."""
    tree = source.tree()
    faulty = {d.place.path for d in tree.faults if d.place is not None}
    return tuple(sorted({*(path for path, _ in tree.entries()), *faulty}))
