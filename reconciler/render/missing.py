"""A value that isn't there: harmless while it is only carried along, a fault as soon as it is used."""

from __future__ import annotations

from typing import Any

from reconciler.render.bounds import kind
from reconciler.render.faults import TemplateFault, closest, shown


class Missing:
    """``path`` is the first member of a chain that has no value, ``owner`` what should have held it (the context, for
    a root), ``offset`` where the expression reaches for it."""

    __slots__ = ("name", "offset", "owner", "path")

    def __init__(self, path: str, name: Any, owner: Any, offset: int) -> None:
        self.path = path
        self.name = name
        self.owner = owner
        self.offset = offset

    def fault(self) -> TemplateFault:
        """The fault of using it, with what was probably meant."""
        path = self.path if len(self.path) <= 120 else self.path[:117] + "..."
        return TemplateFault("template-undefined", f"`{path}` is undefined", offset=self.offset, hint=self._hint(path))

    def _hint(self, path: str) -> str:
        name = str(self.name)
        if "." not in path and "[" not in path:
            return root_hint(name, self.owner)
        base = path[: max(path.rfind("."), path.rfind("["))]
        if isinstance(self.owner, dict):
            if not self.owner:
                return f"{base} has no fields here; `| default('...')` gives a value for that case"
            meant = closest(name, list(self.owner))
            first = f"did you mean {meant}? " if meant else ""
            return (
                f"{first}the {base} has: {shown(self.owner)}"
                if base.isidentifier()
                else (f"{first}{base} has: {shown(self.owner)}")
            )
        if isinstance(self.owner, list) and not isinstance(self.name, str):
            return f"the list has {len(self.owner)} items"
        return f"{base} is {kind(self.owner)} and has no member {name[:60]}"


def root_hint(name: str, known: Any) -> str:
    """The way out for a name that nothing stands behind. ``known``: the names there are."""
    if name == "secrets":
        return "a secret is written `${{ secrets.NAME }}`, in a field that takes secrets"
    if name in ("null", "undefined", "nil"):
        return "write `none`"
    meant = closest(name, list(known))
    return (f"did you mean {meant}? " if meant else "") + f"templates see: {shown(known) or 'nothing here'}"
