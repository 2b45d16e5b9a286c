"""What an automation does: providers (notify, open an incident, run a script) and the blocks that steer them."""

from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, model_validator

from reconciler.kinds.conditions import Condition
from reconciler.kinds.marks import Runtime
from reconciler.kinds.modelling import Model, conflict
from reconciler.kinds.tags import TAG, one_of
from reconciler.kinds.triggers import MONTH, Expression
from reconciler.kinds.types import DurationType, Json, Slug, Text

DAY = 86_400_000

KEYS = (
    "action",
    "choose",
    "parallel",
    "delay",
    "repeat",
    "variables",
    "condition",
    "stop",
    "waitForTrigger",
    "waitUntil",
    "sequence",
)
"""The keys that tell the blocks apart."""


def _tag(value: Any) -> str | None:
    if isinstance(value, Block):
        return f"{TAG}{_TAGS[type(value)]}"
    return one_of(value, KEYS)


class Block(Model):
    """What every block can say beside its own key."""

    id: Slug | None = Field(
        None, description="A name for expressions and for the record of the run.", examples=["page"]
    )
    description: str | None = Field(None, description="What it is for.", examples=["Wait for the restart."])
    enabled: bool = Field(True, description="Whether it is done at all.")
    continue_on_error: bool = Field(False, description="Whether the run goes on when it fails.")


class Provider(Block):
    """Something done by name, with a config."""

    action: Text = Field(description="The action with the version of its config.", examples=["webhook@1"])
    config: dict[str, Any] = Field(
        default_factory=dict, description="The settings of the action; which, its name tells."
    )


class Branch(Model):
    """One branch of a choice."""

    when: Condition = Field(description="The branch is taken when this holds.")
    sequence: list["Action"] = Field(description="What is done then, in order.")


class Choose(Block):
    """The first branch whose condition holds; when none does, `else`, or nothing."""

    choose: list[Branch] = Field(min_length=1, description="The branches, tried in order.")
    otherwise: list["Action"] | None = Field(None, alias="else", description="What is done when no branch is taken.")


class Parallel(Block):
    """All at once; goes on when all are done."""

    parallel: list["BranchOrBlock"] = Field(min_length=1, description="The branches: a block, or a list of blocks.")


class Delay(Block):
    """Waits; the run is put aside meanwhile."""

    delay: Annotated[int | str, DurationType(number="s", least=0, most=DAY, template=True), Runtime()] = Field(
        description="How long. A bare number counts seconds, a rendered one too.", examples=["30s"]
    )


class Loop(Model):
    """How often: exactly one of `count`, `forEach`, `while`, `until`."""

    count: int | None = Field(None, ge=1, le=10_000, description="So many times.", examples=[3])
    for_each: Expression | None = Field(
        None, description="Once for each item of this list, as `repeat.item`.", examples=["['eu-1', 'us-1']"]
    )
    while_: Condition | None = Field(None, alias="while", description="As long as this holds, asked before each round.")
    until: Condition | None = Field(None, description="Until this holds, asked after each round.")
    max_iterations: int = Field(1000, ge=1, le=10_000, description="The most rounds, whatever the condition says.")
    sequence: list["Action"] = Field(min_length=1, description="What is done each round.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [each for each in (self.count, self.for_each, self.while_, self.until) if each is not None]
        if len(given) != 1:
            raise conflict("needs exactly one of count, forEach, while, until")
        return self


class Repeat(Block):
    """Again and again; `repeat.index` counts from 0."""

    repeat: Loop = Field(description="How often, and what.")


class Variables(Block):
    """Values for later, as `variables.<name>`; texts are rendered."""

    variables: dict[Slug, Annotated[Json, Runtime()]] = Field(
        min_length=1, description="The values by name.", examples=[{"team": "commerce"}]
    )


class Guard(Block):
    """Ends the run, successfully, unless the condition holds."""

    condition: Condition = Field(description="What has to hold to go on.")


class StopDetails(Model):
    """Why and how the run ends."""

    reason: Annotated[str, Runtime()] | None = Field(
        None, description="Why, for the record.", examples=["It healed by itself."]
    )
    error: bool = Field(False, description="Whether the run counts as failed.")


class Stop(Block):
    """Ends the run."""

    stop: StopDetails = Field(description="Why, and whether as a failure.")


class TriggerWait(Model):
    """The event that is waited for."""

    event: Text = Field(description="The event.", examples=["incident.resolved"])
    filter: Expression | None = Field(
        None,
        description="An expression over `trigger`; only such an event counts.",
        examples=["trigger.payload.newStatus == 'healthy'"],
    )
    timeout: Annotated[int, DurationType(number="s", least=1000, most=MONTH)] | None = Field(
        None, description="How long at most. A bare number counts seconds.", examples=["1h"]
    )
    context_key: Annotated[str, Runtime()] | None = Field(
        None, description="Only events with this context key count.", examples=["{{ trigger.payload.systemId }}"]
    )


class WaitForTrigger(Block):
    """Puts the run aside until an event comes."""

    wait_for_trigger: TriggerWait = Field(description="The event.")


class ConditionWait(Model):
    """The condition that is waited for."""

    condition: Condition = Field(description="What has to hold.")
    timeout: Annotated[int, DurationType(number="s", least=1000, most=MONTH)] | None = Field(
        None, description="How long at most. A bare number counts seconds.", examples=["30m"]
    )
    continue_on_timeout: bool = Field(True, description="Whether the run goes on after that; else it has failed.")


class WaitUntil(Block):
    """Puts the run aside until a condition holds."""

    wait_until: ConditionWait = Field(description="The condition.")


class Sequence(Block):
    """Blocks in order, as one block."""

    sequence: list["Action"] = Field(min_length=1, description="The blocks.")


Action = Annotated[
    Annotated[Provider, Tag(f"{TAG}action")]
    | Annotated[Choose, Tag(f"{TAG}choose")]
    | Annotated[Parallel, Tag(f"{TAG}parallel")]
    | Annotated[Delay, Tag(f"{TAG}delay")]
    | Annotated[Repeat, Tag(f"{TAG}repeat")]
    | Annotated[Variables, Tag(f"{TAG}variables")]
    | Annotated[Guard, Tag(f"{TAG}condition")]
    | Annotated[Stop, Tag(f"{TAG}stop")]
    | Annotated[WaitForTrigger, Tag(f"{TAG}waitForTrigger")]
    | Annotated[WaitUntil, Tag(f"{TAG}waitUntil")]
    | Annotated[Sequence, Tag(f"{TAG}sequence")],
    Discriminator(
        _tag,
        custom_error_type="bad-action",
        custom_error_message="a block of actions is a map with exactly one of: " + ", ".join(KEYS),
    ),
]
"""A map with exactly one of ``KEYS``, beside what every block can say."""

BranchOrBlock = Annotated[
    Annotated[Action, Tag(f"{TAG}block")] | Annotated[list[Action], Tag(f"{TAG}list")],
    Discriminator(lambda value: f"{TAG}list" if isinstance(value, list) else f"{TAG}block"),
]
"""A branch of ``parallel``."""

_TAGS: dict[type, str] = {
    Provider: "action",
    Choose: "choose",
    Parallel: "parallel",
    Delay: "delay",
    Repeat: "repeat",
    Variables: "variables",
    Guard: "condition",
    Stop: "stop",
    WaitForTrigger: "waitForTrigger",
    WaitUntil: "waitUntil",
    Sequence: "sequence",
}
