"""``gitops import`` as somebody uses it: what is written, what is refused, what is said."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reconciler.cli.main import cli

GATUS = """\
endpoints:
  - name: shop
    url: https://shop.example.net/
    headers: {Authorization: Bearer s3cr3t}
    conditions: ["[STATUS] == 200", "[IP] == 127.0.0.1"]
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def gitops(*arguments: str, given: str | None = None) -> Result:
    result = CliRunner().invoke(cli, ["import", *arguments], input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def tree(folder: str = "monitoring") -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in Path(folder).rglob("*") if p.is_file()}


def test_what_is_written_validates_and_says_what_is_left() -> None:
    Path("gatus.yaml").write_text(GATUS)
    done = gitops("gatus", "gatus.yaml", "--report", "report.txt")
    assert done.exit_code == 0
    assert "gatus.yaml:5 (endpoints[0].conditions[1]): [IP] == 127.0.0.1: the address" in done.stdout
    assert "SHOP_TOKEN\n    gatus.yaml:4" in done.stdout
    assert Path("report.txt").read_text() == done.stdout
    assert list(tree()) == ["systems.yaml"]
    checked = CliRunner().invoke(cli, ["validate", "-C", "monitoring"])
    assert (checked.exit_code, "2 documents" in checked.stdout) == (0, True)


def test_the_same_facts_as_json() -> None:
    Path("gatus.yaml").write_text(GATUS)
    done = gitops("gatus", "gatus.yaml", "--out", "out", "--format", "json")
    told = json.loads(done.stdout)
    assert told["files"] == [{"path": "systems.yaml", "documents": {"System": 1, "Check": 1}}]
    assert told["written"] == ["out/systems.yaml"]
    assert told["counts"] == {"files": 1, "monitors": 1}
    assert [(n["kind"], n["line"], n["secret"]) for n in told["notes"]] == [
        ("secret", 4, "SHOP_TOKEN"),
        ("left", 5, None),
    ]
    assert gitops("gatus", "gatus.yaml", "--out", "quiet", "-q").stdout == ""


def test_nothing_is_overwritten_unless_forced() -> None:
    Path("list.txt").write_text("# Shop\nhttps://shop.example.net/\n\nhttps://example.org/\n")
    Path("monitoring/systems").mkdir(parents=True)
    mine = Path("monitoring/systems/shop.yaml")
    mine.write_text("# mine\n")
    refused = gitops("urls", "list.txt")
    assert refused.exit_code == 2
    assert "monitoring/systems/shop.yaml is there already; nothing was written" in refused.stderr
    assert tree() == {"systems/shop.yaml": "# mine\n"}
    mine.chmod(0o640)
    assert gitops("urls", "list.txt", "--force").exit_code == 0
    assert mine.read_text().startswith("apiVersion")
    assert stat.S_IMODE(mine.stat().st_mode) == 0o640
    again = gitops("urls", "list.txt")
    assert (again.exit_code, "Nothing to write" in again.stdout) == (0, True)


def test_a_folder_in_the_way_is_never_overwritten() -> None:
    Path("list.txt").write_text("https://example.org/\n")
    Path("monitoring/systems.yaml").mkdir(parents=True)
    done = gitops("urls", "list.txt", "--force")
    assert (done.exit_code, "systems.yaml is a folder; nothing was written" in done.stderr) == (2, True)
    Path("file").write_text("")
    assert gitops("urls", "list.txt", "--out", "file/below").exit_code == 1


