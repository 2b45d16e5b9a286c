"""What happens, as it happens: a line each, or a screen that renews itself."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from reconciler.flows.health import HealthReport
from reconciler.flows.runs import Told
from reconciler.flows.watch import Changed, News
from reconciler.report.health_text import LOOKS, health_text
from reconciler.report.moments import moment, took
from reconciler.report.run_json import run_json, transition_json
from reconciler.report.run_text import MARKS, outcome
from reconciler.report.style import Style, safe

if TYPE_CHECKING:
    from rich.live import Live

_REMEMBERED = 100
_EVENTS = 8


def news_lines(news: News, style: Style) -> Iterator[str]:
    """By time: a run, then the change that it made."""
    runs = [(told.run.at + told.run.duration_ms / 1000, 0, _run(told, style)) for told in news.failed]
    changes = [(changed.transition.at, 1, _change(changed, style)) for changed in news.changed]
    for _, _, line in sorted(runs + changes):
        yield line


def news_json(news: News) -> Iterator[str]:
    """The same for machines, one object a line."""
    events: list[dict[str, Any]] = [{"event": "run", **run_json(told)} for told in news.failed]
    for changed in news.changed:
        names = {"system": changed.system, "check": changed.check, "environment": changed.environment}
        events.append({"event": "transition", **names, **transition_json(changed.transition)})
    for event in sorted(events, key=lambda e: (e["at"], e["event"])):
        yield json.dumps(event, sort_keys=True)


def _run(told: Told, style: Style) -> str:
    run = told.run
    region = f" ({run.region})" if run.region else ""
    why = f": {run.reason}" if run.reason else ""
    what = f"{told.name}{region} in {took(run.duration_ms)}{why}"
    return f"{moment(run.at)}  {outcome(run.outcome, style)} {safe(what)}"


def _change(changed: Changed, style: Style) -> str:
    t = changed.transition
    now = style(f"{MARKS[t.now]} {t.now}", LOOKS[t.now], "bold")
    region = f" ({t.region})" if t.region else ""
    what = f"{changed}{region}" if t.scope == "slice" else f"{changed} ({t.scope})"
    cause = f": {t.cause}" if t.cause else ""
    return f"{moment(t.at)}  {safe(what)} → {now} {safe(f'(was {t.was}){cause}')}"


class Screen:
    """The table and the last events, renewed in place for as long as the context is open."""

    def __init__(self) -> None:
        self._events: deque[str] = deque(maxlen=_REMEMBERED)
        self._live: Live | None = None

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(), screen=True, auto_refresh=False)
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, report: HealthReport, news: News, style: Style) -> None:
        """Draw anew, as far as the terminal is high; ``style`` knows how wide it is by now."""
        from rich.text import Text

        self._events.extend(news_lines(news, style))
        if self._live is None:
            return
        height = self._live.console.height
        events = list(self._events)[-_EVENTS:]
        lines = screen_lines(report, events, style, height=height)
        text = Text.from_ansi("\n".join(lines), no_wrap=True, overflow="ellipsis")
        self._live.update(text, refresh=True)


def screen_lines(report: HealthReport, events: list[str], style: Style, *, height: int) -> list[str]:
    """The worst rows, as many as fit; below them the totals and the last events."""
    table = list(health_text(report, style))
    below = ["", *table[-2:], *(["", *events] if events else []), "", f"{moment(report.at)}  Ctrl-C ends this"]
    head = table[:-3]
    room = max(1, height - len(below))
    if len(head) > room:
        head = [*head[: room - 1], f"… {len(head) - room + 1:,} more lines; a higher terminal shows more"]
    return [*head, *below][:height]
