"""The kind Environment: where systems run, and the fields that differ between such places."""

from typing import Literal, Self

from pydantic import Field, model_validator

from reconciler.kinds.metadata import Envelope, EnvironmentName
from reconciler.kinds.modelling import Model, conflict
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

    @model_validator(mode="after")
    def _not_itself(self) -> Self:
        if self.spec.extends == self.metadata.name:
            raise conflict("an environment can't extend itself", "spec", "extends", code="self-reference")
        return self
