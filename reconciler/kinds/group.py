"""The kind Group: systems that belong together."""

from typing import Literal

from pydantic import Field

from reconciler.kinds.metadata import Envelope
from reconciler.kinds.modelling import Model


class GroupSpec(Model):
    """Nothing to set: a group is its name, and systems name it."""


class Group(Envelope):
    """Systems that belong together, in reports and in filters."""

    kind: Literal["Group"] = Field(description="The kind of this document.")
    spec: GroupSpec = Field(default_factory=GroupSpec, description="Nothing to set.")
