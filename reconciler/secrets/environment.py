"""Secrets in variables of the process: ``GITOPS_SECRET_<NAME>``, and ``GITOPS_SECRET_<ENVIRONMENT>__<NAME>``.

Names are written large, with an underscore for each dash: ``production/probe-key`` is in
``GITOPS_SECRET_PRODUCTION__PROBE_KEY``. A name with two dashes or underscores in a row has no variable: it could be
read as that of an environment.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.secrets.port import Listed, SecretName

PREFIX = "GITOPS_SECRET_"


class FromEnvironment:
    """The backend ``env``. ``environ`` is looked at anew for each secret."""

    title = "the environment"

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def get(self, name: SecretName) -> str | None:
        """See the port."""
        variable = _variable(name)
        return (self._environ.get(variable) or None) if variable is not None else None

    def place(self, name: SecretName) -> str:
        """See the port."""
        variable = _variable(name)
        return f"the variable {variable}" if variable else f"no variable, since {name.name} holds two dashes in a row"

    def list(self) -> list[Listed]:
        """See the port. What was small or had dashes can't be seen from a variable any more."""
        found = []
        for variable, value in sorted(self._environ.items()):
            if variable.startswith(PREFIX) and value:
                environment, _, name = variable.removeprefix(PREFIX).rpartition("__")
                if name:
                    of = environment.lower().replace("_", "-") or None
                    found.append(Listed(SecretName(name, of), variable))
        return found


def _variable(name: SecretName) -> str | None:
    written = _large(name.name)
    if "__" in written:
        return None
    return f"{PREFIX}{written}" if name.environment is None else f"{PREFIX}{_large(name.environment)}__{written}"


def _large(text: str) -> str:
    return text.replace("-", "_").upper()
