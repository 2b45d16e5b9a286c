"""pip and npm for real, with packages made on the spot."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.sandbox.packages.allowed import parse
from reconciler.sandbox.packages.faults import PackagesError
from reconciler.sandbox.packages.folder import Packages
from reconciler.sandbox.packages.resolve import resolve
from reconciler.sandbox.packages.sync import sync

if TYPE_CHECKING:
    from tests.unit.sandbox.packages.conftest import Registry, Wheels

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


def test_wheels(wheels: Wheels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels.add("under_neath", "1.5")
    wheels.add("above", "1.0", requires="under_neath")
    wheels.add("above", "2.0", requires="under_neath")
    lock = resolve(parse("above<3"))
    assert [(w.name, w.version) for w in lock.wheels] == [("above", "2.0"), ("under-neath", "1.5")]
    wheels.add("above", "2.1", requires="under_neath")
    monkeypatch.chdir(tmp_path)
    sync(lock, Path("relative"))
    bound = Packages(Path("relative")).python()
    assert bound is not None
    assert bound[0].startswith(str(tmp_path))
    assert {p.name for p in Path(bound[0]).glob("*.py")} == {"above.py", "under_neath.py"}
    assert (Path(bound[0]) / "above.py").read_text() == "version = '2.0'\n"
    assert list((Path(bound[0]) / "__pycache__").iterdir()), "compiled once, since runs can't write"


def test_another_wheel_of_the_same_version_is_refused(wheels: Wheels, tmp_path: Path) -> None:
    wheels.add("above", "1.0")
    lock = resolve(parse("above"))
    wheels.add("above", "1.0", "import os  # somebody else's")
    with pytest.raises(PackagesError, match=r"(?s)pip failed with exit code 1.*DO NOT MATCH THE HASHES"):
        sync(lock, tmp_path / "p")
    assert Packages(tmp_path / "p").current() is None


def test_no_such_package(wheels: Wheels) -> None:
    with pytest.raises(
        PackagesError, match=r"(?s)pip failed with exit code 1:.*No matching distribution found for nope"
    ):
        resolve(parse("nope==1"))


def test_source_distributions_are_never_built(wheels: Wheels, tmp_path: Path) -> None:
    (wheels.folder / "sourced-1.0.tar.gz").write_bytes(b"not even looked into")
    with pytest.raises(PackagesError, match="No matching distribution found for sourced"):
        resolve(parse("sourced"))


@needs_npm
def test_npm(registry: Registry, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    scripts = dict.fromkeys(("preinstall", "install", "postinstall", "prepare"), f"touch {ran}")
    registry.add("fine", "1.0.0", "module.exports = 1;", scripts=scripts, hasInstallScript=True)
    registry.add("fine", "2.0.0", "module.exports = 2;", scripts=scripts, hasInstallScript=True)
    lock = resolve(parse("npm:fine@^1"))
    assert lock.node_packages == 1
    assert lock.node is not None
    assert lock.node["packages"]["node_modules/fine"]["version"] == "1.0.0"
    sync(lock, tmp_path / "p")
    bound = Packages(tmp_path / "p").node()
    assert bound is not None
    assert Path(bound[0], "fine", "index.js").read_text() == "module.exports = 1;"
    assert not ran.exists()


@needs_npm
def test_another_archive_of_the_same_version_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.add("fine", "1.0.0", "module.exports = 1;")
    lock = resolve(parse("npm:fine"))
    registry.add("fine", "1.0.0", "module.exports = 'else';")
    with pytest.raises(PackagesError, match=r"(?s)npm failed with exit code 1.*EINTEGRITY"):
        sync(lock, tmp_path / "p")


def test_a_lock_without_a_hash_is_refused(tmp_path: Path, wheels: Wheels) -> None:
    wheels.add("above", "1.0")
    lock = resolve(parse("above"))
    loose = {"packages": {"": {}, "node_modules/x": {"resolved": "git+ssh://example.com/x.git"}}}
    with pytest.raises(PackagesError, match="there is no hash for the npm package x"):
        sync(replace(lock, wheels=(), node=loose), tmp_path / "p")


def test_without_npm(wheels: Wheels, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackagesError, match="there is no npm on this host"):
        resolve(parse("npm:fine"))
    assert os.listdir(tmp_path) == ["wheels"]
