"""Secrets that stand in documents, as numbers."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.report.masks import Masks

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"password": "hunter2"}, {"password": "(masked 1)"}),
        ({"authPassword": "a", "auth_token": "b"}, {"authPassword": "(masked 1)", "auth_token": "(masked 2)"}),
        (
            {"a": {"apiKey": "k"}, "b": {"api-key": "k"}},
            {"a": {"apiKey": "(masked 1)"}, "b": {"api-key": "(masked 1)"}},
        ),
        ({"password": "${{ secrets.PW }}"}, {"password": "${{ secrets.PW }}"}),
        ({"password": "{{ environment.pw }}"}, {"password": "{{ environment.pw }}"}),
        ({"authorization": "Bearer ${{ secrets.T }}"}, {"authorization": "Bearer ${{ secrets.T }}"}),
        ({"valueFrom": {"secret": "NAME"}}, {"valueFrom": {"secret": "NAME"}}),
        ({"name": "X-Api-Key", "value": "v"}, {"name": "X-Api-Key", "value": "(masked 1)"}),
        ({"name": "X-Plain", "value": "v"}, {"name": "X-Plain", "value": "v"}),
        ({"pin_token": 1234, "tier": 1}, {"pin_token": "(masked 1)", "tier": 1}),
        ({"tokens": [], "secret": None, "password": ""}, {"tokens": [], "secret": None, "password": ""}),
        ("https://u:pw@x.example.net/", "https://u:(masked 1)@x.example.net/"),
        ("https://x.net/?page=1&access_token=abc&b=2", "https://x.net/?page=1&access_token=(masked 1)&b=2"),
        (f"curl --cert {PEM} x", "curl --cert (masked 1) x"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "(masked 1)"),
        ("run -H 'Authorization: Bearer abcdefgh1234'", "run -H 'Authorization: Bearer (masked 1)'"),
        ("https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/services/(masked 1)"),
        ("the token bucket of a basic test", "the token bucket of a basic test"),
        ("statusCode", "statusCode"),
    ],
)
def test_values(value: Any, expected: Any) -> None:
    assert Masks().value(value) == expected


def test_equal_values_have_equal_numbers() -> None:
    masks = Masks()
    first, second, third = (masks.value(v, "password") for v in ("a", "b", "a"))
    assert (first, second, third) == ("(masked 1)", "(masked 2)", "(masked 1)")


def test_a_body_written_by_hand_is_one_secret() -> None:
    assert Masks().body(b"no json") == b'"(masked 1)"'
