"""The rules that come with the tool: their codes, what they ask for, and in which preset they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.base.diagnostics import Severity
from reconciler.base.durations import parse_duration
from reconciler.policy.names import PRESETS, Preset
from reconciler.policy.rules import Rule, Scope, Written


@dataclass(frozen=True, slots=True)
class Builtin:
    """One of them. ``implementation`` is ``module:function``, imported when the rule is in force."""

    title: str
    why: str
    scope: Scope
    implementation: str
    kinds: tuple[str, ...] = ()
    recommended: Severity | None = None
    """Its severity in that preset; None: it isn't in it."""
    strict: Severity | None = "error"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Defaults; the type of each says what may be given."""

    def severity(self, preset: Preset) -> Severity | None:
        """What a preset makes of it."""
        return {"off": None, "recommended": self.recommended, "strict": self.strict}[preset]

    def judge_option(self, key: str, given: Any) -> str | None:
        """What is wrong with the value of an option."""
        default = self.options[key]
        if isinstance(default, list):
            fits = isinstance(given, list) and all(isinstance(g, str) for g in given)
            return None if fits else "is a list of texts"
        try:
            parse_duration(given)
        except (ValueError, TypeError, AttributeError):
            return "is a duration such as 10s"
        return None


_RESOURCES = "reconciler.policy.resources"
_SLICES = "reconciler.policy.slices"
_SOURCE = "reconciler.policy.source"

BUILTINS: dict[str, Builtin] = {
    "check-without-assertion": Builtin(
        "every check has an assertion",
        "A check without one only tells that something answered, whatever it answered.",
        "resource",
        f"{_RESOURCES}:assertions",
        kinds=("Check",),
        recommended="warning",
    ),
    "system-without-owner": Builtin(
        "every system has the label owner",
        "Who is to be called when it is red shouldn't have to be found out then.",
        "resource",
        f"{_RESOURCES}:labels",
        kinds=("System",),
        recommended="warning",
        options={"labels": ["owner"]},
    ),
    "interval-too-short": Builtin(
        "no check runs more often than every 10 seconds",
        "A shorter interval is load for both sides, and finds nothing that thresholds would act on sooner.",
        "resource",
        f"{_RESOURCES}:interval",
        kinds=("Check",),
        recommended="error",
        options={"least": "10s"},
    ),
    "literal-credential": Builtin(
        "no credential stands in a document",
        "Whoever can read the repository, or ever could, has it. Write ${{ secrets.NAME }} and change the credential.",
        "resource",
        "reconciler.policy.credentials:literal",
        recommended="error",
    ),
    "environments-differ": Builtin(
        "staging and production differ only in the listed fields",
        "What was tried in staging tells about production only as far as both are the same.",
        "slice",
        f"{_SLICES}:differences",
        strict="warning",
        options={
            "environments": ["staging", "production"],
            "fields": ["*.url", "*.host", "*.hostname", "*.port", "*.database", "*.user", "*.headers.*"],
        },
    ),
    "automation-without-description": Builtin(
        "every automation has a description",
        "At night somebody has to know what it did, and why.",
        "resource",
        f"{_RESOURCES}:description",
        kinds=("Automation",),
        recommended="warning",
    ),
    "unused-check": Builtin(
        "every check runs on a system",
        "A check that no system names never runs, and looks as if it did.",
        "source",
        f"{_SOURCE}:unused_checks",
        recommended="warning",
    ),
    "unused-environment": Builtin(
        "every environment has a system",
        "An environment that no system is in, and none extends, has no effect.",
        "source",
        f"{_SOURCE}:unused_environments",
        recommended="warning",
    ),
    "threshold-never-reached": Builtin(
        "every threshold can be reached",
        "A threshold beyond what is counted or kept never fires, and the system stays green.",
        "slice",
        f"{_SLICES}:thresholds",
        recommended="error",
    ),
}


def preset_rules(preset: Preset, written: Written) -> list[Rule]:
    """The built-in rules of a preset."""
    found = []
    for name, one in BUILTINS.items():
        severity = one.severity(preset)
        if severity is not None:
            found.append(
                Rule(
                    name,
                    one.scope,
                    written,
                    kinds=one.kinds,
                    severity=severity,
                    uses=name,
                    options=one.options,
                    description=one.title,
                )
            )
    return found


def presets_of(name: str) -> list[str]:
    """``recommended (warning)`` and so on."""
    one = BUILTINS[name]
    return [f"{preset} ({one.severity(preset)})" for preset in PRESETS if one.severity(preset) is not None]
