"""The GitHub Action: its steps are run as the runner would, in real checkouts, against a forge on loopback."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.ci.actions import Step, read_yaml
from tests.servers.forge import SOMEBODY, TOKEN, Forge

if TYPE_CHECKING:
    from tests.ci.conftest import Hosted
    from tests.conftest import Kit

ROOT = Path(__file__).parents[2]
ACTION = read_yaml(ROOT / "action.yml")
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
GITOPS = {"command": "gitops"}
HOSTILE = "x;touch${IFS}pwned;$(touch${IFS}pwned)`touch${IFS}pwned`'\"&|"


def ran(steps: dict[str, Step]) -> list[str]:
    """Names of the steps that were run, and that none failed."""
    assert not {name: step.out for name, step in steps.items() if step.code}
    return [name for name, step in steps.items() if step.ran]


def edit(hosted: Hosted, kit: Kit, url: str) -> None:
    hosted.repo.put("checks.yaml", [kit.check("ready", url), kit.check("home")])


def test_no_script_has_an_expression_in_it() -> None:
    """What is interpolated there is run; variables are not."""
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", ""), step["name"]
        assert ("run" in step) != ("uses" in step)
        assert step.get("shell", "bash") == "bash"


def test_the_token_is_known_to_the_comment_only() -> None:
    assert [n for n, s in STEPS.items() if "token" in json.dumps(s.get("env", {})).lower()] == ["Comment"]
    assert not any("secrets." in str(step) for step in ACTION["runs"]["steps"])


def test_every_input_is_told_and_used() -> None:
    used = set(re.findall(r"inputs\.([\w-]+)", json.dumps(ACTION["runs"])))
    assert used == set(ACTION["inputs"])
    assert all(spec["description"].endswith(".") and "default" in spec for spec in ACTION["inputs"].values())


def test_a_pull_request_is_validated_planned_and_commented(hosted: Hosted, kit: Kit, forge: Forge) -> None:
    forge.say("hello", by=SOMEBODY)
    edit(hosted, kit, "{{ environment.url }}/first")
    hosted.branch()
    runner = hosted.pull()
    steps = runner(**GITOPS)
    assert ran(steps) == ["Install gitops", "Validate", "Upload findings", "Plan", "Comment"]
    assert "The comment was created" in steps["Comment"].out
    assert "/first" in forge.bodies[1]
    assert runner.summary.read_text(encoding="utf-8") == forge.bodies[1]
    assert runner.outputs["plan"] == str(hosted.temp / "gitops-plan.md")
    sarif = json.loads(Path(steps["Upload findings"].given["sarif_file"]).read_text(encoding="utf-8"))
    assert sarif["version"] == "2.1.0"
    assert not list(hosted.work.glob(".gitops*")), "a review needs no store"

    edit(hosted, kit, "{{ environment.url }}/second")
    hosted.branch()
    steps = hosted.pull()(**GITOPS)
    assert "The comment was updated" in steps["Comment"].out
    assert len(forge.comments) == 2
    assert "/second" in forge.bodies[1]
    assert "/first" not in forge.bodies[1]


@pytest.mark.parametrize("depth", [1, 2, None])
def test_only_what_the_request_changes_is_told(hosted: Hosted, kit: Kit, forge: Forge, depth: int | None) -> None:
    """Main went on, in a file that the request doesn't touch."""
    edit(hosted, kit, "{{ environment.url }}/mine")
    hosted.branch()
    hosted.repo.git("checkout", "-q", "main")
    hosted.repo.put("other.yaml", kit.system("of-somebody-else"))
    hosted.push()
    hosted.repo.git("checkout", "-q", "change")
    ran(hosted.pull(depth=depth)(**GITOPS))
    assert "/mine" in forge.bodies[0]
    assert "of-somebody-else" not in forge.bodies[0]


def test_a_fork_gets_a_summary_and_no_token(hosted: Hosted, kit: Kit, forge: Forge) -> None:
    edit(hosted, kit, "{{ environment.url }}/theirs")
    hosted.branch()
    runner = hosted.pull(fork=True)
    steps = runner(**GITOPS)
    assert ran(steps) == ["Install gitops", "Validate", "Plan"]
    assert "/theirs" in runner.summary.read_text(encoding="utf-8")
    assert forge.asked == []
    assert not [name for name, step in steps.items() if TOKEN in step.given.values()]


