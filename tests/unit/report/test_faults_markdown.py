"""The comment on a pull request that can't be planned."""

from __future__ import annotations

from reconciler.base.diagnostics import Diagnostic, Place
from reconciler.report.faults_markdown import faults_markdown
from reconciler.report.links import NO_LINKS, Links

COMMIT = "0123456789abcdef"


def fault(n: int, message: str = "wrong") -> Diagnostic:
    return Diagnostic("bad-name", message, Place(f"f{n}.yaml", n + 1, 1))


def test_each_error_has_its_place_and_nothing_leaves_it() -> None:
    links = Links("https://forge.example.net/{commit}/{path}#L{line}")
    warning = Diagnostic("no-collectors", "measures nothing", severity="warning")
    text = faults_markdown([fault(0, "</code> @team <b>"), warning], source="a", commit=COMMIT, links=links)
    assert text.startswith("<!-- gitops:plan:a -->\n### Can't be planned: 1 error\n")
    assert f'href="https://forge.example.net/{COMMIT}/f0.yaml#L1"' in text
    assert "<b>" not in text
    assert "@team" not in text
    assert "measures nothing" not in text


def test_faults_of_another_commit_have_no_links_into_this_one() -> None:
    links = Links("https://forge.example.net/{commit}/{path}#L{line}")
    text = faults_markdown([fault(0)], source="a", commit=COMMIT, links=links, why="that commit has 1 error")
    assert "that commit has 1 error" in text
    assert "href" not in text


def test_what_doesnt_fit_is_counted() -> None:
    text = faults_markdown([fault(n, "x" * 150) for n in range(2000)], source="a", commit="", links=NO_LINKS)
    assert len(text) <= 60_000
    assert "Can't be planned: 2,000 errors" in text
    shown = text.count("\n- ")
    assert f"{2000 - shown:,} errors" in text
    assert "<code>the working tree</code>" in text
