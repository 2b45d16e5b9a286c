"""What starts an automation: an event, filtered and dampened, and the configs of the events that have one."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from reconciler.kinds.marks import Runtime, Secret
from reconciler.kinds.modelling import Model, conflict
from reconciler.kinds.types import DurationType, Identifier, Text

Expression = Annotated[Text, Runtime("expression")]
MONTH = 30 * 86_400_000

_CRON_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_CRON_NAMES = {
    3: ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    4: ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}
_CRON_WORDS = ("minute", "hour", "day of the month", "month", "day of the week")
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_CRON_ITEM = re.compile(r"(?:\*|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9]+))?\Z")


class Window(Model):
    """Fires only when the event came often enough."""

    count: int = Field(ge=1, le=1000, description="How many events it takes.", examples=[3])
    within: Annotated[int, DurationType(number="m", least=60_000, most=86_400_000)] = Field(
        description="Within how long. A bare number counts minutes.", examples=["10m"]
    )
    refire: Literal["every", "once"] = Field(
        "every", description="Whether it fires again for each further event, or once until the window is empty."
    )
    partition_by: Expression | None = Field(
        None, description="Counts apart for each value of this expression.", examples=["trigger.payload.environmentId"]
    )


class Trigger(Model):
    """An event that starts the automation. The order: config, filter, window, dwell, then the conditions."""

    id: Identifier | None = Field(
        None, description="A name for expressions to tell triggers apart, as `trigger.id`.", examples=["down"]
    )
    event: Text = Field(
        description="The event; with the version of its config where it has one.",
        examples=["healthcheck.system_health_changed", "automation.cron@1"],
    )
    filter: Expression | None = Field(
        None,
        description="An expression over `trigger`; the event counts only when it is true.",
        examples=["trigger.payload.newStatus == 'unhealthy'"],
    )
    config: dict[str, Any] = Field(
        default_factory=dict, description="The settings of the event; which, the event tells."
    )
    for_: (
        Annotated[int | str, DurationType(number="s", least=1000, most=MONTH, template=True), Runtime("template")]
        | None
    ) = Field(
        None,
        alias="for",
        description="How long it has to stay true. A bare number counts seconds; a template is rendered for the event.",
        examples=["5m"],
    )
    window: Window | None = Field(None, description="Fires only when the event came often enough.")


class CronConfig(Model):
    """Fires by the clock."""

    cron_pattern: Text = Field(
        description="Minute, hour, day of the month, month, day of the week.", examples=["0 6 * * mon-fri"]
    )
    timezone: Text = Field("UTC", description="The time zone of the pattern.", examples=["Europe/Berlin"])

    @field_validator("cron_pattern")
    @classmethod
    def _pattern(cls, value: str) -> str:
        message = cron_fault(value)
        if message is not None:
            raise conflict(message, code="bad-cron")
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        return known_timezone(value)


class IntervalConfig(Model):
    """Fires again and again, first after one interval."""

    interval_seconds: int = Field(ge=1, le=31_536_000, description="Seconds between two events.", examples=[3600])


class NumericStateConfig(Model):
    """Fires while a number is beyond a bound. At least one bound; both are exclusive."""

    field: Text = Field(description="What is watched.", examples=["health.system.p95_latency_ms"])
    above: float | None = Field(None, description="It has to be more than this.", examples=[90])
    below: float | None = Field(None, description="It has to be less than this.", examples=[10])

    @model_validator(mode="after")
    def _bound(self) -> Self:
        need_bound(self.above, self.below)
        return self


class WebhookTriggerConfig(Model):
    """Fires when somebody calls its address and signs what is sent with its token."""

    hook: Identifier = Field(description="The last part of the address that is called.", examples=["deploy-done"])
    token: Annotated[str, Field(min_length=1), Secret()] = Field(
        description="The key that the caller signs with; what begins with `whsec_` is read as base64 behind that.",
        examples=["${{ secrets.DEPLOY_HOOK }}"],
    )
    signature: Literal["standard", "github"] = Field(
        "standard",
        description=(
            "How the caller signs: as Standard Webhooks says (`webhook-id`, `webhook-timestamp`, `webhook-signature`), "
            "or as GitHub does (`X-Hub-Signature-256`), which tells no time."
        ),
    )


def need_bound(above: object, below: object) -> None:
    """Raises a fault when neither bound is set, or nothing lies between them."""
    if above is None and below is None:
        raise conflict("needs above or below", code="missing-key")
    if isinstance(above, (int, float)) and isinstance(below, (int, float)) and above >= below:
        raise conflict("nothing is both above and below these bounds", "below")


def known_timezone(value: str) -> str:
    """``value``, when it is a time zone of the IANA database; raises a fault else."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise conflict(f"{value!r} is no time zone", hint="as in Europe/Berlin, or UTC", code="bad-value") from None
    return value


def cron_fault(pattern: str) -> str | None:
    """Why ``pattern`` is no cron pattern of five fields, in a sentence; None when it is one."""
    fields = pattern.lower().split()
    if len(fields) != len(_CRON_BOUNDS):
        return f"{pattern!r} has {len(fields)} fields; a cron pattern has five: {', '.join(_CRON_WORDS)}"
    for index, field in enumerate(fields):
        for item in field.split(","):
            if not _cron_item(item, index):
                least, most = _CRON_BOUNDS[index]
                return f"{item!r} is no {_CRON_WORDS[index]}; it may be {least} to {most}"
    return _never(pattern, *fields[2:])


def _never(pattern: str, days: str, months: str, weekdays: str) -> str | None:
    """Why it never comes, as on 30 February. Where days of the month and of the week are given, either will do."""
    if days[0] == "*" or weekdays[0] != "*":
        return None
    first = min(_cron_item(item, 2)[0] for item in days.split(","))
    if any(_MONTH_DAYS[month - 1] >= first for item in months.split(",") for month in _cron_item(item, 3)):
        return None
    return f"{pattern!r} never comes: no month that it names has {first} days"


def _cron_item(item: str, index: int) -> Sequence[int]:
    """The values it stands for; none for what is no item."""
    match = _CRON_ITEM.match(item)
    if match is None:
        return ()
    least, most = _CRON_BOUNDS[index]
    names = _CRON_NAMES.get(index, ())
    start = 1 if index == 3 else 0
    values: list[int] = []
    for text in match.groups()[:2]:
        if text is None:
            continue
        value = int(text) if text.isdigit() else names.index(text) + start if text in names else -1
        if not least <= value <= most:
            return ()
        values.append(value)
    step = int(match.group(3) or 1)
    if values != sorted(values) or not 1 <= step <= most:
        return ()
    single = len(values) == 1 and match.group(3) is None
    return range(values[0] if values else least, (values[-1] if single or len(values) == 2 else most) + 1, step)
