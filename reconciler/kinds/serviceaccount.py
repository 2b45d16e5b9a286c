"""The kind ServiceAccount: what an automation runs as."""

from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.metadata import Envelope
from reconciler.kinds.modelling import Model

PERMISSION_PATTERN = r"^(?:\*|[a-z0-9_-]+(?:\.(?:\*|[a-z0-9_-]+))*)$"

Permission = Annotated[str, Field(pattern=PERMISSION_PATTERN, max_length=200)]

SystemPattern = Annotated[str, Field(pattern=r"^[a-z0-9*-]+$", max_length=63)]


class ServiceAccountSpec(Model):
    """What the account may do."""

    permissions: list[Permission] = Field(
        default_factory=list,
        description="The actions it may run, by name; `*` stands for any part. The operator can narrow this.",
        examples=[["incident.*", "notify", "check.run_now"]],
    )
    systems: list[SystemPattern] = Field(
        default_factory=list,
        description="The systems its actions may touch, by name; `*` stands for any part. None named: all of them.",
        examples=[["orders-*", "shop"]],
    )


class ServiceAccount(Envelope):
    """The account that an automation runs as, with its permissions."""

    kind: Literal["ServiceAccount"] = Field(description="The kind of this document.")
    spec: ServiceAccountSpec = Field(default_factory=ServiceAccountSpec, description="What the account may do.")
