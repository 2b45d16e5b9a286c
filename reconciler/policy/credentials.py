"""Credentials in plain sight, found by the patterns of detect-secrets.

Only its patterns are used: its verification, which would ask the services over the network, is never called. They are
regular expressions written for lines of code, so they run where time is limited (see :mod:`.isolated`), on text of a
bounded length. A finding names the sort of credential and its place, never the credential.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.model.resource import Resource
from reconciler.policy.rules import Finding, Rule

LIBRARY = "detect_secrets"
MAX_TEXT = 20_000
"""Characters of a text that are looked at."""
_DETECTORS = {
    "artifactory": "ArtifactoryDetector",
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "basic_auth": "BasicAuthDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "jwt": "JwtTokenDetector",
    "mailchimp": "MailchimpDetector",
    "npm": "NpmDetector",
    "openai": "OpenAIDetector",
    "private_key": "PrivateKeyDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
"""Those for credentials with a form of their own. What is merely random is left alone: ids are random as well."""
_SHORTEST = 6
_HINT = "write ${{ secrets.NAME }}, and change the credential: whoever read the repository has it"


@cache
def _detectors() -> list[Any]:
    return [getattr(import_module(f"{LIBRARY}.plugins.{m}"), name)() for m, name in _DETECTORS.items()]


@cache
def _keyword() -> Any:
    return import_module(f"{LIBRARY}.plugins.keyword").KeywordDetector()


def literal(rule: Rule, resource: Resource, body: Any) -> Iterator[Finding]:
    """One finding for each text that holds one, at the text."""
    texts = [(path, key, text[:MAX_TEXT]) for path, key, text in _texts(body, ())]
    if not _worth_it(texts):
        return
    for path, key, text in texts:
        sort = _sort(key, text)
        if sort is not None:
            yield Finding(rule, resource, path, f"this looks like a credential ({sort})", _HINT)


def _worth_it(texts: Sequence[tuple[Path, str, str]]) -> bool:
    """Whether any pattern is met anywhere: one look at all texts of a document is ten times as quick as one at each."""
    whole = "\n".join(text for _, _, text in texts)
    if any(any(detector.analyze_string(whole)) for detector in _detectors()):
        return True
    return any(_keyword().analyze_string("\n".join(_line(k, t) for _, k, t in texts if _is_plain(t))))


def _line(key: str, text: str) -> str:
    return f'{key} = "{text}"'


def _is_plain(text: str) -> bool:
    """Neither a reference, nor a template, nor prose."""
    return len(text) >= _SHORTEST and "{{" not in text and "\n" not in text and " " not in text.strip()


def _sort(key: str, text: str) -> str | None:
    if len(text) < _SHORTEST:
        return None
    for detector in _detectors():
        if any(_literal(found) for found in detector.analyze_string(text)):
            return str(detector.secret_type)
    if not _is_plain(text):
        return None
    return f"value of {key}" if any(f == text for f in _keyword().analyze_string(_line(key, text))) else None


def _literal(found: str) -> bool:
    """A part of a template isn't one: ``https://{{ x }}:${{ secrets.Y }}@host`` names its secret."""
    return "{{" not in found and "}}" not in found


def _texts(data: Any, path: Path, key: str = "") -> Iterator[tuple[Path, str, str]]:
    """(path, the word it is the value of, text) of every text. An entry ``{name: X, value: Y}`` says Y of X."""
    if isinstance(data, str):
        yield path, key, data
    elif isinstance(data, dict):
        named = data.get("name")
        for k, value in data.items():
            word = named if k == "value" and isinstance(named, str) else k
            yield from _texts(value, (*path, k), word)
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from _texts(value, (*path, i), key)
