"""The kind System: what is watched, where it runs, what it needs, and which checks watch it."""

from typing import Literal, Self

from pydantic import Field, model_validator

from reconciler.kinds.metadata import CheckName, Envelope, EnvironmentName, GroupName, SystemName
from reconciler.kinds.modelling import Model, conflict
from reconciler.kinds.retention import Retention
from reconciler.kinds.thresholds import Thresholds
from reconciler.kinds.types import JsonMap, Text


class Dependency(Model):
    """Another system that this one needs."""

    system: SystemName = Field(description="The system that is needed.", examples=["orders-db"])
    impact: Literal["informational", "degraded", "critical"] = Field(
        description="What its failure means for this system: nothing but a note, degraded, or down."
    )
    transitive: bool = Field(False, description="Whether the dependencies of that system count as well.")


class Assignment(Model):
    """A check that watches this system."""

    check: CheckName = Field(description="The check.", examples=["orders-http"])
    environments: list[EnvironmentName] | None = Field(
        None,
        description=(
            "Null or absent: one run for each environment the system is in. An empty list: one run with no "
            "environment. A list: those of them that the system is in."
        ),
        examples=[["production"], []],
    )
    thresholds: Thresholds = Field(default_factory=Thresholds, description="When failures change health.")
    regions: list[Text] | None = Field(
        None,
        description="The regions it runs in, each by workers of that region; `local` are workers of none. None: there.",
        examples=[["local", "fra"]],
    )
    retention: Retention | None = Field(
        None, description="How long its results are kept. None: runs 7 days, hours 30 days, days 365 days."
    )


class SystemSpec(Model):
    """What the system is made of and what watches it."""

    fields: JsonMap = Field(
        default_factory=dict,
        description="Free values that templates read as `system.fields.<field>`.",
        examples=[{"runbook": "https://wiki.example.net/orders"}],
    )
    groups: list[GroupName] = Field(
        default_factory=list, description="The groups it belongs to.", examples=[["commerce"]]
    )
    environments: list[EnvironmentName] = Field(
        default_factory=list, description="The environments it runs in.", examples=[["staging", "production"]]
    )
    dependencies: list[Dependency] = Field(default_factory=list, description="The systems it needs.")
    checks: list[Assignment] = Field(default_factory=list, description="The checks that watch it.")

    @model_validator(mode="after")
    def _no_twice(self) -> Self:
        for key, names in (("groups", self.groups), ("environments", self.environments)):
            _once(names, key)
        _once([assignment.check for assignment in self.checks], "checks", "check")
        _once([dependency.system for dependency in self.dependencies], "dependencies", "system")
        for index, assignment in enumerate(self.checks):
            if assignment.environments:
                _once(assignment.environments, "checks", before=(index, "environments"))
        return self


class System(Envelope):
    """Something that is watched: a service, a site, a database."""

    kind: Literal["System"] = Field(description="The kind of this document.")
    spec: SystemSpec = Field(default_factory=SystemSpec, description="What it is made of and what watches it.")

    @model_validator(mode="after")
    def _not_itself(self) -> Self:
        for index, dependency in enumerate(self.spec.dependencies):
            if dependency.system == self.metadata.name:
                path = ("spec", "dependencies", index, "system")
                raise conflict("a system can't depend on itself", *path, code="self-reference")
        return self


def _once(names: list[str], key: str, leaf: str | None = None, *, before: tuple[str | int, ...] = ()) -> None:
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            path = (key, *before, index) if leaf is None else (key, *before, index, leaf)
            raise conflict(f"{name!r} is in the list twice", *path, hint="keep one of them", code="duplicate")
        seen.add(name)
