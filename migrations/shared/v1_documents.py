"""What all kinds of version 1 documents have in common: the envelope, references, durations."""

from __future__ import annotations

from typing import Any

_METADATA = ("name", "title", "description", "labels", "annotations", "tags")
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000))


def envelope(data: dict[str, Any], kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """The version 2 document around a translated ``spec``; unknown metadata keys stay behind, as version 1 did it."""
    metadata = {key: data["metadata"][key] for key in _METADATA if key in data["metadata"]}
    return {"apiVersion": "gitops/v2", "kind": kind, "metadata": metadata, "spec": spec}


def is_old(data: dict[str, Any]) -> bool:
    """Whether the document still is one of version 1; steps leave any other alone."""
    return str(data.get("apiVersion", "")).startswith("checkstack.io/")


def names(references: list[dict[str, str]]) -> list[str]:
    """``[{kind, name}, ...]`` as names, each once: version 2 knows the kind by the field."""
    return list(dict.fromkeys(reference["name"] for reference in references))


def seconds(count: Any) -> Any:
    """A duration of that many seconds in the largest unit that spells it in whole numbers.

    What is no number stays as it is: such a document is refused, but its other faults are to be found as well.
    """
    if not isinstance(count, (int, float)):
        return count
    milliseconds = round(count * 1000)
    for unit, size in _UNITS:
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"
