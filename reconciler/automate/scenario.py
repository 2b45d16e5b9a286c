"""What may happen to an automation, as a document: the event, what is there, what comes later, and what is expected."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from reconciler.base.diagnostics import Fault
from reconciler.kinds.faults import translate
from reconciler.kinds.modelling import Model, conflict
from reconciler.kinds.types import DurationType, JsonMap, Text


def _moment(text: str) -> str:
    try:
        if not 1970 < datetime.fromisoformat(text).year < 3000:
            raise ValueError
    except ValueError:
        raise PydanticCustomError(
            "bad-value", "{sentence}", {"sentence": "has to be a moment as in 2027-01-31T08:00:00Z"}
        ) from None
    return text


Moment = Annotated[str, AfterValidator(_moment)]
After = Annotated[int, DurationType(number="s", least=0)]


def _health(said: dict[str, Any]) -> dict[str, Any]:
    for name, state in said.items():
        _state(state, (name,))
    return said


def _state(state: Any, below: tuple[str, ...]) -> None:
    if isinstance(state, str):
        state = {"status": state}
    if not isinstance(state, dict) or state.get("status") not in ("healthy", "degraded", "unhealthy"):
        hint = "or a map with such a status"
        raise conflict("has to be healthy, degraded or unhealthy", *below, hint=hint, code="bad-value")
    lasting, environments = state.get("in_status_for_ms", 0), state.get("environments", {})
    if isinstance(lasting, bool) or not isinstance(lasting, (int, float)) or not 0 <= lasting <= _YEARS:
        raise conflict("in_status_for_ms has to be a number of milliseconds", *below, code="bad-value")
    if not isinstance(environments, dict):
        raise conflict("environments has to be a map", *below, code="bad-value")
    for name, each in environments.items():
        _state(each, (*below, "environments", str(name)))


_YEARS = 100 * 365 * 86_400_000
Health = Annotated[JsonMap, AfterValidator(_health)]
"""A system to its status, or to a map of what expressions read of it."""


class Outcome(Model):
    """What comes of one attempt at an action: it was done, unless ``error`` says otherwise."""

    result: JsonMap = Field(default_factory=dict)
    artifacts: dict[str, JsonMap] = Field(default_factory=dict)
    error: Text | None = None
    again: After | None = None

    @model_validator(mode="after")
    def _for_a_reason(self) -> Self:
        if self.again is not None and self.error is None:
            raise conflict("is tried again for a reason: error is missing", code="missing-key")
        return self


Outcomes = Annotated[
    Annotated[Outcome, Tag("one")] | Annotated[list[Outcome], Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list) else "one"),
]


class Later(Model):
    """Something that happens ``after`` the beginning: an event, a change of health, or both."""

    after: After
    event: Text | None = None
    payload: JsonMap = Field(default_factory=dict)
    context: Text | None = None
    health: Health = Field(default_factory=dict)


class Sent(Model):
    """One action that is expected; of its config, what is named here."""

    path: Text | None = None
    id: Text | None = None
    action: Text | None = None
    config: JsonMap = Field(default_factory=dict)


class Expected(Model):
    """What has to come of it; what is left out may be anything. ``stopped`` names the gate that lets nothing through:
    ``filter`` or ``conditions``."""

    trigger: Text | None = None
    stopped: Text | None = None
    status: Text | None = None
    reason: Text | None = None
    path: list[Text] | None = None
    sent: list[Sent] | None = None


class Scenario(Model):
    """One. ``trigger`` is the id of the only trigger that is tried; ``results`` go by the id or path of an action."""

    title: Text | None = None
    automation: Text | None = None
    event: Text
    payload: JsonMap = Field(default_factory=dict)
    context: Text | None = None
    actor: Text | None = None
    trigger: Text | None = None
    at: Moment | None = None
    health: Health = Field(default_factory=dict)
    artifacts: dict[str, JsonMap] = Field(default_factory=dict)
    results: dict[str, Outcomes] = Field(default_factory=dict)
    then: list[Later] = Field(default_factory=list)
    expect: Expected | None = None

    @property
    def moment(self) -> float | None:
        """When it begins; a time without a zone is one of UTC."""
        if self.at is None:
            return None
        parsed = datetime.fromisoformat(self.at)
        return (parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed).timestamp()


def read(value: Any) -> tuple[Scenario | None, list[Fault]]:
    """The scenario, or all that is wrong with it."""
    try:
        return Scenario.model_validate(value), []
    except ValidationError as error:
        return None, translate(error, Scenario)
