"""A process that sends messages through Apprise, and can do nothing else.

Whoever knows a hundred services opens connections, files and programs in a hundred ways. So all of it happens here,
without a secret but those of its messages, and under an audit hook: connections only to addresses that checks may
connect to as well, no local sockets, no programs, and of files only what Python and TLS are made of. What is loaded
before the hook is Apprise itself. Lines of JSON come in by standard input, and go out by standard output.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

_PROGRAMS = (
    "subprocess.",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.system",
    "pty.",
    "ctypes.dlopen",
    "sqlite3.",
)
_CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.")
_SENDING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_FILES = (
    *("/etc/ssl/certs/", "/etc/pki/", "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf"),
    *("/etc/gai.conf", "/etc/localtime", "/etc/mime.types", "/etc/services", "/usr/share/zoneinfo/", "/usr/lib/ssl/"),
    *("/usr/share/ca-certificates/", "/dev/null", "/dev/urandom", "/proc/sys/net/"),
)
_CODE = (".py", ".pyc", ".so", ".pem", ".json", ".txt", ".zip", ".pth", "METADATA", "RECORD", "PKG-INFO", ".idn")
_SAID = 20_000
LOCAL = frozenset({"dbus", "glib", "gio", "gnome", "kde", "qt", "macosx", "windows", "syslog", "file"})
"""What would show on the desktop, or write into the log, of the worker's host."""


def main() -> int:
    """The first line says which networks are denied; each line after it is a message to send, until there is none."""
    from apprise import Apprise, AppriseAsset

    asset = AppriseAsset(app_id="gitops", app_desc="gitops", app_url="", storage_mode="memory", async_mode=False)
    Apprise(asset=asset).add("json://127.0.0.1")  # loads every service
    guarded(json.loads(sys.stdin.readline())["denied"])
    for line in sys.stdin:
        request = json.loads(line)
        answers = [_sent(asset, str(url), request) for url in request["urls"]]
        print(json.dumps(answers), flush=True)  # noqa: T201 (its standard output is the way back)
    return 0


def _sent(asset: Any, url: str, request: dict[str, Any]) -> dict[str, Any]:
    from apprise import Apprise, LogCapture, NotifyType
    from apprise.logger import logger

    kind = {"info": NotifyType.INFO, "warning": NotifyType.WARNING, "critical": NotifyType.FAILURE}
    scheme, sender = url.partition(":")[0].lower(), Apprise(asset=asset)
    with LogCapture(level=30, fmt="%(message)s") as lines:  # type: ignore[no-untyped-call]
        known = scheme not in LOCAL and sender.add(url)
        try:
            sent = known and sender.notify(
                title=request["title"], body=request["body"], notify_type=kind[request["importance"]]
            )
        except Exception as error:  # a service's own trouble with what it was told
            sent = False
            logger.warning("%s: %s", type(error).__name__, error)
        said = lines.getvalue()
    return {"scheme": scheme, "known": bool(known), "sent": bool(sent), "said": said[:_SAID]}


def guarded(denied: list[str]) -> None:
    """From here on nothing else can be done in this process; there is no way back."""
    from reconciler.execute.egress import Guard
    from reconciler.execute.port import Failed

    guard = Guard(denied)
    roots = tuple(f"{os.path.realpath(each)}/" for each in {sys.prefix, sys.base_prefix, *sys.path} if each)

    def connecting(address: Any) -> None:
        if not isinstance(address, tuple) or not address or not isinstance(address[0], str):
            raise PermissionError("local sockets may not be connected to")
        try:
            guard.check(address[0].partition("%")[0])
        except Failed as failed:
            raise PermissionError(failed.sentence) from None

    def opening(path: Any, mode: Any, flags: Any) -> None:
        if isinstance(path, int):
            return
        writes = any(c in mode for c in "wax+") if isinstance(mode, str) else bool(flags & (os.O_WRONLY | os.O_RDWR))
        real = os.path.realpath(os.fsdecode(path))
        readable = real.startswith(_FILES) or (real.startswith(roots) and real.endswith(_CODE))
        if (writes and real != "/dev/null") or not readable:
            raise PermissionError(f"the file {real} may not be opened")

    sys.addaudithook(_hook(connecting, opening))


def _hook(connecting: Callable[[Any], None], opening: Callable[[Any, Any, Any], None]) -> Callable[[str, Any], None]:
    def hook(event: str, args: Any) -> None:
        if event in _SENDING and args[1] is not None:  # none: where it is connected to was looked at
            connecting(args[1])
        elif event == "open":
            opening(*args)
        elif event.startswith(_PROGRAMS) or event.startswith(_CHANGES):
            raise PermissionError(f"{event} isn't allowed where messages are sent")

    return hook


if __name__ == "__main__":
    sys.exit(main())
