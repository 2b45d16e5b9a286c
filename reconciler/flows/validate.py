"""Everything a plan checks, without a store: what a reviewer and a hook run."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import InvalidDocuments
from reconciler.flows.opened import Source
from reconciler.flows.plan import Options, make_plan
from reconciler.flows.progress import Progress
from reconciler.model.plan import Totals
from reconciler.store.open import open_store


@dataclass(frozen=True, slots=True)
class Validation:
    """``diagnostics`` are sorted by file and line; ``totals`` is None when there are errors."""

    diagnostics: tuple[Diagnostic, ...]
    totals: Totals | None

    @property
    def valid(self) -> bool:
        """No errors; warnings are allowed."""
        return self.totals is not None


def validate(source: Source, progress: Progress | None = None) -> Validation:
    """Load, migrate, link and render everything, against an empty store in memory.

    Names of other sources are those that ``external`` lists. Raises ``SourceError``, never for documents.
    """
    store = open_store(":memory:")
    try:
        options = Options(force=True, trust_external=True)
        plan = make_plan(source.tree(), source.settings, store, options=options, progress=progress)
    except InvalidDocuments as invalid:
        return Validation(invalid.diagnostics, None)
    finally:
        store.close()
    return Validation(plan.warnings, plan.totals)
