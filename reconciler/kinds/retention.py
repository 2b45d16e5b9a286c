"""How long what runs came to is kept."""

from typing import Annotated

from pydantic import Field

from reconciler.kinds.modelling import Model
from reconciler.kinds.types import DurationType

_HOUR = 3_600_000
_DAY = 24 * _HOUR


class Retention(Model):
    """How long runs and their aggregates are kept; what isn't given keeps its default."""

    raw: Annotated[int, DurationType(least=_HOUR)] | None = Field(
        None, description="Every run with what it measured. None: 7 days.", examples=["14d"]
    )
    hourly: Annotated[int, DurationType(least=_DAY)] | None = Field(
        None, description="Counts and percentiles of each hour. None: 30 days.", examples=["90d"]
    )
    daily: Annotated[int, DurationType(least=_DAY)] | None = Field(
        None, description="Counts and percentiles of each day. None: 365 days.", examples=["730d"]
    )
