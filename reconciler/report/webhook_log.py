"""The log of the server for webhooks: a line for each thing that happens, plain or as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from reconciler._version import __version__
from reconciler.flows.webhooks.events import Came, Ended, Event, Listening, Refused, Trouble
from reconciler.report.moments import iso
from reconciler.report.output import Output
from reconciler.report.style import count, safe


def teller(output: Output, clock: Callable[[], float] = time.time) -> Callable[[Event], None]:
    """What the server tells its events to. A log that can't be written costs its lines, never an event."""

    def tell(event: Event) -> None:
        with suppress(OSError):
            if output.json:
                output.line_of_data(event_json(event, clock()))
            else:
                output.lines([f"{iso(clock())} {safe(sentence(event))}"])

    return tell


def event_json(event: Event, at: float) -> dict[str, Any]:
    """One object."""
    found: dict[str, Any] = {"time": iso(at), "event": type(event).__name__.lower(), **event._asdict()}
    if isinstance(event, Listening):
        found["version"] = __version__
    return found


def sentence(event: Event) -> str:
    """One line."""
    match event:
        case Listening(url=url, store=store, hooks=hooks, metrics=metrics):
            told = f"; counts at {metrics}/metrics" if metrics else ""
            known = f"{count(hooks, 'hook')} of {store}{told}"
            return f"gitops {__version__} takes webhooks at {url}/hooks/NAME, for {known}"
        case Came(hook=hook, remote=remote, events=events, duplicate=duplicate):
            again = "came again" if duplicate else "came"
            numbers = ", ".join(map(str, events))
            return f"{hook} {again} from {remote}: {'events' if len(events) > 1 else 'event'} {numbers}"
        case Refused(requests=requests, addresses=addresses):
            return (
                f"{count(requests, 'request')} from {count(addresses, 'address', 'addresses')} refused: "
                "no such hook, or not signed as it has to be"
            )
        case Trouble(sentence=told):
            return told
        case Ended(taken=taken):
            return f"ended; {count(taken, 'webhook')} taken"
