"""What a change can have broken: its own files, and what they reach through names and environments.

The same linking and rendering as in every plan. Instead of a store stands what the commit before says
(:class:`~reconciler.flows.unread.Unread`), so that a repository of 10,000 files is as quick as the few that matter.
"""

from __future__ import annotations

from threading import Thread

from reconciler.base.errors import SourceError, UsageError
from reconciler.flows.opened import Source
from reconciler.flows.progress import Progress, Silent
from reconciler.flows.validation import Validation
from reconciler.policy.names import is_policy_file
from reconciler.source.delta import Delta
from reconciler.source.gitcli import find_root
from reconciler.source.gitdelta import delta, merge_base
from reconciler.source.head import Head


def validate_changed(source: Source, base: str, progress: Progress | None = None) -> Validation:
    """Check what the commits since ``base`` can have broken; everything, where the settings or policies have changed.

    ``base`` is any revision; what counts is the commit where HEAD left it. Raises ``SourceError``, and
    ``UsageError`` for none.
    """
    if not base.strip():
        raise UsageError(
            "the revision is empty", hint="an unset variable? without --only-changed everything is checked"
        )
    if source.head is None and find_root(source.folder) is None:
        raise SourceError(f"{source.folder} is not in a git repository, so that nothing says what changed")
    since = merge_base(source.folder, base, "HEAD" if source.head is None else source.head.commit)
    if since.config != source.config:
        from reconciler.flows.validate import validate

        return validate(source, progress)
    search = Search(source, since)
    search.start()
    # Half of the time goes into git, and half into modules: they don't need each other.
    from reconciler.flows.check_changed import check

    found = search.result()
    if any(map(is_policy_file, (*found.changed, *found.gone))):
        from reconciler.flows.validate import validate

        return validate(source, progress)
    return check(found, source.settings, name=source.name, progress=progress or Silent())


class Search(Thread):
    """Finds what changed, while others do something else."""

    def __init__(self, source: Source, since: Head) -> None:
        super().__init__(daemon=True)
        self._source, self._since = source, since
        self._found: Delta | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        """The work, and the search that will be asked for first."""
        source = self._source
        try:
            found = delta(source.folder, self._since, source.head, now=source.tree, wanted=source.wanted)
            found.expect()
        except Exception as error:  # whatever it is, the other thread tells it
            self._error = error
        else:
            self._found = found

    def result(self) -> Delta:
        """Wait for it. Raises what the search raised."""
        self.join()
        if self._found is None:
            raise self._error or SourceError("the search for what changed was given up")
        return self._found
