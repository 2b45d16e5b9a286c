"""Secrets go where a model says they may stand, and nowhere else, whatever a text looks like."""

from __future__ import annotations

import copy
from typing import Annotated, Any

import pytest
from pydantic import Field

from reconciler.base.errors import GitopsError
from reconciler.kinds import secretpaths
from reconciler.kinds.loaded import load
from reconciler.kinds.marks import Secret, SecretName
from reconciler.kinds.modelling import Model
from reconciler.kinds.secretpaths import fill, holes, names
from reconciler.kinds.shared import SecretSource
from reconciler.kinds.table import COLLECTORS, STRATEGIES, Entry

A = "${{ secrets.A }}"
VALUES = {"A": "alpha", "B": "beta"}
ATTACK = "${{ secrets.ADMIN }}"


def filled(config: dict[str, Any], subject: str, values: dict[str, str] | None = None) -> dict[str, Any]:
    before = copy.deepcopy(config)
    found = fill(config, holes(config, subject), VALUES if values is None else values)
    assert config == before, "the config itself is for all runs"
    return found


@pytest.mark.parametrize(
    ("subject", "config", "expected"),
    [
        ("strategies/http", {"authToken": A}, {"authToken": "alpha"}),
        ("strategies/http", {"authPassword": f"x-{A}-${{{{secrets.B}}}}"}, {"authPassword": "x-alpha-beta"}),
        ("strategies/ssh", {"privateKey": A, "passphrase": "plain"}, {"privateKey": "alpha", "passphrase": "plain"}),
        ("collectors/script.execute", {"secretEnv": {"T": A, "U": "b"}}, {"secretEnv": {"T": "alpha", "U": "b"}}),
        (
            "collectors/http.request",
            {"headers": [{"name": "X", "value": "1"}, {"name": "Y", "valueFrom": {"secret": "B"}}]},
            {"headers": [{"name": "X", "value": "1"}, {"name": "Y", "value": "beta"}]},
        ),
    ],
)
def test_what_is_marked_is_filled(subject: str, config: dict[str, Any], expected: dict[str, Any]) -> None:
    assert filled(config, subject) == expected


@pytest.mark.parametrize(
    ("subject", "config"),
    [
        ("collectors/http.request", {"url": f"https://x.example.net/{ATTACK}", "body": ATTACK, "method": "GET"}),
        ("collectors/http.request", {"headers": [{"name": ATTACK, "value": ATTACK}]}),
        ("collectors/script.execute", {"script": f"echo {ATTACK}", "env": {"X": ATTACK}, "cwd": ATTACK}),
        ("collectors/script.inline-script", {"script": ATTACK, "env": {"secret": ATTACK}}),
        ("strategies/http", {"proxyUrl": ATTACK, "authUsername": ATTACK, "egressDenyCidrs": [ATTACK]}),
        ("strategies/postgres", {"host": ATTACK, "user": ATTACK, "database": ATTACK}),
        ("collectors/redis.command", {"command": "GET", "args": [ATTACK, "secret"]}),
    ],
)
def test_what_a_template_made_stays_text(subject: str, config: dict[str, Any]) -> None:
    assert holes(config, subject) == ()
    assert filled(config, subject, {"ADMIN": "hunter22"}) == config


def test_a_value_that_spells_a_reference_stays_text() -> None:
    assert filled({"authToken": f"{A}{A}"}, "strategies/http", {"A": "${{ secrets.B }}", "B": "no"}) == {
        "authToken": "${{ secrets.B }}${{ secrets.B }}"
    }


def test_a_value_is_no_pattern() -> None:
    assert filled({"authToken": A}, "strategies/http", {"A": r"\1\g<0>\\"}) == {"authToken": r"\1\g<0>\\"}


def test_names_come_once_and_in_order() -> None:
    config = {"secretEnv": {"X": "${{ secrets.B }}", "Y": A, "Z": "${{secrets.B}}${{ secrets.C }}"}}
    assert names(holes(config, "collectors/script.execute")) == ("B", "A", "C")


def test_what_has_no_secret_is_shared_with_the_original() -> None:
    config = {"headers": [{"name": "X", "value": "1"}, {"name": "Y", "valueFrom": {"secret": "A"}}], "big": {"a": 1}}
    found = filled(config, "collectors/http.request")
    assert found["big"] is config["big"]
    assert found["headers"][0] is config["headers"][0]  # type: ignore[index]


def test_a_missing_value_is_not_passed_over() -> None:
    with pytest.raises(KeyError):
        filled({"authToken": A}, "strategies/http", {})


def test_an_unknown_subject() -> None:
    with pytest.raises(GitopsError, match="there is no strategies/telnet"):
        holes({"password": A}, "strategies/telnet")


def test_built_in_models_name_secrets_in_ways_that_are_seen_at_once() -> None:
    for entry in (*STRATEGIES.values(), *COLLECTORS.values()):
        if entry.model.startswith("reconciler."):
            assert all(keys[-1] == "secret" for keys in load(entry).secret_names), entry.subject


class Login(Model):
    """What a plugin's config may look like."""

    credential: Annotated[str, SecretName()] | None = None
    token_from: SecretSource | None = None
    sources: list[SecretSource] = Field(default_factory=list)
    keys: dict[str, list[Annotated[str, Secret()]]] = Field(default_factory=dict)


def test_a_plugin_may_name_secrets_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STRATEGIES, "own", Entry("strategies/own", 1, 1, f"{__name__}:Login"))
    monkeypatch.setattr("reconciler.kinds.loaded._import", lambda entry: Login)
    secretpaths._entry.cache_clear()
    secretpaths._places.cache_clear()
    try:
        config = {
            "credential": "A",
            "tokenFrom": {"secret": "B"},
            "sources": [{"secret": "A"}, {"secret": "B"}],
            "keys": {"x": [A, "plain"], "y": ["${{ secrets.B }}"]},
        }
        assert filled(config, "strategies/own") == {
            "credential": "alpha",
            "token": "beta",
            "sources": [{"secret": "alpha"}, {"secret": "beta"}],
            "keys": {"x": ["alpha", "plain"], "y": ["beta"]},
        }
    finally:
        secretpaths._entry.cache_clear()
        secretpaths._places.cache_clear()
