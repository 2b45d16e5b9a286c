"""Importers of other distributions, found by their entry points."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reconciler.base.errors import GitopsError
from reconciler.flows.importing import convert
from reconciler.importers.table import importers

MODULE = """\
from reconciler.importers.port import Imported, Importer
from reconciler.importers.probe import Measure, Probe

def read(files, notes):
    found = Imported()
    for file in files:
        for number, line in enumerate(file.text.splitlines(), 1):
            host, _, title = line.partition(" ")
            at = file.at()._replace(line=number)
            found.probes.append(Probe(title, at, [Measure("ping", {}, "ping", {"host": host})]))
    return found

IMPORTER = Importer("A list of hosts", "hosts_importer:read", (".hosts",))
NOTHING = 5
"""


def distribution(folder: Path, name: str, points: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[gitops.importers]\n{points}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "hosts_importer.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "hosts_importer", raising=False)
    return tmp_path


def test_a_plugin_imports(site: Path) -> None:
    distribution(site, "gitops-hosts", "hosts = hosts_importer:IMPORTER")
    assert list(importers())[-1] == "hosts"
    (site / "lab.hosts").write_text("192.0.2.1 Gateway\n192.0.2.2 Printer\n")
    found = convert("hosts", [site / "lab.hosts"])
    assert found.title == "A list of hosts"
    assert "title: Gateway" in found.files["systems.yaml"]


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ("gatus = hosts_importer:IMPORTER", "declares the importer gatus, which this program has already"),
        ("hosts = hosts_importer:NOTHING", "is no reconciler.importers.port.Importer"),
        ("hosts = hosts_importer:missing", "of the plugin gitops-hosts can't be loaded"),
    ],
)
def test_broken_plugins_are_named(site: Path, points: str, said: str) -> None:
    distribution(site, "gitops-hosts", points)
    with pytest.raises(GitopsError, match=said):
        importers()


def test_two_plugins_with_one_name(site: Path) -> None:
    distribution(site, "gitops-hosts", "hosts = hosts_importer:IMPORTER")
    distribution(site, "other-hosts", "hosts = hosts_importer:IMPORTER")
    with pytest.raises(GitopsError, match=r"declares the importer hosts, which .* has already"):
        importers()
