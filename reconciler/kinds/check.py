"""The kind Check: how something is measured, and what the measurement has to be."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from reconciler.kinds.metadata import Envelope
from reconciler.kinds.modelling import Model, conflict
from reconciler.kinds.types import DurationType, Identifier, Json, Text


class StrategySpec(Model):
    """How the check connects."""

    type: Text = Field(description="The strategy with the version of its config.", examples=["http@3"])
    config: dict[str, Any] = Field(
        default_factory=dict, description="The settings of the strategy; which, its type tells."
    )


class Assertion(Model):
    """Something that has to hold for a collector's result; otherwise the run is unhealthy."""

    field: Text = Field(
        description="The field of the result. With `jsonPath`, or ending in `.$`, the text is read as JSON.",
        examples=["statusCode", "body"],
    )
    json_path: Text | None = Field(
        None, description="Where in the field's JSON the value is (RFC 9535, without filters).", examples=["$.ready"]
    )
    operator: Text = Field(
        description="How to compare; which operators fit, the field's type tells.", examples=["equals"]
    )
    value: Json = Field(None, description="What to compare with; some operators take none.", examples=[200])


class CollectorSpec(Model):
    """One measurement over the strategy's connection."""

    id: Identifier | None = Field(
        None, description="A name for its results that outlives reordering.", examples=["ready"]
    )
    type: Text = Field(description="The collector with the version of its config.", examples=["request@1"])
    config: dict[str, Any] = Field(
        default_factory=dict, description="The settings of the collector; which, its type tells."
    )
    assertions: list[Assertion] = Field(default_factory=list, description="What has to hold for its result.")


class CheckSpec(Model):
    """How often, over what, and what is measured."""

    interval: Annotated[int, DurationType(number="s", least=1000, most=31 * 86_400_000)] = Field(
        description="How often it runs. A bare number counts seconds.", examples=["45s", "5m"]
    )
    strategy: StrategySpec = Field(description="How it connects.")
    collectors: list[CollectorSpec] = Field(
        default_factory=list, description="What it measures; with none, only the connection is tested."
    )

    @model_validator(mode="after")
    def _ids_once(self) -> Self:
        seen: set[str] = set()
        for index, collector in enumerate(self.collectors):
            if collector.id in seen:
                raise conflict(
                    f"two collectors have the id {collector.id!r}", "collectors", index, "id", code="duplicate"
                )
            if collector.id is not None:
                seen.add(collector.id)
        return self


class Check(Envelope):
    """How something is measured. Systems take it up by name; it runs for each of them and their environments."""

    kind: Literal["Check"] = Field(description="The kind of this document.")
    spec: CheckSpec = Field(description="How often, over what, and what is measured.")
