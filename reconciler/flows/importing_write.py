"""New files, all of them or none."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from reconciler.base.errors import GitopsError, UsageError


def write_new(folder: Path, files: Mapping[str, str], *, force: bool = False) -> list[str]:
    """Write ``files`` below ``folder`` and return the paths that changed; those that say the same already don't.

    Raises ``UsageError`` when one is there and ``force`` isn't given, ``GitopsError`` when the disk says no; nothing is
    changed then.
    """
    targets = {folder / path: text.encode() for path, text in files.items()}
    differing = {target: data for target, data in targets.items() if not _same(target, data)}
    there = [target for target in differing if os.path.lexists(target)]
    if there and not force:
        shown = ", ".join(map(str, there[:3])) + (f" and {len(there) - 3} more" if len(there) > 3 else "")
        raise UsageError(
            f"{shown} {'is' if len(there) == 1 else 'are'} there already; nothing was written",
            hint="name another folder with --out, or pass --force to overwrite",
        )
    folders = [target for target in there if target.is_dir()]
    if folders:
        raise UsageError(f"{folders[0]} is a folder; nothing was written", hint="name another folder with --out")
    _write(differing, force=force)
    return [str(target) for target in differing]


def _same(target: Path, data: bytes) -> bool:
    with suppress(OSError):
        return target.read_bytes() == data
    return False


def _write(targets: Mapping[Path, bytes], *, force: bool) -> None:
    asides = {target: target.with_name(f".{target.name}.{os.getpid()}.new") for target in targets}
    kept = {target: target.with_name(f".{target.name}.{os.getpid()}.old") for target in targets}
    made: list[Path] = []
    done: list[Path] = []
    try:
        for target, data in targets.items():
            made += _folders(target.parent)
            with asides[target].open("xb") as file:
                file.write(data)
                file.flush()
                if target.is_file():
                    os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
                os.fsync(file.fileno())
        for target in targets:
            if force and os.path.lexists(target):
                os.rename(target, kept[target])
            done.append(target)
            # Fails where somebody has made the file in the meantime, which a rename would overwrite.
            os.link(asides[target], target)
    except OSError as error:
        for target in reversed(done):
            with suppress(OSError):
                if os.path.lexists(kept[target]):
                    os.replace(kept[target], target)
                elif os.path.samefile(asides[target], target):
                    target.unlink()
        for place in reversed(made):
            _clean(asides.values())
            with suppress(OSError):
                place.rmdir()
        where = error.filename2 or error.filename or ""
        raise GitopsError(f"{where} can't be written: {error.strerror}; nothing was changed") from error
    finally:
        _clean(asides.values())
    _clean(kept.values())


def _clean(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


def _folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; returns the new ones, outermost first."""
    missing: list[Path] = []
    while not folder.exists():
        missing.insert(0, folder)
        folder = folder.parent
    for place in missing:
        place.mkdir()
    return missing
