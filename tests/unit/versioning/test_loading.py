"""Step files, the check at every start, and what it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.base.bundled import bundled
from reconciler.kinds.table import Entry, entries
from reconciler.versioning.loading import assemble, check_chains, load_chains, read_folder

GOOD = '"""What it does.\n\nMore.\n"""\nFROM, TO = {frm}, {to}\n\n\ndef migrate(data):\n    return data\n'
STEPS = sorted(path for path in bundled("migrations").rglob("v*_to_v*.py"))


def write(root: Path, file: str, text: str = "", *, frm: int = 1, to: int = 2) -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text or GOOD.format(frm=frm, to=to))


def test_the_chains_of_this_installation_are_sound() -> None:
    check_chains()
    chains = load_chains()
    assert set(chains) == {entry.subject for entry in entries()}
    assert [s.description for s in chains["group"].steps] == ["The document moves to gitops/v2"]
    with pytest.raises(TypeError):
        chains["group"] = chains["system"]  # type: ignore[index]


def test_reads_steps_of_every_depth(tmp_path: Path) -> None:
    write(tmp_path, "system/v1_to_v2.py")
    write(tmp_path, "collectors/script.execute/v1_to_v2.py")
    write(tmp_path, "shared/anything.py", "raise RuntimeError\n")
    write(tmp_path, "system/__pycache__/v1_to_v2.cpython.py", "raise RuntimeError\n")
    found, faults = read_folder(tmp_path)
    assert faults == []
    assert sorted(found) == ["collectors/script.execute", "system"]
    assert found["system"][0].description == "What it does"
    assert found["system"][0].file == "migrations/system/v1_to_v2.py"


def test_all_faults_of_all_chains_at_once(tmp_path: Path) -> None:
    write(tmp_path, "system/v1_to_v2.py", frm=1, to=3)
    write(tmp_path, "check/v1_to_v2.py", "FROM, TO = 1, 2\n")
    write(tmp_path, "group/v1_to_v2.py", "this is no Python\n")
    write(tmp_path, "gruop/v1_to_v2.py")
    write(tmp_path, "environment/v2_to_v3.py", frm=1, to=2)
    known = [Entry(name, 1, 2, "reconciler.x:Y") for name in ("system", "check", "group", "environment")]
    found, faults = read_folder(tmp_path)
    _, more = assemble(known, found)
    text = "\n".join(faults + more)
    for sentence in (
        "migrations/system/v1_to_v2.py: its name disagrees with its constants, FROM = 1 and TO = 3",
        "migrations/system/v1_to_v2.py: Migration must increment version by 1",
        "migrations/check/v1_to_v2.py: a step needs a docstring",
        "check: Migration chain incomplete: reaches version 1",
        "migrations/group/v1_to_v2.py: can't be loaded: SyntaxError",
        "migrations/gruop/: steps for 'gruop', which no kind",
        "migrations/environment/v2_to_v3.py: its name disagrees",
    ):
        assert sentence in text


@pytest.mark.parametrize("path", STEPS, ids=lambda p: "/".join(p.parts[-3:]))
def test_steps_need_nothing_but_the_standard_library(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert all(name.name.partition(".")[0] in sys.stdlib_module_names for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert str(node.module).partition(".")[0] in sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom):
            assert str(node.module).startswith("shared.")
    above = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
    assert {getattr(n, "module", None) for n in above} <= {"__future__", "typing"}, (
        "the check at start-up pays for this"
    )


def test_a_head_document_needs_no_libraries() -> None:
    script = (
        "import sys\n"
        "from reconciler.versioning.loading import check_chains\n"
        "from reconciler.versioning.upgrade import upgrade\n"
        "check_chains()\n"
        "upgrade({'apiVersion': 'gitops/v2', 'kind': 'Check', 'spec': {'strategy': {'type': 'tcp@1'}}})\n"
        "print(sorted({'pydantic', 'jsonschema_rs', 'jinja2', 'ruamel'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_steps_of_plugins(tmp_path: Path) -> None:
    plugin = tmp_path / "acme_plugin"
    write(
        tmp_path,
        "acme_plugin/__init__.py",
        "from reconciler.kinds.table import Entry\nENTRY = Entry('strategies/acme', 1, 3, 'acme_plugin.models:Acme')\n",
    )
    write(tmp_path, "acme_plugin/steps/__init__.py", "\n")
    write(tmp_path, "acme_plugin/steps/v1_to_v2.py")
    points = (
        "[gitops.strategies]\nacme = acme_plugin:ENTRY\n\n[gitops.migrations]\nstrategies/acme = acme_plugin.steps\n"
    )
    write(tmp_path, "acme-1.dist-info/entry_points.txt", points)
    write(tmp_path, "acme-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    script = (
        "from reconciler.base.errors import ChainError\n"
        "from reconciler.versioning.loading import load_chains\n"
        "try:\n"
        "    print([s.file for s in load_chains()['strategies/acme'].steps])\n"
        "except ChainError as error:\n"
        "    print(*error.faults, sep='\\n')\n"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{script}"]
    broken = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "strategies/acme: Migration chain incomplete: reaches version 2, but target version is 3" in broken
    write(plugin, "steps/v2_to_v3.py", frm=2, to=3)
    sound = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert sound == "['acme_plugin/steps/v1_to_v2.py', 'acme_plugin/steps/v2_to_v3.py']\n"
