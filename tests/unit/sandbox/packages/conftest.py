"""Packages made on the spot, and the places pip and npm take them from: no index of the world is asked."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reconciler.sandbox.packages.allowed import Allowed
from reconciler.sandbox.packages.lockfile import Lock, Wheel, this_platform, this_python


class Wheels:
    """A folder of wheels that stands in for the index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def add(self, name: str, version: str, source: str = "", *, requires: str | None = None) -> Path:
        """Make a wheel with one module; ``requires`` one other distribution."""
        info = f"{name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += f"Requires-Dist: {requires}\n" if requires else ""
        files = {
            f"{name}.py": source or f"version = {version!r}\n",
            f"{info}/METADATA": metadata,
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in files)
        path = self.folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for inside, content in files.items():
                archive.writestr(zipfile.ZipInfo(inside), content)
        return path


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheels:
    """What pip sees, and nothing else."""
    made = Wheels(tmp_path / "wheels")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(made.folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return made


class Registry:
    """An npm registry on this machine."""

    def __init__(self) -> None:
        self.packages: dict[str, dict[str, bytes]] = {}
        registry = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = registry.answer(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def add(self, name: str, version: str, source: str, **package: object) -> None:
        """Publish a package with an index.js."""
        files = {"package.json": json.dumps({"name": name, "version": version, **package}), "index.js": source}
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for path, text in files.items():
                member = tarfile.TarInfo(f"package/{path}")
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
        self.packages.setdefault(name, {})[version] = packed.getvalue()

    def answer(self, path: str) -> bytes | None:
        """A package's document, or its archive."""
        name, _, file = path.strip("/").partition("/-/")
        versions = self.packages.get(name)
        if versions is None or file:
            return versions.get(file.removesuffix(".tgz")) if versions else None
        return json.dumps(
            {
                "name": name,
                "dist-tags": {"latest": max(versions)},
                "versions": {
                    version: {
                        "name": name,
                        "version": version,
                        "dist": {
                            "tarball": f"{self.address}{name}/-/{version}.tgz",
                            "integrity": "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode(),
                        },
                    }
                    for version, content in versions.items()
                },
            }
        ).encode()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """What npm sees, and nothing else."""
    made = Registry()
    for name in [name for name in os.environ if name.lower().startswith("npm_config_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("npm_config_registry", made.address)
    monkeypatch.setenv("npm_config_userconfig", os.devnull)
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


@pytest.fixture
def lock() -> Lock:
    """A lock whose packages no test asks an index for."""
    return Lock(Allowed(("one",)), this_python(), this_platform(), (Wheel("one", "1", "0" * 64),))
