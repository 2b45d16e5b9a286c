"""The kind Environment: where systems run, and the fields that differ between such places."""

from typing import Literal

from pydantic import Field

from reconciler.kinds.metadata import Envelope, EnvironmentName
from reconciler.kinds.modelling import Model
from reconciler.kinds.types import JsonMap


class EnvironmentSpec(Model):
    """Fields for templates, its own and those of one parent."""

    extends: EnvironmentName | None = Field(
        None,
        description="One parent, whose fields lie underneath: a field of the same name here wins.",
        examples=["base"],
    )
    fields: JsonMap = Field(
        default_factory=dict,
        description="Free values that templates read as `environment.<field>` and scripts as `CHECKSTACK_ENV_<FIELD>`.",
        examples=[{"baseUrl": "https://orders.example.net", "region": "eu-1", "tier": 1}],
    )


class Environment(Envelope):
    """A place where systems run, such as staging or production. Checks are rendered once for each."""

    kind: Literal["Environment"] = Field(description="The kind of this document.")
    spec: EnvironmentSpec = Field(default_factory=EnvironmentSpec, description="Its fields.")
