"""Where secrets are kept: variables and files. Each asked for what it has, what it hasn't, and what it mustn't give."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from reconciler.secrets.environment import FromEnvironment
from reconciler.secrets.folder import LARGEST, FromFolder
from reconciler.secrets.port import SecretMissing, SecretName, SecretsError, parse_name
from reconciler.secrets.resolver import Resolver

KEY = SecretName("PROBE_KEY")
IN_PRODUCTION = SecretName("PROBE_KEY", "production")


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        (KEY, "GITOPS_SECRET_PROBE_KEY"),
        (SecretName("probe-key"), "GITOPS_SECRET_PROBE_KEY"),
        (IN_PRODUCTION, "GITOPS_SECRET_PRODUCTION__PROBE_KEY"),
        (SecretName("KEY", "eu-west-1"), "GITOPS_SECRET_EU_WEST_1__KEY"),
    ],
)
def test_a_variable(name: SecretName, variable: str) -> None:
    backend = FromEnvironment({variable: "value"})
    assert backend.get(name) == "value"
    assert backend.place(name) == f"the variable {variable}"
    assert backend.get(SecretName("OTHER", name.environment)) is None


def test_no_name_reaches_the_variable_of_an_environment() -> None:
    backend = FromEnvironment({"GITOPS_SECRET_PRODUCTION__KEY": "value"})
    assert backend.get(SecretName("PRODUCTION__KEY")) is None
    assert backend.get(SecretName("PRODUCTION--KEY")) is None
    assert "two dashes" in backend.place(SecretName("PRODUCTION__KEY"))


def test_an_empty_variable_is_none_and_a_changed_one_counts_at_once() -> None:
    environ = {"GITOPS_SECRET_PROBE_KEY": ""}
    backend = FromEnvironment(environ)
    assert backend.get(KEY) is None
    environ["GITOPS_SECRET_PROBE_KEY"] = "new"
    assert backend.get(KEY) == "new"


def test_variables_are_listed_by_name() -> None:
    backend = FromEnvironment(
        {"GITOPS_SECRET_B": "1", "GITOPS_SECRET_PRODUCTION__A": "2", "GITOPS_SECRETS": "env", "GITOPS_SECRET_C": ""}
    )
    assert [(str(f.name), f.where) for f in backend.list()] == [
        ("B", "GITOPS_SECRET_B"),
        ("production/A", "GITOPS_SECRET_PRODUCTION__A"),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of secrets as Docker mounts one, with an environment's below."""
    made = tmp_path / "secrets"
    (made / "production").mkdir(parents=True)
    (made / "PROBE_KEY").write_text("general\n")
    (made / "production" / "PROBE_KEY").write_text("special")
    (tmp_path / "OUTSIDE").write_text("outside")
    return made


def test_files(folder: Path) -> None:
    backend = FromFolder(str(folder))
    assert backend.get(KEY) == "general"
    assert backend.get(IN_PRODUCTION) == "special"
    assert backend.get(SecretName("PROBE_KEY", "staging")) is None
    assert backend.get(SecretName("NOTHING")) is None
    assert [str(f.name) for f in backend.list()] == ["PROBE_KEY", "production/PROBE_KEY"]


@pytest.mark.parametrize(
    ("data", "value"),
    [(b"a\n", "a"), (b"a\n\n", "a\n"), (b"a\r\n", "a"), (b"a\r", "a\r"), (b"\n", None), (b"", None), (b" a ", " a ")],
)
def test_one_newline_at_the_end_does_not_count(folder: Path, data: bytes, value: str | None) -> None:
    (folder / "PROBE_KEY").write_bytes(data)
    assert FromFolder(str(folder)).get(KEY) == value


def test_links_as_kubernetes_makes_them(folder: Path) -> None:
    for version in ("..2026_01", "..2026_02"):
        (folder / version).mkdir()
        (folder / version / "TOKEN").write_text(f"of {version}")
    (folder / "..data").symlink_to("..2026_01")
    (folder / "TOKEN").symlink_to("..data/TOKEN")
    backend = FromFolder(str(folder))
    assert backend.get(SecretName("TOKEN")) == "of ..2026_01"
    (folder / "..new").symlink_to("..2026_02")
    os.replace(folder / "..new", folder / "..data")
    assert backend.get(SecretName("TOKEN")) == "of ..2026_02"
    assert "TOKEN" in [str(f.name) for f in backend.list()]


