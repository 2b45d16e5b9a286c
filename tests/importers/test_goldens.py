"""What importers write, whole: every case is a folder with the other tool's files, the documents, and the report.

``GITOPS_UPDATE_GOLDENS=1`` writes documents and reports anew; read the difference before committing it. Everything
secret in the inputs holds the word ``s3cr3t``, which must be nowhere in what comes out.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from reconciler.flows.importing import Conversion, convert
from reconciler.importers.table import importers
from reconciler.report.import_json import import_json
from reconciler.report.import_text import import_text
from reconciler.report.style import PLAIN

GOLDENS = Path(__file__).parent / "goldens"
UPDATE = os.environ.get("GITOPS_UPDATE_GOLDENS") == "1"
CASES = sorted(path.relative_to(GOLDENS).as_posix() for path in GOLDENS.glob("*/*"))
LEAST = 10


def converted(case: str, monkeypatch: pytest.MonkeyPatch) -> Conversion:
    """What the importer makes of a case; the files are named as a user in their folder would."""
    folder = GOLDENS / case / "input"
    monkeypatch.chdir(folder)
    files = sorted(path for path in folder.iterdir() if path.is_file()) or sorted(folder.iterdir())
    return convert(case.partition("/")[0], [Path(path.name) for path in files])


@pytest.mark.parametrize("case", CASES)
def test_documents_and_report(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = converted(case, monkeypatch)
    report = "".join(f"{line}\n" for line in import_text(found, "monitoring", PLAIN, changed=list(found.files)))
    expected, told = GOLDENS / case / "expected", GOLDENS / case / "report.txt"
    if UPDATE:
        shutil.rmtree(expected, ignore_errors=True)
        for path, text in found.files.items():
            (expected / path).parent.mkdir(parents=True, exist_ok=True)
            (expected / path).write_text(text, encoding="utf-8")
        told.write_text(report, encoding="utf-8")
    there = {p.relative_to(expected).as_posix(): p.read_text("utf-8") for p in expected.rglob("*") if p.is_file()}
    assert found.files == there, f"look at the difference; GITOPS_UPDATE_GOLDENS=1 pytest {__file__}"
    assert report == told.read_text("utf-8")


@pytest.mark.parametrize("case", CASES)
def test_no_credential_is_told(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = converted(case, monkeypatch)
    written = [*found.files.values(), str(import_json(found, "monitoring", changed=[]))]
    assert not any("s3cr3t" in text for text in written)


@pytest.mark.parametrize("case", CASES)
def test_the_same_files_give_the_same_bytes(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = converted(case, monkeypatch), converted(case, monkeypatch)
    assert first.files == second.files
    assert first.notes == second.notes


def test_every_format_has_its_goldens() -> None:
    counts = {name: len(list((GOLDENS / name).glob("*"))) for name in importers()}
    assert all(count >= LEAST for count in counts.values()), counts
