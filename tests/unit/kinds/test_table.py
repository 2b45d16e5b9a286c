"""The table of names: complete, cheap to load, and extended by other distributions without surprises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.base.errors import GitopsError
from reconciler.kinds.loaded import load
from reconciler.kinds.plugins import discover, mentioned
from reconciler.kinds.results import RESULTS
from reconciler.kinds.table import COLLECTORS, STRATEGIES, TABLES, V1_KINDS, Entry, entries

TAKEN = {group: frozenset(table) for group, table in TABLES.items()}


@pytest.mark.parametrize("entry", list(entries()), ids=lambda entry: entry.subject)
def test_every_entry_has_a_model(entry: Entry) -> None:
    assert 1 <= entry.first <= entry.head
    assert load(entry).model.__doc__


def test_every_collector_belongs_to_a_strategy_and_has_a_result() -> None:
    assert {name.partition(".")[0] for name in COLLECTORS} == set(STRATEGIES)
    assert set(RESULTS) == set(COLLECTORS)


def test_version_1_kinds_lead_to_kinds() -> None:
    assert set(V1_KINDS.values()) <= set(TABLES["kinds"])


def test_the_table_loads_without_heavy_libraries() -> None:
    code = (
        "import sys, reconciler.kinds.checks, reconciler.kinds.results; from reconciler.kinds.table import entries\n"
        "list(entries()); heavy = {'pydantic', 'importlib.metadata', 'jsonpath_rfc9535'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def plugin(folder: Path, name: str, group: str, point: str, subject: str, *, value: str | None = None) -> None:
    """A distribution with one entry point, as an installer would lay it out below ``folder``."""
    module = f"plugin_{name}"
    code = f"from reconciler.kinds.table import Entry\nENTRY = Entry({subject!r}, 1, 1, '{module}:Model')\nOTHER = 5\n"
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[gitops.{group}]\n{point} = {value or module + ':ENTRY'}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the module search path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_folder_without_plugins_is_left_alone(site: Path) -> None:
    (site / "other-1.0.dist-info").mkdir()
    (site / "other-1.0.dist-info" / "entry_points.txt").write_text("[console_scripts]\na = b:c\n")
    assert not mentioned([str(site), str(site / "missing")])
    assert discover(TAKEN, search=[str(site)]) == []


def test_plugins_are_found(site: Path) -> None:
    plugin(site, "snmp_found", "strategies", "snmp", "strategies/snmp")
    plugin(site, "runbook_found", "kinds", "Runbook", "runbook")
    found = discover(TAKEN, search=[str(site)])
    assert [(group, name, entry.subject) for group, name, entry in found] == [
        ("kinds", "Runbook", "runbook"),
        ("strategies", "snmp", "strategies/snmp"),
    ]


def test_a_built_in_name_is_refused(site: Path) -> None:
    plugin(site, "again", "strategies", "http", "strategies/http")
    with pytest.raises(GitopsError, match=r"again declares strategies/http, which is built in"):
        discover(TAKEN, search=[str(site)])


def test_two_plugins_of_one_name_are_refused(site: Path) -> None:
    plugin(site, "one", "strategies", "snmp", "strategies/snmp")
    plugin(site, "two", "strategies", "snmp", "strategies/snmp")
    with pytest.raises(GitopsError, match=r"both declare strategies/snmp"):
        discover(TAKEN, search=[str(site)])


@pytest.mark.parametrize(
    ("subject", "value", "message"),
    [
        ("strategies/snmp", "plugin_broken:NOTHING", "can't be loaded"),
        ("strategies/snmp", "plugin_broken:OTHER", "is no reconciler.kinds.table.Entry"),
        ("strategies/other", None, "has to be 'strategies/snmp'"),
    ],
)
def test_a_broken_plugin_is_named(site: Path, subject: str, value: str | None, message: str) -> None:
    plugin(site, "broken", "strategies", "snmp", subject, value=value)
    sys.modules.pop("plugin_broken", None)
    with pytest.raises(GitopsError, match=message) as caught:
        discover(TAKEN, search=[str(site)])
    assert "broken" in caught.value.message
