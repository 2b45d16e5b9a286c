"""What every document carries about itself, and the envelope around it."""

from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.marks import Ref
from reconciler.kinds.modelling import Model
from reconciler.kinds.types import Name, Text

PROTECT = "gitops/protect"
"""The annotation that guards a resource against deletion."""


class Metadata(Model):
    """Who the resource is. Nothing in here is rendered, and secrets are not allowed."""

    name: Name = Field(
        description="The name that other documents refer to; unique for its kind. Templates read it as `id`.",
        examples=["orders-api"],
    )
    title: Text | None = Field(
        None,
        description="The name for people, in reports and as `name` in templates; the name itself where it is absent.",
        examples=["Orders API"],
    )
    description: str | None = Field(
        None,
        description="What it is for, in a sentence or a few.",
        examples=["Takes orders from the shop; owned by the commerce team."],
    )
    labels: dict[str, str] = Field(
        default_factory=dict,
        description="Free text by key, to select and group by. Values are text: put numbers and true/false in quotes.",
        examples=[{"owner": "commerce"}],
    )
    annotations: dict[str, str] = Field(
        default_factory=dict,
        description=f'Text for tools. `{PROTECT}: "true"` guards the resource against deletion.',
        examples=[{PROTECT: "true"}],
    )
    tags: list[Text] = Field(default_factory=list, description="Words to find it by.", examples=[["public", "eu"]])
    renamed_from: Name | None = Field(
        None,
        description="The name it had before: identity and history move along instead of starting anew.",
        examples=["orders-service"],
    )


class Envelope(Model):
    """The outermost shape of a document; each kind narrows `kind` and `spec`."""

    api_version: Literal["gitops/v2"] = Field(description="The version of the format.")
    metadata: Metadata = Field(description="Who the resource is.")


GroupName = Annotated[Name, Ref("Group")]
EnvironmentName = Annotated[Name, Ref("Environment")]
SystemName = Annotated[Name, Ref("System")]
CheckName = Annotated[Name, Ref("Check")]
ServiceAccountName = Annotated[Name, Ref("ServiceAccount")]
