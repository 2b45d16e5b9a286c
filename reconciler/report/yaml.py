"""YAML as a person would write it. What a head document spells with a unit is spelled so, that it can be used again."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

from reconciler.base.durations import format_duration
from reconciler.report.values import is_duration, masked

_ORDER = ("apiVersion", "kind", "metadata", "spec", "name", "title", "type", "system", "check", "environment")


def to_yaml(*documents: Mapping[str, Any]) -> str:
    """Documents in block style, parted by ``---``."""
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RoundTripRepresenter
    from ruamel.yaml.scalarstring import LiteralScalarString

    class Representer(RoundTripRepresenter):
        """Shared parts are written out: an anchor helps no reader here."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def lines(text: str) -> str:
        return LiteralScalarString(text) if "\n" in text else text

    yaml = YAML()
    yaml.Representer = Representer
    yaml.representer.add_representer(type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null"))
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = StringIO()
    yaml.dump_all([_ordered(d, "", lines) for d in documents], out)
    return out.getvalue()


def _ordered(value: Any, path: str, lines: Any) -> Any:
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda k: (_ORDER.index(k) if k in _ORDER else len(_ORDER), k))
        return {k: _ordered(value[k], f"{path}.{k}", lines) for k in keys}
    if isinstance(value, list):
        return [_ordered(v, path, lines) for v in value]
    if isinstance(value, str):
        return lines(masked(value))
    return format_duration(value) if is_duration(path, value) else value