@pytest.mark.parametrize("fork", [True, False])
def test_nothing_that_a_stranger_names_is_run(hosted: Hosted, kit: Kit, forge: Forge, fork: bool) -> None:
    """Names of branches and documents, modules that python would find first, settings, commands to the runner."""
    bomb = "import pathlib; pathlib.Path('pwned').touch()\n"
    for module in ("venv", "pip", "json", "click", "reconciler/__init__", "sitecustomize", "usercustomize", "gitops"):
        hosted.repo.put(f"{module}.py", bomb)
    hosted.repo.put("gitops.yaml", f"source: shop\nstore: {hosted.folder}/pwned.db\n")
    hosted.repo.put(".gitattributes", "* filter=pwn diff=pwn textconv=pwn\n")
    title = f"::error::pwned\n::stop-commands::x {HOSTILE}"
    hosted.repo.put("evil.yaml", kit.document("Group", "evil", title=title, description=HOSTILE))
    hosted.repo.put(f"{HOSTILE.replace('/', '')}.yaml", kit.document("Group", "worse", title="<!-- gitops plan -->"))
    hosted.branch(HOSTILE)
    runner = hosted.pull(fork=fork)
    before = {path for path in hosted.folder.rglob("*") if path.is_file()}
    steps = runner(**GITOPS)
    ran(steps)
    assert "evil" in runner.summary.read_text(encoding="utf-8")
    new = {p for p in hosted.folder.rglob("*") if p.is_file()} - before
    assert not [path for path in new if "pwned" in path.name]
    assert {path.parent for path in new if ".git" not in path.parts} == {hosted.temp}
    assert commands(steps["Validate"]) == []
    assert commands(steps["Plan"]) == []


def test_no_fault_is_a_command(hosted: Hosted) -> None:
    """Of both spellings that the runner knows: at the begin of a line, and anywhere in it."""
    lines = ["::set-output name=sarif::/etc/passwd", "##[set-output name=sarif]/etc/passwd", "::add-mask::a"]
    for n, text in enumerate([*lines, "\n".join(lines)]):
        hosted.repo.put(
            f"evil-{n}.yaml", {"apiVersion": "gitops/v2", "kind": text, "metadata": {"name": text}, text: 1}
        )
    hosted.repo.put(f"{lines[1].replace('/', '-')}.yaml", "a: [\n")
    hosted.branch()
    steps = hosted.pull(fork=True)(**GITOPS)
    assert steps["Validate"].code == 1
    told = commands(steps["Validate"])
    assert len(told) >= 5
    assert all(re.match(r"::(error|warning) [^\n]*::", line) for line in told)
    hosted.repo.put("gitops.yaml", "".join(f"'{line}': 1\n" for line in lines))
    hosted.branch()
    assert all(line.startswith("::error ") for line in commands(hosted.pull(fork=True)(**GITOPS)["Validate"]))


def commands(step: Step) -> list[str]:
    """Lines that the runner looks at: those that aren't between its being told to stop and to go on."""
    lines = step.out.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("::stop-commands::"))
    end = lines.index(f"::{lines[start].rpartition(':')[2]}::")
    return lines[:start] + lines[end + 1 :]


def test_what_was_merged_is_applied(hosted: Hosted, kit: Kit, forge: Forge) -> None:
    store = str(hosted.folder / "store.db")
    steps = hosted.pushed()(store=store, **GITOPS)
    assert ran(steps) == ["Install gitops", "Validate", "Upload findings", "Apply"]
    assert "Applied as generation 1" in steps["Apply"].out
    assert "No changes." in hosted.pushed()(store=store, **GITOPS)["Apply"].out
    edit(hosted, kit, "{{ environment.url }}/next")
    hosted.push()
    assert "Applied as generation 2" in hosted.pushed()(store=store, **GITOPS)["Apply"].out
    assert forge.asked == []


def test_an_apply_may_wait_for_health(hosted: Hosted) -> None:
    """Nobody runs anything here, so that nobody can say how healthy it is."""
    runner = hosted.pushed()
    given = {"store": str(hosted.folder / "store.db"), "wait_healthy": "1s", "rollback_on_failure": "true"}
    apply = runner(**given, **GITOPS)["Apply"]
    assert "Applied as generation 1" in apply.out
    assert apply.code == 6
    assert runner.failed


def test_what_isnt_merged_is_not_applied(hosted: Hosted, kit: Kit) -> None:
    edit(hosted, kit, "{{ environment.url }}/next")
    hosted.branch()
    store = str(hosted.folder / "store.db")
    assert "Apply" not in ran(hosted.pushed(branch="change")(store=store, **GITOPS))
    for mode in ("apply", "auto", "plan", "validate"):
        assert "Apply" not in ran(hosted.pull()(mode=mode, store=store, **GITOPS))
    assert not Path(store).exists()


