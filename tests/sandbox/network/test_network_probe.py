"""The live probe of egress: it proves what works, and sees through helpers that only pretend."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def probe(world: Any, who: str, **tools: str | None) -> dict[str, Any]:
    argv = world.argv(who, str(HERE / "driver.py"))
    asked = json.dumps({"probe": True, "tools": tools})
    done = subprocess.run(argv, input=asked, capture_output=True, text=True, timeout=60)
    if who != "root" and done.returncode != 0:
        pytest.skip(f"NETWORK PROBES DIDN'T RUN as a non-root user: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def pretender(path: Path, script: str) -> str:
    """A helper that doesn't do what it says; readable by everybody."""
    path.parent.chmod(0o755)
    for folder in path.parents[1:4]:
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(0o711)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("who", ["root", "user"])
def test_a_backend_is_proved(world: Any, who: str) -> None:
    found = probe(world, who)
    assert found["egress"] == {"slirp4netns": ""}
    assert found["rows"]["egress"][0] is True
    assert found["tun"] is True


def test_the_next_one_is_tried(world: Any, tmp_path: Path) -> None:
    """A helper that says it is ready and opens nothing."""
    lazy = pretender(tmp_path / "slirp4netns", "printf 1 >&5; exec sleep 60")
    found = probe(world, "root", slirp4netns=lazy)
    assert "wasn't reached" in found["egress"]["slirp4netns"]
    assert found["egress"]["gate"] == ""
    assert found["rows"]["egress"][1].startswith("the gate (TCP only")


def test_a_helper_that_fails_is_quoted(world: Any, tmp_path: Path) -> None:
    broken = pretender(tmp_path / "broken", "echo no luck today >&2; exit 3")
    found = probe(world, "root", slirp4netns=broken, pasta=broken, ip=None)
    assert found["rows"]["egress"][0] is False
    assert found["rows"]["egress"][1].count("no luck today") == 2
    assert "install" in found["rows"]["egress"][2]


def test_pasta_comes_last(world: Any) -> None:
    found = probe(world, "root", slirp4netns=None, ip=None)
    assert found["egress"] == {"slirp4netns": "slirp4netns is missing", "gate": "ip is missing", "pasta": ""}
    assert found["rows"]["egress"][1].startswith("pasta")


def test_a_filter_that_is_not_there_is_found_out(world: Any, tmp_path: Path) -> None:
    """An nft that takes everything and loads nothing: the port that isn't listed answers, and the probe says so."""
    lazy = pretender(tmp_path / "nft", "cat >/dev/null; echo '{\"nftables\": []}'")
    found = probe(world, "root", nft=lazy, ip=None)
    assert found["egress"]["slirp4netns"] == "a port that isn't listed was reached"
    assert found["rows"]["egress"][0] is False
