"""Which files are documents."""

from __future__ import annotations

import time

import pytest

from reconciler.base.errors import UsageError
from reconciler.source.globs import Globs


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("*.yaml", "a.yaml", True),
        ("*.yaml", "x/y/a.yaml", True),
        ("/*.yaml", "x/a.yaml", False),
        ("/*.yaml", "a.yaml", True),
        ("x/*.yaml", "x/a.yaml", True),
        ("x/*.yaml", "x/y/a.yaml", False),
        ("x/*.yaml", "z/x/a.yaml", False),
        ("x/**/*.yaml", "x/a.yaml", True),
        ("x/**/*.yaml", "x/y/z/a.yaml", True),
        ("x/**", "x/y/z/a.yaml", True),
        ("x/**", "xy/a.yaml", False),
        ("**/x/*.yaml", "x/a.yaml", True),
        ("**/x/*.yaml", "q/x/a.yaml", True),
        ("**", "a.yml", True),
        ("drafts", "a/drafts/b/c.yaml", True),
        ("drafts/", "drafts/c.yaml", True),
        ("drafts/", "drafts2/c.yaml", False),
        ("a/**/b/**/c.yaml", "a/x/b/y/c.yaml", True),
        ("a/**/b/**/c.yaml", "a/b/c.yaml", True),
        ("a/**/b/**/c.yaml", "a/x/y/c.yaml", False),
        ("a*b*c.yaml", "axbxbxc.yaml", True),
        ("a*b*c.yaml", "axcx.yaml", False),
        ("?.yaml", "a.yaml", True),
        ("?.yaml", "ab.yaml", False),
        ("[a-c].yaml", "b.yaml", True),
        ("[!a-c].yaml", "b.yaml", False),
        ("[!a-c].yaml", "d.yaml", True),
        ("[z-a].yaml", "b.yaml", False),
        ("[.yaml", "[.yaml", True),
        ("x[!a]y.yaml", "x/y.yaml", False),
        ("\\*.yaml", "*.yaml", True),
        ("\\*.yaml", "a.yaml", False),
        ("a.yaml", "aXyaml.yaml", False),
        ("./x/*.yml", "x/a.yml", True),
        ("**", "readme.md", False),
        ("**", "a\nb.yaml", True),
    ],
)
def test_globs_mean_what_they_mean_in_gitignore(glob: str, path: str, matches: bool) -> None:
    assert Globs([glob]).match(path) is matches


def test_by_default_every_yaml_file_is_one() -> None:
    globs = Globs(exclude=["vendor", "*.draft.yaml"])
    assert not globs.explicit
    assert globs.match(".checkstack/a.yml")
    assert globs.match("x/gitops.yaml")
    assert not globs.match("gitops.yaml")
    assert not globs.match("a/vendor/b.yaml")
    assert not globs.match("a/b.draft.yaml")
    assert Globs(["x"]).explicit
    assert not Globs(["*"]).match("gitops.yaml")


@pytest.mark.parametrize("glob", ["", "/", "../x", "a/../b", "!x", "./", "a/./b"])
def test_globs_that_cant_be_meant_are_refused(glob: str) -> None:
    with pytest.raises(UsageError):
        Globs([glob])


@pytest.mark.parametrize(
    ("glob", "path"),
    [("*a" * 30 + ".yml", "a" * 250 + ".yaml"), ("/".join(["**", "a"] * 15) + "/b.yml", "a/" * 1000 + "c.yaml")],
)
def test_no_glob_takes_long(glob: str, path: str) -> None:
    start = time.perf_counter()
    assert not Globs([glob]).match(path)
    assert time.perf_counter() - start < 0.5
