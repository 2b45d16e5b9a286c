"""Facts of this host that the command line needs, looked up once."""

from __future__ import annotations

import os
import stat
import sys
from functools import cache
from pathlib import Path

from reconciler.sandbox.bubblewrap import Host
from reconciler.sandbox.capabilities import Platform

_MERGED = ("/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32")
_MASKS = ("/proc/keys", "/proc/timer_list", "/proc/kcore", "/proc/kmsg", "/proc/kallsyms")
_TOOLS = ("bwrap", "setpriv", "prlimit", "nft", "nsenter", "ip", "slirp4netns", "pasta", "unshare", "newuidmap")
_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@cache
def this_host() -> Host:
    """Links and folders of /, and the masks that apply."""
    links = tuple((p, os.readlink(p).lstrip("/")) for p in _MERGED if os.path.islink(p))
    folders = tuple(p for p in _MERGED if os.path.isdir(p) and not os.path.islink(p))
    # The others are root's, and no process of a sandbox is root outside of it: a mount for each would only cost time.
    masks = tuple(p for p in _MASKS if os.path.exists(p) and os.stat(p).st_mode & stat.S_IROTH)
    top = tuple((f"/{e.name}", os.readlink(e.path) if e.is_symlink() else None) for e in sorted_entries("/"))
    return Host(links, folders, masks, top)


@cache
def tools() -> dict[str, str]:
    """Name -> absolute path of the helpers that are there. Looked for in system folders only: the caller's PATH could
    name somebody else's."""
    found = {}
    for name in _TOOLS:
        for folder in _FOLDERS:
            path = f"{folder}/{name}"
            if os.access(path, os.X_OK) and os.path.isfile(path):
                found[name] = os.path.realpath(path) if name == "bwrap" else path
                break
    return found


def platform() -> Platform:
    """Where we are."""
    return "linux" if sys.platform == "linux" else "darwin" if sys.platform == "darwin" else "other"


def sorted_entries(folder: str) -> list[os.DirEntry[str]]:
    """Of a folder, by name."""
    with os.scandir(Path(folder)) as entries:
        return sorted(entries, key=lambda e: e.name)
