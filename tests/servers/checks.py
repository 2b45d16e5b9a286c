"""Documents of checks that look at real servers and run real scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conftest import Document, Kit


def http_check(kit: Kit, name: str, path: str, **config: Any) -> Document:
    """A check that wants a 200 from ``<url of the environment><path>``."""
    check = kit.check(name, "{{ environment.url }}" + path)
    check["spec"]["collectors"][0]["config"] |= config
    check["spec"]["collectors"][0]["assertions"] = [{"field": "statusCode", "operator": "equals", "value": 200}]
    return check


def script_check(kit: Kit, name: str, script: str) -> Document:
    """A check of one shell script."""
    spec = {
        "interval": "1m",
        "strategy": {"type": "script@1"},
        "collectors": [{"type": "execute@2", "config": {"script": script, "timeout": "10s"}}],
    }
    return kit.document("Check", name, spec)
