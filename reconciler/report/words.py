"""What the totals say of each action. The order is the order of every report."""

from __future__ import annotations

from reconciler.model.plan import Action

RESOURCE_WORDS = {
    Action.DELETE: "to delete",
    Action.ORPHAN: "to orphan",
    Action.MOVE: "to move",
    Action.UPDATE: "to change",
    Action.CREATE: "to create",
}
SLICE_WORDS = {
    Action.DELETE: "stop",
    Action.ORPHAN: "orphan",
    Action.MOVE: "move",
    Action.UPDATE: "change",
    Action.CREATE: "start",
}
