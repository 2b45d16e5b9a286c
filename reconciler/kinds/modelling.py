"""The base of all models of documents and configs."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


class Model(BaseModel):
    """Strict, frozen, and closed: nothing is coerced, unknown keys are faults. Keys in YAML are camelCase."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        # Built when it is loaded, so that what is nested in others isn't built for itself as well.
        defer_build=True,
    )


def conflict(sentence: str, *below: str | int, hint: str | None = None, code: Any = "conflict") -> PydanticCustomError:
    """A fault of several fields of a model together, shown at ``below`` (a path within the model)."""
    return PydanticCustomError(code, "{sentence}", {"sentence": sentence, "hint": hint, "below": below})
