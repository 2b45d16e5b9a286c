"""What has to hold for an automation to go on: an expression, or a map with one of a few keys."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from reconciler.kinds.marks import Runtime
from reconciler.kinds.modelling import Model, conflict
from reconciler.kinds.tags import TAG, one_of
from reconciler.kinds.triggers import Expression, known_timezone, need_bound
from reconciler.kinds.types import TIME_PATTERN, DurationType, Text

ClockTime = Annotated[str, Field(pattern=TIME_PATTERN)]

KEYS = ("and", "or", "not", "numericState", "time", "state")


def _tag(value: Any) -> str | None:
    if isinstance(value, str):
        return f"{TAG}expression"
    if isinstance(value, Model):
        return f"{TAG}{_TAGS[type(value)]}"
    return one_of(value, KEYS)


class NumericState(Model):
    """A number beyond a bound; both bounds are exclusive, at least one is needed."""

    value: Expression = Field(
        description="The expression that gives the number.", examples=["health.system.p95_latency_ms"]
    )
    above: float | None = Field(None, description="It has to be more than this.", examples=[90])
    below: float | None = Field(None, description="It has to be less than this.", examples=[10])

    @model_validator(mode="after")
    def _bound(self) -> Self:
        need_bound(self.above, self.below)
        return self


class Time(Model):
    """A time of day or of the week. A span whose end lies before its beginning goes over midnight."""

    after: ClockTime | None = Field(None, description="From this time on.", examples=["22:00"])
    before: ClockTime | None = Field(None, description="Until just before this time.", examples=["06:00"])
    weekday: list[Annotated[int, Field(ge=0, le=6)]] | None = Field(
        None, description="On these days of the week; 0 is Sunday.", examples=[[1, 2, 3, 4, 5]]
    )
    timezone: Text = Field("UTC", description="The time zone of the times.", examples=["Europe/Berlin"])

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.after is None and self.before is None and self.weekday is None:
            raise conflict("needs after, before or weekday", code="missing-key")
        known_timezone(self.timezone)
        return self


class State(Model):
    """The health of a system, or of one environment of it."""

    entity: Annotated[Text, Runtime()] = Field(
        description="A system, or `system::environment`.", examples=["orders-api", "orders-api::production"]
    )
    status: Literal["healthy", "degraded", "unhealthy"] = Field(description="What it has to be.")
    for_: Annotated[int, DurationType(number="s", least=1000)] | None = Field(
        None, alias="for", description="And for how long already. A bare number counts seconds.", examples=["10m"]
    )


class AllOf(Model):
    """Holds when all of them hold."""

    all: list["Condition"] = Field(alias="and", min_length=1, description="The conditions.")


class AnyOf(Model):
    """Holds when at least one of them holds."""

    any: list["Condition"] = Field(alias="or", min_length=1, description="The conditions.")


class Not(Model):
    """Holds when the condition doesn't."""

    negated: "Condition" = Field(alias="not", description="The condition.")


class NumericStateCondition(Model):
    """Holds while a number is beyond a bound."""

    numeric_state: NumericState = Field(description="The number and its bounds.")


class TimeCondition(Model):
    """Holds at some times only."""

    time: Time = Field(description="The times.")


class StateCondition(Model):
    """Holds while a system has some health."""

    state: State = Field(description="The system and its health.")


Condition = Annotated[
    Annotated[Expression, Tag(f"{TAG}expression")]
    | Annotated[AllOf, Tag(f"{TAG}and")]
    | Annotated[AnyOf, Tag(f"{TAG}or")]
    | Annotated[Not, Tag(f"{TAG}not")]
    | Annotated[NumericStateCondition, Tag(f"{TAG}numericState")]
    | Annotated[TimeCondition, Tag(f"{TAG}time")]
    | Annotated[StateCondition, Tag(f"{TAG}state")],
    Discriminator(
        _tag,
        custom_error_type="bad-condition",
        custom_error_message="a condition is an expression, or a map with exactly one of: " + ", ".join(KEYS),
    ),
]
"""An expression as text, or a map with exactly one of ``KEYS``."""

_TAGS: dict[type, str] = {
    AllOf: "and",
    AnyOf: "or",
    Not: "not",
    NumericStateCondition: "numericState",
    TimeCondition: "time",
    StateCondition: "state",
}
