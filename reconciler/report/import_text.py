"""What ``gitops import`` made, and what is left to a person, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.flows.importing import Conversion
from reconciler.importers.port import Note
from reconciler.report.style import Style, count, safe

_HEADLINES = {
    "unread": "Could not be read:",
    "secret": "Secrets to set:",
    "changed": "Carried over with a difference:",
    "left": "Left to you:",
}


def import_text(found: Conversion, folder: str, style: Style, *, changed: Sequence[str]) -> Iterator[str]:
    """The files with what is in them, then what a person has to do, then one sentence."""
    width = max(map(len, found.files), default=0)
    for path, kinds in found.documents.items():
        holds = ", ".join(count(number, _words(kind)) for kind, number in kinds.items())
        yield f"{safe(folder)}/{style(safe(path.ljust(width)), 'bold')}  {holds}"
    for kind, headline in _HEADLINES.items():
        notes = [note for note in found.notes if note.kind == kind]
        if notes:
            yield ""
            yield style(headline, "bold")
            yield from _secrets(notes, style) if kind == "secret" else _notes(notes, style)
    yield ""
    yield _sentence(found, style, changed=changed)


def _words(kind: str) -> str:
    return "service account" if kind == "ServiceAccount" else kind.lower()


def _notes(notes: Sequence[Note], style: Style) -> Iterator[str]:
    for note in notes:
        yield f"  {style(safe(str(note.at)), 'bold')}: {safe(note.message)}"
        if note.hint:
            yield f"    {style('hint:', 'bold')} {safe(note.hint)}"


def _secrets(notes: Sequence[Note], style: Style) -> Iterator[str]:
    """Each once, with every place it came from."""
    for name in dict.fromkeys(note.name or "" for note in notes):
        yield f"  {style(safe(name), 'bold')}"
        yield from (f"    {safe(str(note.at))}: {safe(note.message)}" for note in notes if note.name == name)


def _sentence(found: Conversion, style: Style, *, changed: Sequence[str]) -> str:
    left = sum(note.kind in ("left", "unread") for note in found.notes)
    secrets = len({note.name for note in found.notes if note.kind == "secret"})
    more = [
        count(secrets, "secret") + " to set" if secrets else "",
        count(left, "thing") + " left to you" if left else "",
    ]
    made = count(sum(sum(kinds.values()) for kinds in found.documents.values()), "document")
    rest = "".join(f"; {part}" for part in more if part)
    source = f"{count(found.monitors, 'monitor')} in {count(found.read, 'file')} ({found.title})"
    done = (
        f"Wrote {count(len(changed), 'file')} with {made}" if changed else f"Nothing to write: {made} are there already"
    )
    return style(f"{done} from {source}{rest}.", "yellow" if left else "green")