def test_a_fault_fails_the_run_and_is_uploaded(hosted: Hosted, forge: Forge) -> None:
    hosted.repo.put("bad.yaml", "apiVersion: gitops/v2\nkind: System\nmetadata: {name: UP}\nspec: {}\n")
    hosted.branch()
    runner = hosted.pull()
    steps = runner(**GITOPS)
    assert runner.failed
    assert steps["Validate"].code == 1
    assert re.search(r"^::error .*file=bad\.yaml,line=3", steps["Validate"].out, re.MULTILINE)
    results = json.loads((hosted.temp / "gitops.sarif").read_text(encoding="utf-8"))["runs"][0]["results"]
    assert results[0]["ruleId"] == "bad-name"
    came = [name for name, step in steps.items() if step.ran]
    assert came == ["Install gitops", "Validate", "Upload findings", "Plan", "Comment"]
    assert steps["Plan"].code == 1
    assert "Can't be planned: 1 error" in forge.bodies[0], "no older plan stays up as if it held"
    assert "bad-name" in forge.bodies[0]


def test_a_forge_that_is_down_fails_the_run_only_when_asked(hosted: Hosted, kit: Kit, forge: Forge) -> None:
    edit(hosted, kit, "{{ environment.url }}/x")
    hosted.branch()
    forge.fails["POST"] = 500
    steps = hosted.pull()(**GITOPS)
    assert "No comment was written" in steps["Comment"].out
    assert "Comment" in ran(steps)
    runner = hosted.pull()
    assert runner(comment_required="true", **GITOPS)["Comment"].code == 1
    assert runner.failed


def test_what_isnt_wanted_is_not_done(hosted: Hosted, kit: Kit, forge: Forge) -> None:
    edit(hosted, kit, "{{ environment.url }}/x")
    hosted.branch()
    assert ran(hosted.pull()(mode="validate", sarif="false", **GITOPS)) == ["Install gitops", "Validate"]
    assert ran(hosted.pull()(comment="false", sarif="false", **GITOPS)) == ["Install gitops", "Validate", "Plan"]
    assert forge.asked == []
    runner = hosted.pull()
    steps = runner(mode="aply", **GITOPS)
    assert runner.failed
    assert "mode is none of" in steps["Install gitops"].out


def test_a_folder_and_a_base_may_be_named(hosted: Hosted, kit: Kit, forge: Forge) -> None:
    for name in ("checks", "environments", "systems"):
        (hosted.repo.path / "team a").mkdir(exist_ok=True)
        (hosted.repo.path / f"{name}.yaml").rename(hosted.repo.path / "team a" / f"{name}.yaml")
    hosted.repo.put("team a/gitops.yaml", "source: team-a\n")
    hosted.repo.remove("gitops.yaml")
    first = hosted.push()
    hosted.repo.put("team a/checks.yaml", [kit.check("ready", "{{ environment.url }}/next"), kit.check("home")])
    hosted.branch()
    steps = hosted.pull()(working_directory="team a", base=first, **GITOPS)
    assert "Comment" in ran(steps)
    assert "/next" in forge.bodies[0]
    ran(hosted.pull()(working_directory="team a", base="main", **GITOPS))
    assert len(forge.bodies) == 1
    runner = hosted.pull()
    assert "can't be fetched" in runner(working_directory="team a", base="nowhere", **GITOPS)["Plan"].out
    assert runner.failed


@pytest.mark.slow
def test_the_action_installs_this_version(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a module that is called as what installs it, in the folder that it is run in."""
    for module in ("venv", "pip", "sitecustomize", "encodings/__init__"):
        hosted.repo.put(f"{module}.py", "import pathlib; pathlib.Path('pwned').touch()\n")
    hosted.branch()
    steps = hosted.pull()(mode="validate")
    assert ran(steps) == ["Install gitops", "Validate", "Upload findings"]
    assert (hosted.temp / "gitops-venv" / "bin" / "gitops").exists()
    assert not (hosted.work / "pwned").exists()


def test_the_example_uses_what_there_is() -> None:
    workflow: dict[str, Any] = read_yaml(ROOT / "examples" / "ci" / "github.yml")
    assert "pull_request_target" not in workflow["on"]
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    ours = [step for step in steps if step["uses"].startswith("OWNER/REPOSITORY@")]
    assert len(ours) == len(workflow["jobs"]) == 2
    assert all(set(step.get("with", {})) <= set(ACTION["inputs"]) for step in ours)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["apply"]["concurrency"]["cancel-in-progress"] is False
