"""Secrets in files, as Docker and Kubernetes mount them: ``DIR/NAME``, and ``DIR/<environment>/NAME``.

Kubernetes makes each file a link to another one in the folder, and changes all of them in one step. So links are
followed, as long as they stay inside.
"""

from __future__ import annotations

import os

from reconciler.secrets.files import whole_file
from reconciler.secrets.port import Listed, SecretName, SecretsError, is_environment, is_name

LARGEST = 64 * 1024
"""Bytes of a file."""
_TRIES = 100


class FromFolder:
    """The backend ``dir:``. Files are read when they are asked for; one newline at the end of a file doesn't count."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.title = f"the folder {folder}"

    def get(self, name: SecretName) -> str | None:
        """See the port. A folder that isn't there is an error: it is configured, so that something is wrong."""
        missing = None
        for _ in range(_TRIES):
            try:
                return self._read(name)
            except FileNotFoundError as error:
                # Between the look at a link and its target Kubernetes may have changed both: then it leads elsewhere.
                if error.filename == missing:
                    break
                missing = error.filename
            except NotADirectoryError:
                break
            except OSError as error:
                raise SecretsError(f"the file of the secret {name} can't be read: {error.strerror}") from error
        if not os.path.isdir(self.folder):
            raise SecretsError(f"{self.title}, where secrets are looked for, isn't there", hint="mind GITOPS_SECRETS")
        return None

    def place(self, name: SecretName) -> str:
        """See the port."""
        return f"the file {self._path(name)}"

    def list(self) -> list[Listed]:
        """See the port."""
        found = []
        try:
            for entry in os.scandir(self.folder):
                if entry.is_dir() and is_environment(entry.name):
                    found += [f for each in os.scandir(entry.path) if (f := _listed(each, entry.name)) is not None]
                elif (listed := _listed(entry, None)) is not None:
                    found.append(listed)
        except OSError as error:
            raise SecretsError(f"{self.title} can't be read: {error.strerror}", hint="mind GITOPS_SECRETS") from error
        return sorted(found, key=lambda f: (f.name.name, f.name.environment or ""))

    def _path(self, name: SecretName) -> str:
        return os.path.join(self.folder, *([] if name.environment is None else [name.environment]), name.name)

    def _read(self, name: SecretName) -> str | None:
        if not is_name(name.name) or not (name.environment is None or is_environment(name.environment)):
            return None
        path, top = os.path.realpath(self._path(name)), os.path.realpath(self.folder)
        if not path.startswith(top.rstrip("/") + "/"):
            raise SecretsError(f"the file of the secret {name} is a link that leads out of {self.title}")
        # By now nothing of the path is a link; one that has become one meanwhile isn't followed.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        data = whole_file(handle, LARGEST + 1)
        if data is None:
            return None
        if len(data) > LARGEST:
            raise SecretsError(f"the file of the secret {name} is larger than {LARGEST // 1024} KiB")
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise SecretsError(f"the file of the secret {name} isn't UTF-8 text") from None
        return text.removesuffix("\r\n" if text.endswith("\r\n") else "\n") or None


def _listed(entry: os.DirEntry[str], environment: str | None) -> Listed | None:
    if not is_name(entry.name) or not entry.is_file():
        return None
    return Listed(SecretName(entry.name, environment), entry.path, entry.stat().st_mtime)
