"""Surgery in place: keys renamed, values replaced, entries put in and taken out, everything else left alone."""

from __future__ import annotations

from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.rewrite import scalars
from reconciler.rewrite.flow import InFlow
from reconciler.rewrite.text import Edits
from reconciler.source.layout import Node


class Surgeon(InFlow):
    """Edits in place, block and flow style alike."""

    def place(self, node: Node, target: Any, at: Path, edits: Edits) -> bool:
        """See :class:`Renderer`."""
        job = self.job
        if job.unchanged(node, target, at):
            return True
        if node.alias:
            return False
        if node.scalar:
            if isinstance(target, (dict, list)) or node.body == node.end:
                return False
            new = scalars.restyled(
                job.text,
                node,
                target,
                flow=self._in_flow(node),
                quote=job.style.quote,
                careful=job.careful,
                ending=job.ending,
            )
            header = job.header(node)
            job.carry(comment for comment in header if comment.text in new)
            job.keep_comments([comment for comment in header if comment.text not in new])
            edits.replace(node.start, node.end, job.properties(node, target) + new)
            return True
        fits = isinstance(target, dict) if node.pairs is not None else isinstance(target, list)
        if not fits or not target or (node.flow and not self._braced(node)) or not job.entries(node):
            return False
        fates = self._fates(node, target, at)
        if fates is None:
            return False
        if node.flow:
            self._place_flow(node, target, at, edits, fates)
        else:
            self._place_block(node, target, at, edits, fates)
        return True

    def _in_flow(self, node: Node) -> bool:
        parent = self.job.layout.at(node.path[:-1]) if node.path else None
        return parent is not None and parent.flow
