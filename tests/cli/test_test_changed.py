"""``gitops test --changed``: what a branch changes, run once from the files; and the runs as JUnit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from junitparser import Error, Failure, JUnitXml, TestSuite

from tests.servers.checks import http_check

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo
    from tests.servers.answers import Answers


def slices(gitops: Gitops, *arguments: str) -> list[str]:
    return [r["slice"] for r in gitops("test", "--format", "json", *arguments).json["runs"]]


def test_only_what_differs_runs(web: Repo, gitops: Gitops, kit: Kit, server: Answers) -> None:
    nothing = gitops("test", "--changed", "HEAD")
    assert nothing.code == 0
    assert nothing.out == "0 runs: nothing to run\n"
    text = (web.path / "environments.yaml").read_text()
    web.put("environments.yaml", text.replace("/s", "/stage"))
    assert slices(gitops, "--changed", "HEAD") == ["shop/home/staging", "shop/ready/staging"]
    web.put("more.yaml", [http_check(kit, "more", "/more"), kit.system("blog", ["production", "staging"], ["more"])])
    web.commit()
    assert slices(gitops, "--changed", "HEAD~1", "--environment", "production") == ["blog/more/production"]
    assert slices(gitops, "--changed", "HEAD~1", str(web.path / "more.yaml")) == [
        "blog/more/production",
        "blog/more/staging",
    ]
    assert len(slices(gitops, "--changed", "HEAD~1")) == 4


def test_a_comment_and_a_title_of_nothing_that_runs_change_nothing(web: Repo, gitops: Gitops, server: Answers) -> None:
    web.put("checks.yaml", "# a comment\n" + (web.path / "checks.yaml").read_text())
    assert slices(gitops, "--changed", "HEAD") == []
    assert server.asked == []


def test_junit(web: Repo, gitops: Gitops, kit: Kit, server: Answers) -> None:
    odd = http_check(kit, "odd", "/odd")
    odd["spec"]["strategy"]["config"] = {"authType": "token", "authToken": "${{ secrets.NOWHERE }}"}
    web.put("more.yaml", [odd, kit.system("blog", ["staging"], ["odd"])])
    file = web.path / "out" / "runs.xml"
    file.parent.mkdir()
    ran = gitops("test", "--report", f"junit={file}")
    assert ran.code == 1
    assert "5 runs: 1 unhealthy, 1 degraded, 3 healthy" in ran.out
    printed = gitops("test", "--format", "junit")
    assert printed.code == 1
    for text in (file.read_text(), printed.out):
        (suite,) = JUnitXml.fromstring(text.encode())
        assert isinstance(suite, TestSuite)
        assert (suite.name, suite.tests, suite.failures, suite.errors) == ("gitops test", 5, 1, 1)
        cases = {case.name: case for case in suite}
        assert not cases["shop/home/staging"].result
        assert "statusCode equals 200" in str(cases["shop/home/staging"].system_out)
        (failed,) = cases["shop/ready/production"].result
        assert isinstance(failed, Failure)
        assert "found 503" in failed.text
        assert cases["shop/ready/production"].time > 0
        (unseen,) = cases["blog/odd/staging"].result
        assert isinstance(unseen, Error)
        assert "NOWHERE" in unseen.message


@pytest.mark.parametrize("report", ["sarif=x", "junit", "junit="])
def test_other_reports_are_refused(web: Repo, gitops: Gitops, report: str) -> None:
    ran = gitops("test", "--report", report)
    assert ran.code == 2
    assert "isn't FORMAT=FILE with one of junit" in ran.err