def test_a_folder_that_is_a_link_itself(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert FromFolder(str(tmp_path / "link")).get(KEY) == "general"


def test_no_link_leads_out(folder: Path) -> None:
    (folder / "OUTSIDE").symlink_to("../OUTSIDE")
    with pytest.raises(SecretsError, match="leads out of") as caught:
        FromFolder(str(folder)).get(SecretName("OUTSIDE"))
    assert "outside" not in str(caught.value)


@pytest.mark.parametrize("name", ["../OUTSIDE", "a/b", "/etc/passwd", "..", ".", "", "..data", "A\0", "production"])
def test_names_that_are_paths_reach_nothing(folder: Path, name: str) -> None:
    assert FromFolder(str(folder)).get(SecretName(name)) is None


def test_environments_that_are_paths_reach_nothing(folder: Path) -> None:
    for environment in ("..", "../secrets", "", "/", "production/../production"):
        assert FromFolder(str(folder)).get(SecretName("PROBE_KEY", environment)) is None


def test_what_is_no_file_and_what_is_too_large(folder: Path) -> None:
    os.mkfifo(folder / "PIPE")
    assert FromFolder(str(folder)).get(SecretName("PIPE")) is None
    (folder / "LARGE").write_bytes(b"x" * LARGEST)
    assert len(FromFolder(str(folder)).get(SecretName("LARGE")) or "") == LARGEST
    (folder / "LARGE").write_bytes(b"x" * (LARGEST + 1))
    with pytest.raises(SecretsError, match="larger than 64 KiB"):
        FromFolder(str(folder)).get(SecretName("LARGE"))
    (folder / "BYTES").write_bytes(b"\xff\xfesecret")
    with pytest.raises(SecretsError, match="isn't UTF-8") as caught:
        FromFolder(str(folder)).get(SecretName("BYTES"))
    assert caught.value.__cause__ is None


def test_a_folder_that_is_not_there_is_no_missing_secret(tmp_path: Path) -> None:
    with pytest.raises(SecretsError, match="isn't there"):
        FromFolder(str(tmp_path / "nowhere")).get(KEY)
    with pytest.raises(SecretsError, match="can't be read"):
        FromFolder(str(tmp_path / "nowhere")).list()


def test_the_environment_comes_first_then_the_order_of_backends(folder: Path) -> None:
    variables = FromEnvironment({"GITOPS_SECRET_PROBE_KEY": "variable", "GITOPS_SECRET_ONLY": "here"})
    resolver = Resolver(variables, FromFolder(str(folder)))
    assert resolver.resolve(["PROBE_KEY", "ONLY"], "production") == {"PROBE_KEY": "special", "ONLY": "here"}
    assert resolver.resolve(["PROBE_KEY"], "staging") == {"PROBE_KEY": "variable"}
    assert resolver.resolve(["PROBE_KEY"], None) == {"PROBE_KEY": "variable"}


def test_a_missing_one_says_where_it_was_looked_for(folder: Path) -> None:
    resolver = Resolver(FromEnvironment({}), FromFolder(str(folder)))
    with pytest.raises(SecretMissing) as caught:
        resolver.resolve(["TOKEN"], "production")
    assert caught.value.name == "TOKEN"
    assert caught.value.looked == (
        "the variable GITOPS_SECRET_PRODUCTION__TOKEN",
        f"the file {folder}/production/TOKEN",
        "the variable GITOPS_SECRET_TOKEN",
        f"the file {folder}/TOKEN",
    )
    assert "GITOPS_SECRET_TOKEN" in caught.value.message


def test_a_backend_that_fails_is_not_passed_over(folder: Path, tmp_path: Path) -> None:
    resolver = Resolver(FromFolder(str(tmp_path / "nowhere")), FromFolder(str(folder)))
    with pytest.raises(SecretsError, match="isn't there"):
        resolver.resolve(["PROBE_KEY"])


@pytest.mark.parametrize("value", ["a\0b", "a\udcff"])
def test_what_is_no_text_is_refused_without_being_shown(value: str) -> None:
    resolver = Resolver(FromEnvironment({"GITOPS_SECRET_TOKEN": value}))
    with pytest.raises(SecretsError, match=r"TOKEN isn't text$"):
        resolver.resolve(["TOKEN"])


@pytest.mark.parametrize("name", ["__internal__:key", "", "1A", "a b", "a/b", "A" * 64, "ключ"])
def test_names_that_can_not_be(name: str) -> None:
    with pytest.raises(SecretsError):
        parse_name(name)
    with pytest.raises(SecretsError):
        Resolver(FromEnvironment({})).resolve([name])


def test_environments_that_can_not_be() -> None:
    assert parse_name("A", "eu-1") == SecretName("A", "eu-1")
    for environment in ("", "Prod", "a/b", "..", "a" * 64):
        with pytest.raises(SecretsError):
            parse_name("A", environment)


def test_a_reader_never_falls_between_two_versions(folder: Path) -> None:
    """As Kubernetes does it: a new folder, the link changed in one step, the old folder removed."""
    backend, done = FromFolder(str(folder)), threading.Event()
    (folder / "..0").mkdir()
    (folder / "..0" / "TOKEN").write_text("value")
    (folder / "..data").symlink_to("..0")
    (folder / "TOKEN").symlink_to("..data/TOKEN")

    def change() -> None:
        for n in range(1, 100):
            (folder / f"..{n}").mkdir()
            (folder / f"..{n}" / "TOKEN").write_text("value")
            (folder / "..new").symlink_to(f"..{n}")
            os.replace(folder / "..new", folder / "..data")
            (folder / f"..{n - 1}" / "TOKEN").unlink()
            (folder / f"..{n - 1}").rmdir()
        done.set()

    changing = threading.Thread(target=change)
    changing.start()
    try:
        seen = set()
        while not done.is_set():
            seen.add(backend.get(SecretName("TOKEN")))
    finally:
        changing.join()
    assert seen == {"value"}
