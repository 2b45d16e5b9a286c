"""When runs make a slice degraded or unhealthy, and settings that checks and their assignments share."""

from typing import Literal, Self

from pydantic import Field, model_validator

from reconciler.kinds.modelling import Model, conflict
from reconciler.kinds.types import DurationType, Text
from typing import Annotated


class Thresholds(Model):
    """How many runs it takes. `consecutive` counts the newest streak, `window` the failures among the last runs."""

    mode: Literal["consecutive", "window"] = Field("consecutive", description="What is counted.")
    healthy: int = Field(1, ge=1, description="Successes in a row that make it healthy again (consecutive only).")
    degraded: int = Field(2, ge=1, description="Failures that make it degraded.")
    unhealthy: int = Field(5, ge=1, description="Failures that make it unhealthy.")
    window_size: int | None = Field(None, ge=1, le=1000, description="How many of the last runs count (window only).")

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.mode == "window" and self.window_size is None:
            raise conflict("mode window needs windowSize: how many of the last runs count", "windowSize")
        if self.mode == "consecutive" and self.window_size is not None:
            raise conflict("windowSize has a meaning in mode window only", "windowSize", hint="add mode: window")
        if self.window_size is not None and max(self.degraded, self.unhealthy) > self.window_size:
            key = "degraded" if self.degraded > self.window_size else "unhealthy"
            raise conflict(f"can never be reached: only the last {self.window_size} runs count", key)
        return self


class AnomalyField(Model):
    """Anomaly settings of one result field."""

    sensitivity: float | None = Field(None, gt=0, le=10, description="How far off the usual counts, for this field.")
    drift_threshold: float | None = Field(None, gt=0, description="How much slow change counts, for this field.")


class Anomaly(Model):
    """How unusual measurements are found. What isn't set keeps the default of the executor, or of the check."""

    enabled: bool | None = Field(None, description="Whether to look for anomalies at all.")
    sensitivity: float | None = Field(None, gt=0, le=10, description="How far off the usual counts as an anomaly.")
    confirmation_window: int | None = Field(None, ge=1, description="Runs in a row that confirm an anomaly.")
    baseline_window: Annotated[int, DurationType(least=60_000)] | None = Field(
        None, description="How far back the usual is learnt from.", examples=["7d"]
    )
    notify: bool | None = Field(None, description="Whether a confirmed anomaly notifies.")
    drift_enabled: bool | None = Field(None, description="Whether slow change is looked for, too.")
    drift_threshold: float | None = Field(None, gt=0, description="How much slow change counts.")
    field_overrides: dict[Text, AnomalyField] = Field(
        default_factory=dict, description="Settings for single result fields, by field name."
    )


class SustainedUnhealthy(Model):
    """A notification after a stretch of unhealthy time."""

    enabled: bool = Field(description="Whether it is on.")
    duration_minutes: int | None = Field(None, ge=1, description="Minutes of being unhealthy.")


class Flapping(Model):
    """A notification when health changes too often."""

    enabled: bool = Field(description="Whether it is on.")
    transitions: int | None = Field(None, ge=1, description="Changes of health.")
    window_minutes: int | None = Field(None, ge=1, description="Within so many minutes.")


class NotificationPolicy(Model):
    """Which changes of health notify. What isn't set keeps the default."""

    suppress_de_escalations: bool | None = Field(None, description="Be silent when unhealthy turns into degraded.")
    auto_open_incident_on_unhealthy: bool | None = Field(None, description="Open an incident when it turns unhealthy.")
    auto_close_after_minutes: int | None = Field(None, ge=1, description="Close that incident so long after recovery.")
    use_notification_suppression: bool | None = Field(None, description="Be silent while an incident is open.")
    skip_during_maintenance: bool | None = Field(None, description="Be silent during a maintenance.")
    sustained_unhealthy_trigger: SustainedUnhealthy | None = Field(None, description="Notify when it stays unhealthy.")
    flapping_trigger: Flapping | None = Field(None, description="Notify when health changes too often.")