def test_all_files_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("list.txt").write_text("# Shop\nhttps://shop.example.net/\n\nhttps://example.org/\n")
    Path("monitoring").mkdir()
    Path("monitoring/systems.yaml").write_text("# mine\n")
    link, calls = os.link, []

    def second_fails(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device", str(target))
        link(source, target)

    monkeypatch.setattr(os, "link", second_fails)
    failed = gitops("urls", "list.txt", "--force")
    assert (failed.exit_code, "nothing was changed" in failed.stderr) == (1, True)
    assert tree() == {"systems.yaml": "# mine\n"}
    assert sorted(p.name for p in Path("monitoring").iterdir()) == ["systems.yaml"]


def test_standard_input_and_folders() -> None:
    assert gitops("urls", "-", given="https://example.net/\n").exit_code == 0
    Path("config/deep").mkdir(parents=True)
    Path("config/a.yaml").write_text(GATUS)
    Path("config/deep/b.yml").write_text(GATUS.replace("shop", "cart"))
    done = gitops("gatus", "config", "--out", "out")
    assert "2 monitors in 2 files" in done.stdout


@pytest.mark.parametrize(
    ("format_", "name", "content", "said"),
    [
        ("gatus", "a.yaml", b"endpoints: [", "a.yaml:1: this is no YAML"),
        ("gatus", "a.yaml", b"- 1\n", "a.yaml:1: this is no configuration of Gatus"),
        ("gatus", "a.yaml", b"", "nothing in a.yaml can be imported as Gatus"),
        ("gatus", "a.yaml", b"a: \xff\n", "a.yaml:1: the file is not UTF-8"),
        ("uptime-kuma", "a.json", b"{\n  broken", "a.json:2: this is no JSON"),
        ("uptime-kuma", "a.json", b"{}", "a.json:1: this is no backup of Uptime Kuma"),
        ("uptime-kuma", "a.json", b'{"monitorList": 5}', "nothing in a.json can be imported as Uptime Kuma"),
        ("blackbox", "a.yml", b"modules: {http_2xx: {prober: http}}\n", "there is no scrape config"),
        ("blackbox", "a.yml", b"x: 1\n", "a.yml:1: this is neither a configuration of blackbox_exporter nor"),
        ("urls", "a.txt", b"# nothing\n\nnothing here\n", "a.txt:3: nothing is no URL"),
    ],
)
def test_what_cannot_be_read(format_: str, name: str, content: bytes, said: str) -> None:
    Path(name).write_bytes(content)
    done = gitops(format_, name)
    assert done.exit_code == 1
    assert said in done.stderr
    assert not Path("monitoring").exists()


def test_what_the_command_line_gets_wrong() -> None:
    unknown = gitops("gatuss", "x")
    assert (unknown.exit_code, "did you mean gatus?" in unknown.stderr) == (2, True)
    missing = gitops("urls", "nowhere.txt")
    assert (missing.exit_code, "nowhere.txt can't be read: No such file" in missing.stderr) == (2, True)
    Path("empty").mkdir()
    assert "holds no file that ends with .txt" in gitops("urls", "empty").stderr
    assert gitops("urls").exit_code == 2


def test_one_bad_file_does_not_hide_the_others() -> None:
    Path("a.yaml").write_text(GATUS)
    Path("b.yaml").write_text("endpoints: [\n")
    done = gitops("gatus", "a.yaml", "b.yaml")
    assert done.exit_code == 0
    assert "Could not be read:\n  b.yaml:" in done.stdout


def test_one_bad_address_does_not_take_its_neighbours_along() -> None:
    """Monitors that differ by their host alone share a check; what is wrong with one is told of that one only."""
    Path("list.txt").write_text("https://a..b/\nhttps://ok.example.net/\nhttps://c..d/\nhttps://good.example.net/\n")
    done = gitops("urls", "list.txt")
    assert done.exit_code == 0
    assert "list.txt:1: a..b can't be written as a document: 'https://a..b/' has no valid host name" in done.stdout
    assert "list.txt:3: c..d can't be written as a document: 'https://c..d/' has no valid host name" in done.stdout
    assert "list.txt:2:" not in done.stdout
    assert "list.txt:4:" not in done.stdout
    written = "".join(tree().values())
    assert "ok.example.net" in written
    assert "good.example.net" in written
