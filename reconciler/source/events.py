"""From parser events to plain values, without recursion and without nodes: the hot loop of the whole tool.

One loop for both parsers, so that they can't disagree about meaning. Whatever is out of the ordinary is left to
:class:`~reconciler.source.oddities.Oddities`; the loop itself only pays for what every document has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from reconciler.source.limits import MAX_DEPTH, MAX_DOCUMENTS
from reconciler.source.oddities import MERGE, Oddities
from reconciler.source.parsers import EventSource
from reconciler.source.scalars import PLAIN, BadNumber

_MISSING: Any = object()


@lru_cache(maxsize=1)
def event_types() -> tuple[type[Any], ...]:
    """Scalar, map start, map end, list start, list end, alias, document start, document end, stream end."""
    from ruamel.yaml import events as e

    return (
        e.ScalarEvent,
        e.MappingStartEvent,
        e.MappingEndEvent,
        e.SequenceStartEvent,
        e.SequenceEndEvent,
        e.AliasEvent,
        e.DocumentStartEvent,
        e.DocumentEndEvent,
        e.StreamEndEvent,
    )


def read(source: EventSource, odd: Oddities) -> None:  # noqa: C901 - split up, it would cost a call for each event
    """Read all documents of ``source`` into ``odd``. Raises what the parser raises, and ``Refused``."""
    scalar, map_start, map_end, list_start, list_end, alias, document_start, document_end, stream_end = event_types()
    get, plain, missing, merge = source.get_event, PLAIN, _MISSING, MERGE
    stack: list[tuple[Any, Any]] = []
    push, pop = stack.append, stack.pop
    current: Any = []
    key: Any = missing
    anchors: dict[str, Any] = {}
    while True:
        event = get()
        kind = type(event)
        if kind is scalar:
            value = event.value
            if event.ctag is not None:
                value = odd.tagged(event)
            elif not event.style:
                try:
                    value = plain[value]
                except BadNumber as bad:
                    odd.bad_number(event, bad)
            if event.anchor is not None:
                anchors[event.anchor] = value
            if key is not missing:
                current[key] = value
                key = missing
            elif type(current) is list:
                current.append(value)
            else:
                key = (
                    odd.key(event, value, current)
                    if type(value) is not str or value in current or value == "<<"
                    else value
                )
            continue
        if kind is map_end or kind is list_end:
            if kind is map_end and merge in current:
                odd.merge(current)
            value = current
            current, key = pop()
        elif kind is map_start or kind is list_start:
            if len(stack) >= MAX_DEPTH:
                odd.too_deep(event)
            if event.ctag is not None:
                odd.collection_tag(event, is_map=kind is map_start)
            if key is missing and type(current) is dict:
                odd.collection_key(event, is_map=kind is map_start)
            push((current, key))
            current, key = ({} if kind is map_start else []), missing
            if event.anchor is not None:
                anchors[event.anchor] = current
            continue
        elif kind is alias:
            value = odd.alias(event, anchors, current, stack)
        elif kind is document_start:
            if odd.count >= MAX_DOCUMENTS:
                odd.too_many(event)
            odd.start(source.peek_event())
            anchors, current, key = {}, [], missing
            continue
        elif kind is document_end:
            odd.finish(current)
            continue
        elif kind is stream_end:
            return
        else:
            continue
        if key is not missing:
            current[key] = value
            key = missing
        elif type(current) is list:
            current.append(value)
        else:
            key = odd.key(event, value, current)
