"""A commit as a source: straight from git's objects, without a checkout.

Through GitPython's command layer, the fastest of its ways: one process lists, one reads. GitPython is imported inside,
since a plan without changes never comes here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import SourceError
from reconciler.source.gitcli import OPTIONS, environment, failure, run
from reconciler.source.head import Head, resolve
from reconciler.source.tree import BAD_PATH, SYMLINK, Wanted, decode_path, everything, file_fault

_LINK = b"120000"
_WHY = {
    "symlink": "leads out of the repository",
    "loop": "leads in a circle",
    "dangling": "leads to a file that isn't in the repository",
    "missing": "leads to a file that isn't in the repository",
    "notdir": "leads to a file that isn't in the repository",
    "tree": "leads to a folder",
    "commit": "leads to a submodule",
}


class GitTree:
    """The files of ``folder`` at ``rev``; see :class:`~reconciler.source.tree.Tree`.

    ``wanted`` chooses paths before anything is read. Links are followed inside the repository, submodules passed over.
    Raises :class:`SourceError` when there is no such repository, commit or folder.
    """

    def __init__(
        self,
        folder: Path | str,
        rev: str = "HEAD",
        *,
        wanted: Wanted = everything,
        name: str | None = None,
        head: Head | None = None,
    ) -> None:
        self._folder = Path(folder).resolve()
        self.head = head if head is not None else resolve(self._folder, rev)
        self.name = name if name is not None else self._folder.name.removesuffix(".git")
        self.commit: str | None = self.head.commit
        self.tree = self.head.tree
        self.faults: list[Diagnostic] = []
        self._wanted = wanted
        self._git = _command_layer(self._folder)
        self._entries: list[tuple[str, str]] | None = None

    def entries(self) -> list[tuple[str, str]]:
        """(path, blob id) of every wanted file, sorted by path. Raises :class:`SourceError`."""
        if self._entries is None:
            self._entries = sorted(self._list())
        return self._entries

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(path, content) in the order asked for, streamed from one process. Raises :class:`SourceError`."""
        blobs = dict(self.entries())
        asked = [(path, blobs[path]) for path in paths]
        if not asked:
            return
        with tempfile.TemporaryFile() as names:
            names.write("".join(f"{blob}\n" for _, blob in asked).encode())
            names.seek(0)
            process = self._git.cat_file("--batch", "--buffer", as_process=True, istream=names)
            try:
                for path, blob in asked:
                    yield path, self._content(process.stdout, path, blob)
            finally:
                process.stdout.close()
                process.stderr.close()
                process.proc.terminate()
                process.proc.wait()

    def _content(self, out: IO[bytes], path: str, blob: str) -> bytes:
        header = out.readline().split()
        if len(header) != 3:
            raise SourceError(
                f"git has no content for {path} (object {blob})",
                hint="this is a partial clone; fetch the missing objects: git fetch --refetch --no-filter"
                if header[-1:] == [b"missing"]
                else "git fsck says what is broken",
            )
        size = int(header[2])
        content = out.read(size + 1)[:size]
        if len(content) != size:
            raise SourceError(f"git stopped while it was reading {path}", hint="git fsck says what is broken")
        return content

    def _list(self) -> Iterator[tuple[str, str]]:
        from git.exc import GitCommandError

        try:
            listing: bytes = self._git.ls_tree(
                "-r", "-z", "--full-tree", self.tree, stdout_as_string=False, strip_newline_in_stdout=False
            )
        except GitCommandError as error:
            raise failure(self._folder, str(error.stderr)) from error
        links = []
        for row in listing.split(b"\0")[:-1]:
            facts, _, raw = row.partition(b"\t")
            mode, kind, blob = facts.split(b" ")
            if kind != b"blob":
                continue
            path, valid = decode_path(raw)
            if not self._wanted(path):
                continue
            if not valid or (mode == _LINK and "\n" in path):
                self.faults.append(file_fault(BAD_PATH, path, "the file's name isn't valid UTF-8", "rename the file"))
            elif mode == _LINK:
                links.append(path)
            else:
                yield path, blob.decode()
        yield from self._follow(links)

    def _follow(self, links: list[str]) -> Iterator[tuple[str, str]]:
        if not links:
            return
        prefix = f"{self.head.commit}:{self.head.root}/" if self.head.root else f"{self.head.commit}:"
        asked = "".join(f"{prefix}{path}\n" for path in links).encode()
        rest = run(self._folder, "cat-file", "--batch-check", "--follow-symlinks", stdin=asked)
        for path in links:
            header, _, rest = rest.partition(b"\n")
            words = header.decode("utf-8", "replace").split(" ")
            verdict = words[1] if len(words) == 3 and words[1] in ("blob", "tree", "commit") else words[0]
            if words[-1] == "missing":
                verdict = "missing"
            elif verdict in ("symlink", "dangling", "loop", "notdir"):
                rest = rest[int(words[-1]) + 1 :]
            if verdict == "blob":
                yield path, words[0]
            else:
                message = f"the link {_WHY.get(verdict, 'leads nowhere')}"
                self.faults.append(file_fault(SYMLINK, path, message, "commit the file itself instead of a link"))


def _command_layer(folder: Path) -> Any:
    """GitPython's ``git``, bound to the repository of ``folder`` whatever a hook's variables say."""
    try:
        from git import Git
    except ImportError as error:
        raise SourceError(
            "GitPython finds no git to run", hint="install git, or mend GIT_PYTHON_GIT_EXECUTABLE"
        ) from error
    where = run(folder, "rev-parse", "--absolute-git-dir", "--git-common-dir").decode("utf-8", "surrogateescape")
    git_dir, _, common = where.rstrip("\n").partition("\n")
    common_dir = folder / common
    git = Git(str(folder))
    # It adds to the variables of this process and can't take any away, so each that a hook sets gets its true value.
    variables = environment() | {"GIT_DIR": git_dir, "GIT_COMMON_DIR": str(common_dir)}
    variables.setdefault("GIT_OBJECT_DIRECTORY", str(common_dir / "objects"))
    variables.setdefault("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")
    git.update_environment(**variables)
    git.set_persistent_git_options(c=list(OPTIONS))
    return git
