"""The worker's log: what it says at its start, and a line for each change. Plain text, or an object a line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from reconciler._version import __version__
from reconciler.flows.work.events import (
    AutomationEnded,
    AutomationStarted,
    Changed,
    ClockMoved,
    Dropped,
    Event,
    Fault,
    ScriptsHeld,
    Started,
    Stopped,
    Stopping,
    StoreAway,
    StoreBack,
    Taken,
    Unsaved,
    Untraced,
)
from reconciler.model.run import HOST, Health
from reconciler.report.output import Output
from reconciler.report.style import Style, count, safe

_COLOURS: dict[Health, str] = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}
_NAMES = {
    "ScriptsHeld": "scripts",
    "AutomationStarted": "automationStarted",
    "AutomationEnded": "automationEnded",
    "StoreAway": "storeAway",
    "StoreBack": "storeBack",
    "ClockMoved": "clockMoved",
}


def teller(output: Output, clock: Callable[[], float] = time.time) -> Callable[[Event], None]:
    """What a worker is handed to tell its events to. A log that can't be written costs its lines, never a run."""
    worker: dict[str, str] = {}

    def tell(event: Event) -> None:
        if isinstance(event, Started):
            worker["worker"] = event.worker
        at = event.at if isinstance(event, Changed) else clock()
        with suppress(OSError):  # its disk is full
            if output.json:
                output.line_of_data({**event_json(event, at), **worker})
            else:
                output.lines(event_text(event, at, output.style))

    return tell


def event_json(event: Event, at: float) -> dict[str, Any]:
    """One object. Keys may be added; none changes its meaning."""
    name = type(event).__name__
    found: dict[str, Any] = {"time": _stamp(at), "event": _NAMES.get(name, name.lower())}
    found |= {_camel(key): value for key, value in event._asdict().items() if key != "at"}
    if isinstance(event, Started):
        found["version"] = __version__
    return found


def event_text(event: Event, at: float, style: Style) -> Iterator[str]:
    """Its lines; a change of an environment's view has none, as its slices and its system are told."""
    stamp = style(_stamp(at), "dim")
    match event:
        case Started():
            yield from _started(event, stamp, style)
        case ScriptsHeld(banner=banner) if banner is not None:
            yield from (style(safe(line), "yellow") for line in banner.splitlines())
        case ScriptsHeld(enforced=enforced):
            yield f"{stamp} scripts are held by: {', '.join(enforced)}"
        case Changed(scope="environment"):
            return
        case Changed():
            yield f"{stamp} {_changed(event, style)}"
        case _:
            yield f"{stamp} {safe(_sentence(event))}"


def _started(event: Started, stamp: str, style: Style) -> Iterator[str]:
    yield f"{stamp} {style(f'gitops {__version__} worker {safe(event.worker)}', 'bold')}"
    applied = f"generation {event.generation}" if event.generation else "nothing is applied yet"
    yield f"  store     {safe(event.store)}, {applied}, {count(event.slices, 'slice')}"
    lane = f"{event.lane} of them slow ones"
    yield f"  at once   {count(event.concurrency, 'run')}, {lane}; {count(event.scripts, 'script')} beside them"
    regions = [region or HOST for region in event.regions]
    if any(event.regions):
        yield f"  regions   {safe(', '.join(regions))}"
    if event.lacking:
        extras = ",".join(event.lacking)
        yield f"  can't run {', '.join(event.lacking)}: pip install 'gitops-reconciler[{extras}]'"
    if event.behind:
        yield f"  behind    {count(event.behind, 'slice')} of an older release, brought forward as they run"
    if event.refused:
        refused = f"  refused   {count(event.refused, 'slice')}: {safe(event.refusal or '')}"
        yield style(refused, "yellow")
    if event.metrics is not None:
        yield f"  metrics   {event.metrics}/metrics, /healthz and /readyz"


def _changed(event: Changed, style: Style) -> str:
    parts = (event.system, event.check, event.environment)
    name = "/".join(part for part in parts if part is not None)
    if event.scope == "system":
        name = f"system {name}"
    where = f" in region {event.region}" if event.region else ""
    cause = f": {event.cause}" if event.cause else ""
    now = style(event.now, _COLOURS[event.now], "bold")
    return f"{safe(name)}{safe(where)} is {now} (was {event.was}){safe(cause)}"


def _sentence(event: Event) -> str:
    match event:
        case Taken():
            changes = f"{event.added:,} new, {event.changed:,} changed, {event.removed:,} gone"
            return f"generation {event.generation} taken over: slices {changes}"
        case AutomationStarted():
            about = f" of {event.context}" if event.context else ""
            return f"automation {event.automation}: run {event.run} began, by {event.event_name}{about}"
        case AutomationEnded():
            took = f" after {event.seconds:.1f} seconds" if event.seconds is not None else ""
            why = f": {event.reason}" if event.reason else ""
            return f"automation {event.automation}: run {event.run} ended as {event.status}{took}{why}"
        case StoreAway():
            kept = f"; {count(event.kept, 'finished run')} kept until it is back" if event.kept else ""
            return f"the store is away: {event.sentence}{kept}"
        case StoreBack():
            return f"the store is back after {event.seconds:.1f} seconds"
        case ClockMoved():
            way = "forth" if event.seconds > 0 else "back"
            mended = f"; {count(event.mended, 'slice')} brought back to schedule" if event.mended else ""
            return f"the clock went {way} by {abs(event.seconds):.1f} seconds{mended}"
        case Dropped():
            return f"{count(event.runs, 'run')} won't count: another worker has the slice by now, or it is gone"
        case Unsaved() | Untraced() | Fault():
            return event.sentence
        case Stopping():
            if not event.running:
                return "stopping"
            return f"stopping: {count(event.running, 'run')} may end within {event.grace:g} seconds"
        case Stopped():
            lost = f", {count(event.unsaved, 'result')} NOT stored" if event.unsaved else ""
            return f"stopped: {count(event.runs, 'run')} stored, {event.given_back:,} given back{lost}"
    return ""


def _stamp(at: float) -> str:
    milliseconds = int(at * 1000) % 1000
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{milliseconds:03d}Z"


def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(part.title() for part in rest)
