"""A small world of its own for every session: two network namespaces, a cable between them, servers at both ends.

Addresses are those of documentation and of private networks, or of metadata services, and all of them end inside these
namespaces: nothing here has a route to anywhere else.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
NOBODY = 64123
PYTHON = "/usr/bin/python3"
METADATA = ("169.254.169.254", "100.100.100.200", "168.63.129.16")
WORLD = ("0.0.0.0@8080", "0.0.0.0@8081", "0.0.0.0@8090", "2001:db8:233::2@8080", "2001:db8:233::2@8081")
HOST = ("127.0.0.1@9090", "127.0.0.1@9092", "10.233.1.1@9091", "10.233.1.1@8080")
_TUN = """
mount --make-rprivate /
mkdir -p "$1" && mount -t tmpfs -o mode=0755 tun "$1" && mknod -m 0666 "$1/tun" c 10 200
mount --bind "$1/tun" /dev/net/tun
shift; exec "$@"
"""


class World:
    """``host`` and ``world`` are names of namespaces; ``log`` is written by the servers."""

    def __init__(self, folder: Path) -> None:
        self.host, self.world = f"gitops-h-{os.getpid()}", f"gitops-w-{os.getpid()}"
        self.log = folder / "visits"
        self.folder = folder
        self._servers: list[subprocess.Popen[bytes]] = []

    def ip(self, *arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    def make(self) -> None:
        self.log.touch()
        for name in (self.host, self.world):
            self.ip("netns", "add", name)
            self.ip("-n", name, "link", "set", "lo", "up")
        self.ip("-n", self.host, "link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", self.world)
        for name, device, addresses in (
            (self.host, "v0", ("10.233.1.1/24", "2001:db8:233::1/64")),
            (self.world, "v1", ("10.233.1.2/24", "10.233.1.3/24", "10.233.2.5/24", "2001:db8:233::2/64")),
        ):
            for address in addresses:
                self.ip("-n", name, "addr", "add", address, "dev", device, *(("nodad",) if "::" in address else ()))
            self.ip("-n", name, "link", "set", device, "up")
        for address in METADATA:
            self.ip("-n", self.world, "addr", "add", f"{address}/32", "dev", "lo")
        self.ip("-n", self.host, "route", "add", "default", "via", "10.233.1.2")
        self.ip("-n", self.host, "-6", "route", "add", "default", "via", "2001:db8:233::2")
        for name, places in ((self.world, WORLD), (self.host, HOST)):
            argv = ["ip", "netns", "exec", name, sys.executable, str(HERE / "servers.py"), str(self.log), *places]
            server = subprocess.Popen(argv, stdout=subprocess.PIPE)
            self._servers.append(server)
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"

    def visits(self) -> list[str]:
        """Everybody who came so far."""
        return self.log.read_text().splitlines()

    def argv(self, who: str, *command: str) -> list[str]:
        """``command`` in the host's namespace, as root, or as a user without rights who may open the tun device."""
        if who == "root":
            return ["ip", "netns", "exec", self.host, sys.executable, *command]
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]
        tun = ["unshare", "--mount", "sh", "-c", _TUN, "sh", str(self.folder / "tun")]
        paths = [f"PYTHONPATH={path}" for path in (_site_packages(),) if path]
        return [*tun, "ip", "netns", "exec", self.host, *drop, "env", *paths, PYTHON, "-B", *command]

    def end(self) -> None:
        for server in self._servers:
            server.kill()
            server.wait()
            if server.stdout is not None:
                server.stdout.close()
        for name in (self.host, self.world):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _site_packages() -> str | None:
    import pydantic

    return str(Path(pydantic.__file__).parents[1])


def _needed() -> str | None:
    if sys.platform != "linux":
        return "network namespaces are a thing of Linux"
    if os.geteuid() != 0:
        return "making network namespaces and cables needs root"
    missing = [t for t in ("ip", "bwrap", "nft", "nsenter", "setpriv", "unshare") if shutil.which(t) is None]
    if missing:
        return f"missing: {', '.join(missing)}"
    if not Path(PYTHON).exists():
        return f"the probes run as {PYTHON} inside, which isn't there"
    return None if Path("/dev/net/tun").exists() else "there is no /dev/net/tun"


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two namespaces with servers, or a skip that says what is missing."""
    why = _needed()
    if why is not None:
        pytest.skip(f"NETWORK PROBES DIDN'T RUN: {why}")
    made = World(tmp_path_factory.mktemp("world"))
    try:
        made.make()
        yield made
    finally:
        made.end()


Drive = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def drive(world: World) -> Drive:
    """Run jobs through the production sandbox, in the host's namespace, as ``who`` with ``backend``."""

    def run(who: str, backend: str | None, jobs: list[Mapping[str, Any]], **more: Any) -> list[dict[str, Any]]:
        if backend not in (None, "gate") and shutil.which(str(backend)) is None:
            pytest.skip(f"NETWORK PROBES DIDN'T RUN: {backend} isn't installed")
        if who != "root" and (why := _unusable()) is not None:
            pytest.skip(f"NETWORK PROBES DIDN'T RUN as a non-root user: {why}")
        lookup = {
            "svc.test": ["10.233.1.2"],
            "six.test": ["2001:db8:233::2"],
            "evil.test": ["169.254.169.254", "127.0.0.1", "10.233.1.1", "::ffff:10.233.1.3"],
            "half.test": ["169.254.169.254", "10.233.1.2"],
        }
        asked = {"jobs": jobs, "only": backend, "lookup": lookup, **more}
        done = subprocess.run(
            world.argv(who, str(HERE / "driver.py")),
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr.decode()
        results: list[dict[str, Any]] = json.loads(done.stdout)
        return results

    return run


def _unusable() -> str | None:
    drop = [
        "setpriv",
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "env",
        f"PYTHONPATH={_site_packages()}",
    ]
    check = "import sys, pydantic_core; sys.exit(not open(sys.argv[1]).read())"
    done = subprocess.run([*drop, PYTHON, "-B", "-c", check, str(HERE / "driver.py")], capture_output=True, text=True)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it can't run our libraries"])[-1]
