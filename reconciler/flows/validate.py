"""Everything a plan checks, without a store: what a reviewer and a hook run."""

from __future__ import annotations

from reconciler.base.errors import InvalidDocuments
from reconciler.flows.offline import offline_plan
from reconciler.flows.opened import Source
from reconciler.flows.progress import Progress
from reconciler.flows.validation import Validation


def validate(source: Source, progress: Progress | None = None) -> Validation:
    """Load, migrate, link and render everything, against an empty store in memory.

    Names of other sources are those that ``external`` lists. Raises ``SourceError``, never for documents.
    """
    try:
        plan = offline_plan(source.tree(), source.settings, progress=progress)
    except InvalidDocuments as invalid:
        return Validation(invalid.diagnostics, None, files_of(source))
    return Validation(plan.warnings, plan.totals, files_of(source))


def files_of(source: Source) -> tuple[str, ...]:
    """Every file of the source that is wanted, those that can't be read too."""
    tree = source.tree()
    faulty = {d.place.path for d in tree.faults if d.place is not None}
    return tuple(sorted({*(path for path, _ in tree.entries()), *faulty}))
