"""From the names that a run uses to their values, just in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.secrets.port import Backend, SecretMissing, SecretName, SecretsError, parse_name


class Resolver:
    """Asks the backends in their order, for ``<environment>/NAME`` first and then for ``NAME``.

    Keeps nothing. A backend that fails is an error, not a reason to ask the next one, which may hold an older value.
    """

    def __init__(self, *backends: Backend) -> None:
        self.backends: Sequence[Backend] = backends

    def resolve(self, names: Iterable[str], environment: str | None = None) -> dict[str, str]:
        """Name to value. Raises :class:`SecretMissing`, and :class:`SecretsError` for a backend that can't answer."""
        return {name: self._resolve(name, environment) for name in dict.fromkeys(names)}

    def find(self, name: str, environment: str | None = None) -> tuple[Backend, SecretName, str]:
        """Who has it, under which name, and its value. Raises as :meth:`resolve` does."""
        wanted = [parse_name(name)]
        if environment is not None:
            wanted.insert(0, SecretName(name, environment))
        for each in wanted:
            for backend in self.backends:
                value = backend.get(each)
                if value:
                    return backend, each, _text(value, each)
        raise SecretMissing(name, tuple(b.place(each) for each in wanted for b in self.backends))

    def _resolve(self, name: str, environment: str | None) -> str:
        return self.find(name, environment)[2]


def _text(value: str, name: SecretName) -> str:
    """No variable, header or password can hold a zero byte; half a surrogate pair comes out of undecodable bytes."""
    if "\0" in value or not (value.isascii() or value == value.encode("utf-8", "replace").decode()):
        raise SecretsError(f"the value of the secret {name} isn't text")
    return value
