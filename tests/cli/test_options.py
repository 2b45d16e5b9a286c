"""A flag wins over its variable, the variable over the file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo


def test_source_by_flag_variable_file(shop: Repo, gitops: Gitops) -> None:
    variable = {"GITOPS_SOURCE": "from-variable"}
    assert gitops("plan", "--format", "json").json["source"] == "shop"
    assert gitops("plan", "--format", "json", env=variable).json["source"] == "from-variable"
    assert gitops("plan", "--format", "json", "--source", "from-flag", env=variable).json["source"] == "from-flag"


def test_globs_in_variables_part_at_commas(shop: Repo, gitops: Gitops) -> None:
    def totals(*arguments: str, **variables: str) -> int:
        return int(gitops("plan", "--format", "json", *arguments, env=variables).json["totals"]["files"])

    assert totals() == 3
    assert totals(GITOPS_INCLUDE="checks.yaml, environments.yaml") == 2
    assert totals(GITOPS_EXCLUDE="systems.yaml,checks.yaml") == 1
    assert totals("--include", "environments.yaml", GITOPS_INCLUDE="*.yaml") == 1
    assert totals("--include", "environments.yaml", "--include", "checks.yaml") == 2


@pytest.mark.parametrize("number", ["nan", "inf", "-1", "many"])
def test_no_number_lifts_the_guard_by_accident(shop: Repo, gitops: Gitops, number: str) -> None:
    ran = gitops("plan", env={"GITOPS_MAX_DELETE_PERCENT": number})
    assert ran.code == 2
    assert f"'{number}' is no number from 0 on" in ran.err


def test_an_actor_that_isnt_utf8_is_kept_as_far_as_it_is(shop: Repo, gitops: Gitops) -> None:
    assert gitops.process("apply", "--quiet", env={"GITOPS_ACTOR": os.fsdecode(b"jos\xe9")}).code == 0
    assert "jos?" in gitops("history").out


@pytest.mark.parametrize("option", ["--source", "--rev", "--include"])
def test_a_name_that_isnt_utf8_is_told(shop: Repo, gitops: Gitops, option: str) -> None:
    ran = gitops.process("plan", option, os.fsdecode(b"jos\xe9"))
    assert (ran.code, ran.err.splitlines()[0]) == (
        2,
        "error: a name in the arguments, the GITOPS_ variables or the folder isn't UTF-8",
    )


def test_directory_and_store(shop: Repo, gitops: Gitops) -> None:
    there = {"GITOPS_DIRECTORY": str(shop.path), "GITOPS_STORE": "elsewhere/by-variable.db"}
    assert gitops("apply", env=there, directory=False).code == 0
    assert (shop.path / "elsewhere/by-variable.db").is_file()
    gitops("apply", "--store", "by-flag.db", env=there)
    assert (shop.path / "by-flag.db").is_file()
    assert not (shop.path / ".gitops").exists()
    assert sorted(p.name for p in (shop.path / "elsewhere").iterdir()) == ["by-variable.db", "by-variable.db.lock"]


def test_revision_and_working_tree(shop: Repo, gitops: Gitops, kit: Kit) -> None:
    first = shop.git("rev-parse", "HEAD")
    shop.put("more.yaml", kit.system("more"))
    second = shop.commit()
    shop.put("draft.yaml", kit.system("draft"))

    def seen(*arguments: str, **variables: str) -> tuple[str, int]:
        told = gitops("plan", "--format", "json", *arguments, env=variables).json
        return told["commit"], told["totals"]["files"]

    assert seen() == (second, 4)
    assert seen("--rev", first) == (first, 3)
    assert seen(GITOPS_REV=first) == (first, 3)
    assert seen("--worktree") == ("", 5)
    assert seen(GITOPS_WORKTREE="1") == ("", 5)
    assert seen("--rev", first, GITOPS_WORKTREE="1") == (first, 3), "the flag wins"
    assert seen("--worktree", GITOPS_REV=first) == ("", 5), "the flag wins"


def test_validate_reads_the_disk_unless_told(shop: Repo, gitops: Gitops) -> None:
    shop.put("draft.yaml", "apiVersion: gitops/v2\nkind: Nothing\nmetadata: {name: x}\n")
    assert gitops("validate").code == 1
    assert gitops("validate", "--rev", "HEAD").code == 0


def test_limits(repo: Repo, gitops: Gitops, kit: Kit) -> None:
    for path, document in kit.many(10).items():
        repo.put(path, document)
    repo.commit()
    gitops("apply")
    for i in range(4):
        repo.remove(f"s{i}.yaml")
    repo.commit()
    delete = ("--deletion", "delete")
    refused = gitops("plan", *delete)
    assert refused.code == 1
    assert "4 of 10 resources" in refused.err
    assert gitops("plan", *delete, "--max-delete-percent", "40").code == 0
    assert gitops("plan", *delete, "--min-resources", "11").code == 0
    assert gitops("plan", *delete, env={"GITOPS_MAX_DELETE_PERCENT": "40"}).code == 0
    assert gitops("plan", *delete, "--max-delete-percent", "30", env={"GITOPS_MAX_DELETE_PERCENT": "40"}).code == 1
    assert gitops("plan", *delete, "--force").code == 0
    assert gitops("plan").code == 0, "orphans aren't deletions"
    refused = gitops("plan", *delete, "--format", "json")
    assert refused.json["error"]["reason"] == "deletions"


def test_quiet_leaves_errors_and_json(shop: Repo, gitops: Gitops) -> None:
    assert gitops("plan", "--quiet") == (0, "", "")
    assert gitops("plan", "--quiet", "--format", "json").json["pending"]
    assert gitops("apply", "--quiet") == (0, "", "")
    assert gitops("validate", "--quiet") == (0, "", "")
    assert gitops("plan", "--quiet", "--rev", "nowhere").err.startswith("error: ")


@pytest.mark.parametrize(
    ("flags", "variables", "coloured"),
    [
        ([], {}, False),
        ([], {"FORCE_COLOR": "1"}, True),
        ([], {"FORCE_COLOR": "0"}, False),
        (["--no-color"], {"FORCE_COLOR": "1"}, False),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": ""}, True),
    ],
)
def test_colours(flags: list[str], variables: dict[str, str], coloured: bool, shop: Repo, gitops: Gitops) -> None:
    assert ("\x1b[" in gitops.process("plan", *flags, env=variables).out) is coloured
