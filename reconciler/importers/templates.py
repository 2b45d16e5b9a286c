"""Texts of the other tool in fields that are rendered here: what would be taken for a template is said as text."""

from __future__ import annotations

import re

from reconciler.importers.port import Notes
from reconciler.importers.probe import At
from reconciler.importers.secrets import sensitive

_JSON = re.compile(r'("?([A-Za-z0-9_.-]+)"?\s*:\s*)"((?:[^"\\]|\\.)+)"')
_XML = re.compile(r"(<([A-Za-z0-9_.:-]+)[^<>]*>)[^<>]+(?=</)")
_COMMAND = re.compile(r"(^[ \t]*(AUTH|PASS|LOGIN)[ \t]+)\S[^\r\n]*", re.IGNORECASE | re.MULTILINE)
_FORM = re.compile(r"(^|&)([A-Za-z0-9_.-]+)=([^&\s]+)")


def literal(text: str) -> str:
    """``text`` so that rendering it gives ``text``."""
    return text.replace("{{", "{{ '{{' }}") if "{{" in text else text


def clean_body(body: str, at: At, notes: Notes) -> str:
    """A body without what looks like a credential, since a body is in plain sight."""
    held: list[str] = []

    def without(match: re.Match[str], name: int, replacement: str) -> str:
        if not sensitive(match[name]):
            return match[0]
        held.append(match[name])
        return replacement

    def command(match: re.Match[str]) -> str:
        held.append(match[2])
        return match[1].rstrip()

    cleaned = _JSON.sub(lambda m: without(m, 2, f'{m[1]}""'), body)
    cleaned = _XML.sub(lambda m: without(m, 2, m[1]), cleaned)
    cleaned = _FORM.sub(lambda m: without(m, 2, f"{m[1]}{m[2]}="), cleaned)
    cleaned = _COMMAND.sub(command, cleaned)
    if held:
        notes.left(
            at,
            f"the body carries what looks like a credential in {', '.join(dict.fromkeys(held))}, which was left out",
            "send it as a header with valueFrom: {secret: NAME}, or use a script with secretEnv",
        )
    return cleaned
