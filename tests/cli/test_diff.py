"""What lies between two commits, without a store: ``plan --base`` and ``diff``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Gitops

if TYPE_CHECKING:
    from tests.conftest import Kit, Repo


@pytest.fixture
def moved(shop: Repo, kit: Kit) -> Repo:
    """The shop, and a commit on top: an interval and an environment differ, a check is gone, a system is new."""
    text = (shop.path / "environments.yaml").read_text()
    shop.put("environments.yaml", text.replace("https://s.", "https://stage."))
    shop.put("checks.yaml", [{**kit.check("ready", "{{ environment.url }}/ready"), "metadata": {"name": "ready"}}])
    shop.put("checks.yaml", (shop.path / "checks.yaml").read_text().replace("30s", "40s"))
    shop.put("systems.yaml", [kit.system("shop", ["production", "staging"], ["ready"])])
    shop.put("more.yaml", [kit.system("more", ["staging"], ["ready"])])
    shop.commit()
    return shop


def test_it_is_what_an_apply_would_do(moved: Repo, gitops: Gitops) -> None:
    """Plan the new commit against a store that holds the old one: the same changes, field by field."""
    told = gitops("plan", "--base", "HEAD~1", "--format", "json").json
    assert not (moved.path / ".gitops").exists()
    assert gitops("apply", "--rev", "HEAD~1").code == 0
    planned = gitops("plan", "--format", "json").json
    for resource in planned["resources"]:
        if resource["was"] is not None:
            resource["was"]["since"] = None
    for key in ("counts", "resources", "slices", "warnings", "changed", "pending", "commit"):
        assert told[key] == planned[key], key
    assert told["generation"] is None
    assert told["totals"] is None
    assert told["base"] == {"commit": moved.git("rev-parse", "HEAD~1")}
    assert gitops("diff", "HEAD~1", "--format", "json").json == told
    assert gitops("diff", "HEAD~1", "HEAD", "--format", "json").json == told


def test_text_says_what_is_compared(moved: Repo, gitops: Gitops) -> None:
    base, head = (moved.git("rev-parse", "--short=7", rev) for rev in ("HEAD~1", "HEAD"))
    told = gitops("diff", "HEAD~1").out
    assert told.startswith(f"Changes of source shop from {base} to {head}\n")
    assert "o Check home  checks.yaml:" in told
    assert "- Slice shop/home  in production, staging\n" in told
    assert (
        "\n\nStop: shop/home in production, staging\nStart: more/ready in staging\nInterval: ready 30s → 40s\nPlan: "
        in told
    )
    assert "Slices: 2 stop, 2 change, 1 start\n" in told
    assert gitops("diff", "HEAD~1", "--format", "json").json["running"] == {
        "starts": [{"system": "more", "check": "ready", "environments": ["staging"]}],
        "stops": [{"system": "shop", "check": "home", "environments": ["production", "staging"]}],
        "intervals": [{"check": "ready", "old": 30000, "new": 40000}],
    }
    assert gitops("diff", "HEAD", "--exit-code").out == f"No changes of source shop from {head} to {head}.\n"
    assert gitops("diff", "HEAD", "HEAD~1", "--exit-code").code == 3
    assert gitops("plan", "--base", "HEAD", "--exit-code").code == 0
    assert gitops("plan", "--base", "HEAD~1", "--exit-code").code == 3
    assert "- Check home" in gitops("diff", "HEAD~1", "--deletion", "delete").out


def test_files_on_disk(moved: Repo, gitops: Gitops, kit: Kit) -> None:
    moved.put("more.yaml", [kit.system("more", ["staging", "production"], ["ready"])])
    told = gitops("diff", "HEAD", "--worktree").out
    assert told.splitlines()[0].endswith(" to the working tree")
    assert "+ Slice more/ready  in production\n" in told
    both = gitops("diff", "HEAD~1", "HEAD", "--worktree")
    assert both.code == 2
    assert "the commit B and --worktree exclude each other" in both.err


def test_a_part_is_shown_and_all_is_counted(moved: Repo, gitops: Gitops) -> None:
    told = gitops("diff", "HEAD~1", "--only", "deletions").out
    assert "- Slice shop/home" in told
    assert "~ " not in told
    assert "\nShown: only deletions: 1 of 5 resources and 2 of 5 slices that change. In all:\n" in told
    assert "Slices: 2 stop, 2 change, 1 start\n" in told
    told = gitops("diff", "HEAD~1", "--environment", "production").out
    assert "stage." not in told
    assert "Environment staging" not in told
    assert "Slice more/ready" not in told
    shown = gitops("diff", "HEAD~1", "--target", "check/home", "--format", "json").json
    assert [r["name"] for r in shown["resources"]] == ["home"]
    assert {s["check"] for s in shown["slices"]} == {"home"}
    assert shown["shown"] == {
        "environment": None,
        "target": {"kind": "Check", "name": "home"},
        "only": [],
        "resources": 1,
        "slices": 2,
    }
    assert shown["counts"]["slices"] == {"delete": 2, "update": 2, "create": 1}
    wrong = gitops("diff", "HEAD~1", "--target", "chek/home")
    assert wrong.code == 2
    assert "did you mean Check?" in wrong.err


def test_a_slip_in_a_name_is_told(moved: Repo, gitops: Gitops) -> None:
    """It would show that nothing changes, and leave whoever reads that in peace."""
    for command in (("diff", "HEAD~1"), ("plan", "--base", "HEAD~1"), ("plan",)):
        told = gitops(*command, "--environment", "stagin")
        assert told.code == 1, command
        assert "error: there is no Environment 'stagin'\nhint: did you mean staging?\n" in told.err
        told = gitops(*command, "--target", "Check/nothing")
        assert told.code == 1
        assert "hint: without this option everything is shown\n" in told.err
        for there in ("Environment/production", "Environment/staging", "Check/ready", "System/more"):
            assert gitops(*command, "--target", there).code == 0, (command, there)
    assert gitops("diff", "HEAD~1", "--target", "Check/home").code == 0, "it was there"
    assert gitops("plan", "--target", "Check/home").code == 1
    moved.put("gitops.yaml", "source: shop\nexternal: {Environment: [elsewhere]}\n")
    moved.commit()
    assert gitops("plan", "--environment", "elsewhere").code == 0


def test_what_an_environment_extends_belongs_to_it(repo: Repo, gitops: Gitops, kit: Kit) -> None:
    environments = [kit.environment("base", a="u"), kit.environment("staging", "base"), kit.environment("other", a="x")]
    system = kit.system("shop", ["staging"], ["home"])
    check = kit.check("home", "https://{{ environment.a }}.example.net/")
    repo.put("all.yaml", [*environments, check, system])
    repo.commit()
    environments[0]["spec"]["fields"]["a"] = "v"
    environments[2]["spec"]["fields"]["a"] = "y"
    repo.put("all.yaml", [*environments, check, system])
    repo.commit()
    told = gitops("diff", "HEAD~1", "--environment", "staging", "--format", "json").json
    assert [r["name"] for r in told["resources"]] == ["base"]
    assert told["counts"]["resources"] == {"update": 2}


def test_faults(shop: Repo, gitops: Gitops, kit: Kit) -> None:
    good = shop.git("rev-parse", "HEAD")
    shop.put("systems.yaml", [kit.system("shop", ["production", "stagin"], ["home", "ready"])])
    bad = shop.commit()
    told = gitops("plan", "--base", good)
    assert told.code == 1
    assert "there is no Environment named 'stagin'" in told.err
    assert told.out == ""
    shop.put("systems.yaml", [kit.system("shop", ["production", "staging"], ["home", "ready"])])
    shop.commit()
    told = gitops("plan", "--base", bad)
    assert told.code == 1
    assert f"commit {bad[:7]}, to compare with, has 1 error itself" in told.err
    assert "there is no Environment named 'stagin'" in told.err
    worse = kit.system("shop", ["production", "stagin"], ["hom", "ready"])
    shop.put("systems.yaml", [worse])
    told = gitops("diff", bad, "--worktree")
    assert told.code == 1, "what is wrong now comes first"
    assert "to compare with" not in told.err
    assert "there is no Check named 'hom'" in told.err
    assert gitops("diff", bad, bad).code == 0, "what no change touches is for validate"
    assert gitops("plan", "--base", "nowhere").code == 1
    assert gitops("plan", "--base", good, "--out", "x").code == 2


def test_settings_that_were_wrong_are_those_of_the_older_commit(shop: Repo, gitops: Gitops) -> None:
    shop.put("gitops.yaml", "source: [\n")
    bad = shop.commit()
    shop.put("gitops.yaml", "source: shop\n")
    shop.commit()
    for command in (("plan", "--base", bad), ("diff", "HEAD~1"), ("test", "--changed", bad)):
        told = gitops(*command)
        assert told.code == 1
        assert "gitops.yaml:2:1: error[yaml-syntax]" in told.err
        assert f"commit {bad[:7]}, to compare with, has 1 error itself" in told.err, command


def test_the_newer_commit_is_said_once(moved: Repo, gitops: Gitops) -> None:
    for twice in (("--rev", "HEAD~1"), ("--worktree",)):
        told = gitops("diff", "HEAD~1", "HEAD", *twice)
        assert told.code == 2
        assert f"the commit B and {twice[0]} exclude each other" in told.err
    moved.put("more.yaml", [])
    both = gitops("diff", "HEAD~1", "HEAD")
    for variable in ({"GITOPS_REV": "HEAD~1"}, {"GITOPS_WORKTREE": "1"}):
        assert gitops("diff", "HEAD~1", "HEAD", env=variable).out == both.out, "an argument wins over a variable"


def test_a_warning_that_was_there_is_none_of_the_change(shop: Repo, gitops: Gitops, kit: Kit) -> None:
    assigned = {"check": "home", "environments": ["nowhere"]}
    environments = kit.environment("nowhere")
    shop.put("odd.yaml", [kit.system("odd", ["production"], [assigned]), environments])
    first = shop.commit()
    shop.put("odder.yaml", [kit.system("odder", ["production"], [assigned])])
    shop.commit()
    told = gitops("diff", "HEAD~1", "--format", "json").json
    assert [d["place"]["path"] for d in told["warnings"]] == ["odder.yaml"]
    assert gitops("diff", first, first, "--format", "json").json["warnings"] == []


def test_other_globs_are_a_change_and_no_rewrite(shop: Repo, gitops: Gitops, kit: Kit) -> None:
    shop.put("other/more.yaml", [kit.system("more", ["staging"], ["ready"])])
    shop.put("gitops.yaml", "source: shop\nexclude: ['other/**']\n")
    shop.commit()
    shop.put("gitops.yaml", "source: renamed\n")
    shop.commit()
    told = gitops("diff", "HEAD~1", "--format", "json").json
    assert told["source"] == "renamed"
    assert told["counts"] == {"resources": {"create": 1}, "slices": {"create": 1}}
    assert {r["cause"] for r in told["resources"]} == {"change"}


def test_a_branch_is_compared_with_where_it_began(shop: Repo, gitops: Gitops, kit: Kit) -> None:
    shop.git("checkout", "-q", "-b", "feature")
    shop.put("more.yaml", [kit.system("more", ["staging"], ["ready"])])
    shop.commit()
    shop.git("checkout", "-q", "main")
    shop.put("other.yaml", [kit.system("other", ["staging"], ["ready"])])
    shop.commit()
    shop.git("checkout", "-q", "feature")
    assert "System other" not in gitops("plan", "--base", "main").out
    assert "o System other" in gitops("diff", "main").out


def test_a_folder_that_is_new_was_nothing_before(shop: Repo, kit: Kit) -> None:
    base = shop.git("rev-parse", "HEAD")
    (shop.path / "below").mkdir()
    shop.put("below/all.yaml", [kit.system("more")])
    shop.commit()
    below = Gitops(shop.path / "below")
    told = below("plan", "--base", base)
    assert told.code == 0, told.err
    assert "+ System more  all.yaml:1" in told.out
    assert told.out.splitlines()[0].endswith(f"from {base[:7]} to {shop.git('rev-parse', '--short=7', 'HEAD')}")
    assert below("diff", base).out == told.out
    assert below("plan", "--base", "nowhere").code == 1
    github = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r"}
    told = below("plan", "--base", base, "--format", "markdown", env=github)
    assert "/below/all.yaml#L1" in told.out, "forges know the repository's top"


def test_what_moves_to_another_file_keeps_its_slices(shop: Repo, gitops: Gitops, kit: Kit) -> None:
    """Also where a check that it runs, or an environment that it is in, changes in the same commit."""
    shop.put("moved.yaml", (shop.path / "systems.yaml").read_text())
    shop.remove("systems.yaml")
    shop.put("checks.yaml", (shop.path / "checks.yaml").read_text().replace("30s", "40s"))
    text = (shop.path / "environments.yaml").read_text()
    shop.put("environments.yaml", text.replace("https://s.", "https://stage."))
    shop.commit()
    told = gitops("diff", "HEAD~1", "--format", "json").json
    assert told["counts"]["slices"] == {"update": 4}
    assert told["running"]["starts"] == told["running"]["stops"] == []
    assert gitops("apply", "--rev", "HEAD~1").code == 0
    assert gitops("plan", "--format", "json").json["counts"] == told["counts"]


def test_rules_are_held_against_what_is_new_only(shop: Repo, gitops: Gitops) -> None:
    shop.put("gitops.yaml", "source: shop\npolicies: {preset: strict}\n")
    strict = shop.commit()
    told = gitops("plan", "--base", "HEAD~1")
    assert told.code == 1
    assert "error[policy/check-without-assertion]" in told.err
    shop.put("gitops.yaml", "source: shop\n")
    shop.put("checks.yaml", (shop.path / "checks.yaml").read_text().replace("30s", "40s"))
    shop.commit()
    told = gitops("diff", strict)
    assert told.code == 0, told.err
    assert "Interval: home 30s → 40s; ready 30s → 40s\n" in told.out
    assert "rewrite" not in told.out
