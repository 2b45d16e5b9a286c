"""The kind Automation: what is done when something happens."""

from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.blocks import Action
from reconciler.kinds.conditions import Condition
from reconciler.kinds.metadata import Envelope, ServiceAccountName
from reconciler.kinds.modelling import Model
from reconciler.kinds.triggers import Trigger
from reconciler.kinds.types import DurationType, Text


class AutomationSpec(Model):
    """When, under which conditions, and what."""

    run_as: ServiceAccountName | None = Field(
        None,
        description="The account whose permissions its actions use; none: only `log` can be run.",
        examples=["oncall"],
    )
    description: str | None = Field(
        None,
        description="What it is for, where `metadata.description` doesn't say.",
        examples=["Calls whoever is on duty."],
    )
    triggers: list[Trigger] = Field(min_length=1, description="The events that start it; any of them does.")
    conditions: list[Condition] = Field(
        default_factory=list,
        description="What has to hold, all of it, for the event to start a run.",
        examples=[["health.system.status == 'unhealthy'"]],
    )
    actions: list[Action] = Field(default_factory=list, description="What is done, in order.")
    mode: Literal["single", "parallel", "queued", "restart"] = Field(
        "single",
        description=(
            "What happens when it is running already: skip the event, run beside it up to maxRuns, wait in line, "
            "or cancel that run and start anew."
        ),
    )
    concurrency_scope: Literal["automation", "contextKey"] = Field(
        "automation", description="Whether `mode` counts all its runs, or those of the same context (mostly: system)."
    )
    max_runs: int = Field(10, ge=1, le=1000, description="The most runs at once or in line, for parallel and queued.")
    uses_state: list[Text] = Field(
        default_factory=list,
        max_length=50,
        description="Further systems whose health its expressions read, by name.",
        examples=[["orders-db"]],
    )
    state_window: Annotated[int, DurationType(number="m", least=60_000, most=7 * 86_400_000)] = Field(
        3_600_000, description="How far back the health it reads goes. A bare number counts minutes.", examples=["1h"]
    )


class Automation(Envelope):
    """What is done when something happens."""

    kind: Literal["Automation"] = Field(description="The kind of this document.")
    spec: AutomationSpec = Field(description="When, under which conditions, and what.")
