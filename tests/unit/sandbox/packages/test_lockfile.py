"""The lock file: its digest, and what is said about a damaged one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.sandbox.packages.faults import PackagesError
from reconciler.sandbox.packages.lockfile import Lock, Wheel, read, write


def test_it_reads_what_it_wrote(lock: Lock, tmp_path: Path) -> None:
    node = {"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": {"integrity": "sha512-x"}}}
    whole = replace(lock, node=node)
    path = tmp_path / "below" / "packages.lock"
    write(whole, path)
    assert read(path) == whole
    assert read(path).digest == whole.digest
    assert whole.node_packages == 1
    assert [p.name for p in path.parent.iterdir()] == ["packages.lock"]


def test_the_digest_is_of_everything(lock: Lock) -> None:
    others = [
        replace(lock, wheels=(Wheel("one", "1", "1" * 64),)),
        replace(lock, python="cpython-3.99"),
        replace(lock, platform="other"),
        replace(lock, node={"packages": {}}),
    ]
    assert len({lock.digest, *(other.digest for other in others)}) == 5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "can't be read"),
        (b"\xff", "can't be read"),
        (b"[]", "format None"),
        (b'{"format":2}', "format 2, this release reads 1"),
        (b'{"format":1}', "damaged"),
        (
            b'{"format":1,"allowed":{"python":[],"node":[1]},"wheels":[],"python":"","platform":"","node":null}',
            "damaged",
        ),
    ],
)
def test_damaged(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    path.write_bytes(content)
    with pytest.raises(PackagesError, match=said):
        read(path)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(PackagesError, match="there is no lock file") as caught:
        read(tmp_path / "x.lock")
    assert caught.value.hint == "run gitops packages lock"
