"""Comments that people left beside credentials, or with one in them: those aren't carried over."""

from __future__ import annotations

import re
from typing import Any

from reconciler.importers.port import Notes
from reconciler.importers.probe import At, Channel, Measure, Probe, Remark

_CREDENTIAL = re.compile(
    r"(?:passw(?:or)?d|passphrase|secret|token|api[-_]?key|credentials?|authorization|bearer)[\"']?\s*[:=]\s*\S"
    r"|\b(?:bearer|basic)\s+\S{6,}|//[^/\s:@]+:[^/\s@]+@|-----BEGIN [A-Z ]*PRIVATE KEY",
    re.IGNORECASE,
)


def harmless(text: str) -> bool:
    """Whether no credential seems to stand in a comment."""
    return _CREDENTIAL.search(text) is None


def cleaned(probe: Probe, notes: Notes) -> None:
    """Take such comments out of a monitor and all its checks."""
    owners: list[Probe | Measure] = [probe, *probe.measures]
    for owner in owners:
        owner.comments = _lines(owner.comments, probe.at, notes)
    for measure in probe.measures:
        if measure.beside_interval and not _lines([measure.beside_interval], probe.at, notes):
            measure.beside_interval = None
        for part in (measure.config, measure.settings, measure.assertions):
            _clean(part, probe.at, notes)
    if probe.description and not harmless(probe.description):
        notes.left(probe.at, f"the description of {probe.title} seems to hold a credential, and was left out", _HINT)
        probe.description = None


def cleaned_channel(channel: Channel, notes: Notes) -> None:
    """The same for a channel."""
    channel.comments = _lines(channel.comments, channel.at, notes)


_HINT = "keep what it says as a secret"


def _lines(lines: list[str], at: At, notes: Notes) -> list[str]:
    kept = [line for line in lines if harmless(line)]
    if len(kept) < len(lines):
        notes.left(at, "a comment seems to hold a credential, and was left out", _HINT)
    return kept


def _clean(value: Any, at: At, notes: Notes) -> None:
    if isinstance(value, dict):
        for key in [key for key, text in value.items() if isinstance(key, Remark) and not harmless(text)]:
            del value[key]
            notes.left(at, "a comment seems to hold a credential, and was left out", _HINT)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _clean(item, at, notes)
