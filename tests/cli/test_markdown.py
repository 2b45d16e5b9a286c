"""Plans as comments: goldens, what fits, what is masked, and documents that try to break out of their place."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, NamedTuple

import pytest
from markdown_it import MarkdownIt

from tests.cli.test_goldens import GOLDEN, PLANS, compare, lay

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo

HOSTILE = (
    "</code></summary></details><script>alert(1)</script>",
    "```\n</details>\n# owned @team\n```",
    "`````` @team ![x](https://evil.example.net/x.png)",
    "[click](javascript:alert(1)) <a href='https://evil.example.net'>x</a> www.evil.example.net",
    "| a | b |\n| --- | --- |\n@org/team #1 GH-1 :tada:",
    "--> <!-- gitops:plan:other -->",
    "-->\n@here\n~~~\n    ```",
    "\u202egnp.exe \x1b[31m \u2028@team",
    "<img src=x onerror=alert(1)> &lt;b&gt; &#64;team &commat;team",
    "$$\\href{https://evil.example.net}{x}$$",
)
TAGS = {
    "h3",
    "h4",
    "p",
    "code",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "details",
    "summary",
    "pre",
    "ul",
    "li",
    "strong",
}


class Seen(NamedTuple):
    """What a forge would make of a comment."""

    tags: set[str]
    links: list[str]
    loose: str
    comments: list[str]
    open: list[str]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen = Seen(set(), [], "", [], [])
        self.loose: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.tags.add(tag)
        self.seen.open.append(tag)
        for name, value in attrs:
            assert (tag, name) in {("a", "href"), ("code", "class"), ("th", "style"), ("td", "style")}, (tag, name)
            if name == "href":
                self.seen.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.seen.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "code" not in self.seen.open:
            self.loose.append(data)

    def handle_comment(self, data: str) -> None:
        self.seen.comments.append(data.strip())


def rendered(text: str) -> Seen:
    reader = _Reader()
    reader.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    reader.close()
    return reader.seen._replace(loose="".join(reader.loose))


@pytest.mark.parametrize("case", PLANS)
def test_goldens(case: str, repo: Repo, gitops: Gitops) -> None:
    *before, last = sorted(p for p in (GOLDEN / "plan" / case).iterdir() if p.is_dir())
    base = lay(repo, before[-1]) if before else repo.commit("nothing")
    commit = lay(repo, last)
    told = gitops("plan", "--base", base, "--format", "markdown", "--link-base", "https://forge.example.net/t/r")
    assert told.code == 0, told
    seen = rendered(told.out)
    assert seen.open == []
    assert seen.tags <= TAGS | {"a"}
    text = told.out.replace(commit, "<commit>").replace(base, "<base>")
    text = text.replace(commit[:7], "<commit>").replace(base[:7], "<base>")
    compare(text, GOLDEN / "markdown" / f"{case}.md")


def hostile(repo: Repo, kit: Kit, texts: tuple[str, ...]) -> None:
    fields = {f"f{n}": text for n, text in enumerate(texts)} | dict.fromkeys(texts, "v")
    environment = kit.environment("production", **fields)
    checks = [kit.check(f"c{n}", "https://x.example.net/") for n in range(len(texts))]
    for check, text in zip(checks, texts, strict=True):
        check["metadata"]["title"] = text
        headers = [{"name": "X-Text", "value": text}] if "{{" not in text and text.isprintable() else []
        check["spec"]["collectors"][0]["config"] |= {"headers": headers, "body": text}
        check["metadata"]["annotations"] = {"a": text}
    repo.put(
        "a.yaml", [environment, *checks, kit.system("shop", ["production"], [c["metadata"]["name"] for c in checks])]
    )


def test_documents_stay_in_their_place(repo: Repo, gitops: Gitops, kit: Kit) -> None:
    name = "</code>--> `x` @team [a](b) www.x.net|.yaml"
    repo.put(name, [kit.system("odd")])
    hostile(repo, kit, tuple("plain" for _ in HOSTILE))
    repo.put("gitops.yaml", "source: 'a --> @team <b> -- x'\n")
    repo.commit()
    repo.put(name, [kit.system("odd", title="other")])
    hostile(repo, kit, HOSTILE)
    repo.commit()
    base = "https://forge.example.net/t/r"
    for arguments in (("plan", "--base", "HEAD~1"), ("diff", "HEAD", "HEAD~1"), ("plan",)):
        told = gitops(*arguments, "--format", "markdown", "--link-base", base)
        assert told.code == 0, told.err
        seen = rendered(told.out)
        assert seen.open == []
        assert seen.tags <= TAGS | {"a"}
        assert seen.links
        assert all(re.fullmatch(rf"{base}/blob/[0-9a-f]{{40}}/[A-Za-z0-9._%/~-]+#L\d+", url) for url in seen.links)
        assert "@" not in seen.loose
        assert "evil" not in seen.loose
        assert seen.comments == ["gitops:plan:a%20%2D%2D%3E%20%40team%20%3Cb%3E%20%2D%2D%20x"]
        assert told.out.count("<!--") == 1 + told.out.count("<!-- gitops:plan:other")
        assert told.out.splitlines()[0].startswith("<!-- gitops:plan:a%20")
        assert not set("\u202e\x1b\u2028") & set(told.out)


def test_secrets_are_numbered(repo: Repo, gitops: Gitops, kit: Kit) -> None:
    def put(one: str, other: str) -> None:
        check = kit.check("home", f"https://user:{one}@x.example.net/?api_key={one}&page=2")

        check["spec"]["collectors"][0]["config"] |= {
            "headers": [
                {"name": "X-Api-Key", "value": other},
                {"name": "Authorization", "value": f"Bearer {one}"},
                {"name": "X-Plain", "value": f"n{one[-1]}"},
            ],
        }
        environment = kit.environment("production", dbPassword=one, url="u", accessToken=other)
        repo.put("all.yaml", [check, environment, kit.system("shop", ["production"], ["home"])])

    put("hunter2secret1", "hunter2secret2")
    repo.commit()
    put("hunter2secret3", "hunter2secret1")
    repo.commit()
    told = gitops("plan", "--base", "HEAD~1", "--format", "markdown").out
    assert "hunter2" not in told
    assert "n1" in told
    masks = re.findall(r"\(masked (\d+)\)", told)
    assert set(masks) >= {"1", "2", "3"}
    diff = told[told.index("dbPassword") :].splitlines()[1:3]
    was, now = (re.findall(r"\(masked (\d+)\)", line)[0] for line in diff)
    assert was != now
    token = told[told.index("accessToken") :].splitlines()[2]
    assert f"(masked {was})" in token, "equal values have the same number"


def test_it_fits_and_counts_the_rest(repo: Repo, gitops: Gitops, kit: Kit) -> None:
    def put(value: str) -> None:
        checks = [kit.check(f"check-{n:03}", title=value * 40) for n in range(300)]
        gone = [kit.system(f"gone-{n}") for n in range(100)] if value == "a" else []
        repo.put("all.yaml", [*checks, *gone])

    put("a")
    repo.commit()
    put("b")
    repo.commit()
    told = gitops("plan", "--base", "HEAD~1", "--format", "markdown").out
    assert len(told) <= 60_000
    assert rendered(told).open == []
    assert "### 100 to orphan, 300 to change" in told
    shown = told.count("<details>")
    (more,) = re.findall(r"\*\*And more that isn't shown:\*\* ([\d,]+) more to change\.", told)
    assert shown + int(more.replace(",", "")) == 300
    assert told.count("System gone") == 100


def test_links_of_jobs(shop: Repo, gitops: Gitops, kit: Kit) -> None:
    shop.put("more.yaml", [kit.system("more")])
    shop.commit()
    head = shop.git("rev-parse", "HEAD")

    def links(**env: str) -> list[str]:
        return rendered(gitops("plan", "--base", "HEAD~1", "--format", "markdown", env=env).out).links

    github = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r"}
    gitlab = {"CI_PROJECT_URL": "https://gitlab.com/o/r"}
    assert links() == []
    assert links(**github) == [f"https://github.com/o/r/blob/{head}/more.yaml#L1"]
    assert links(**github, GITEA_ACTIONS="true") == [f"https://github.com/o/r/src/commit/{head}/more.yaml#L1"]
    assert links(**gitlab) == [f"https://gitlab.com/o/r/-/blob/{head}/more.yaml#L1"]
    assert links(GITOPS_LINK_BASE="https://x.net/{commit}?p={path}&n={line}") == [
        f"https://x.net/{head}?p=more.yaml&n=1"
    ]
    assert links(CI_PROJECT_URL="javascript:alert(1)") == []
    assert gitops("diff", "HEAD~1", "--format", "markdown", "--link-base", "x").code == 2
