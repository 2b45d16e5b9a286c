"""When runs make a slice degraded or unhealthy."""

from typing import Literal, Self

from pydantic import Field, model_validator

from reconciler.kinds.modelling import Model, conflict


class Thresholds(Model):
    """How many runs it takes. `consecutive` counts the newest streak, `window` the failures among the last runs."""

    mode: Literal["consecutive", "window"] = Field("consecutive", description="What is counted.")
    healthy: int = Field(1, ge=1, description="Successes in a row that make it healthy again (consecutive only).")
    degraded: int = Field(2, ge=1, description="Failures that make it degraded.")
    unhealthy: int = Field(5, ge=1, description="Failures that make it unhealthy.")
    window_size: int | None = Field(
        None, ge=1, le=1000, description="How many of the last runs count (window only).", examples=[10]
    )

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
