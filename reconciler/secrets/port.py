"""What a keeper of secrets is to those who ask, and what can go wrong with one."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from reconciler.base.errors import GitopsError

INTERNAL = "__internal__:"
"""Names with this in front are the tool's own: no document may name one, no command may set one."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_ENVIRONMENT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class SecretsError(GitopsError):
    """A secret can't be had. Never says any part of a value."""


class SecretMissing(SecretsError):
    """Nobody who was asked has it. ``looked`` names the places, in the order they were asked."""

    def __init__(self, name: str, looked: tuple[str, ...]) -> None:
        places = "; ".join(looked) or "nowhere, as no place for secrets is configured"
        super().__init__(
            f"the secret {name} isn't there (looked for {places})",
            hint="gitops secret check lists every secret that checks name, and which are missing",
        )
        self.name, self.looked = name, looked


class SecretName(NamedTuple):
    """``environment`` is None for the one that holds everywhere."""

    name: str
    environment: str | None = None

    def __str__(self) -> str:
        return self.name if self.environment is None else f"{self.environment}/{self.name}"


class Listed(NamedTuple):
    """One secret as lists show it. ``where`` is what the backend knows it by, ``at`` epoch seconds where known."""

    name: SecretName
    where: str
    at: float | None = None
    actor: str = ""


class Backend(Protocol):
    """Answers are never kept: a value that is changed there counts for the next run. Safe to use from any thread."""

    title: str
    """As it is called in messages: ``the environment``, ``the folder /run/secrets``, ``the store``."""

    def get(self, name: SecretName) -> str | None:
        """Its value, None where it isn't there; an empty one counts as not there. Raises :class:`SecretsError`."""

    def place(self, name: SecretName) -> str:
        """Where that secret would be, for messages: a variable, a file, a row."""

    def list(self) -> list[Listed]:
        """All there are, by name; never their values."""


class Writable(Backend, Protocol):
    """A backend that commands can change."""

    def set(self, name: SecretName, value: str, *, actor: str) -> None:
        """Keep it, over what was there."""

    def delete(self, name: SecretName) -> bool:
        """Forget it; says whether it was there."""


def parse_name(text: str, environment: str | None = None) -> SecretName:
    """A name that a document could use. Raises :class:`SecretsError` with a sentence."""
    if text.startswith(INTERNAL):
        raise SecretsError(f"names that begin with {INTERNAL} are the tool's own")
    if not _NAME.fullmatch(text):
        raise SecretsError(
            f"{text[:80]!r} can't be the name of a secret",
            hint="letters, digits, dashes and underscores, at most 63; it begins with a letter",
        )
    if environment is not None and not _ENVIRONMENT.fullmatch(environment):
        raise SecretsError(f"{environment[:80]!r} can't be the name of an environment")
    return SecretName(text, environment)


def is_name(text: str) -> bool:
    """Whether a document could name a secret so."""
    return _NAME.fullmatch(text) is not None


def is_environment(text: str) -> bool:
    """Whether an environment could be called so."""
    return _ENVIRONMENT.fullmatch(text) is not None
