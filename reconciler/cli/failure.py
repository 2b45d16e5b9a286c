"""The one place that turns whatever went wrong into words on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress

import click

from reconciler.base.errors import GitopsError, InvalidDocuments
from reconciler.cli.frame import current_output
from reconciler.report.output import Output, silence
from reconciler.report.style import safe

INTERRUPTED = 130


def told(error: BaseException) -> int:
    """Say what happened, and return the exit code."""
    output = current_output()
    match error:
        case SystemExit(code=code):
            return code if isinstance(code, int) else 0
        case click.Abort() if isinstance(error.__cause__, EOFError):
            return _unexpected(error.__cause__, output)
        case click.Abort() | KeyboardInterrupt():
            _say(output, "interrupted")
            return INTERRUPTED
        case click.UsageError():
            return _usage(error, output)
        case click.ClickException():
            _say(output, error.format_message())
            return error.exit_code
        case GitopsError():
            return _expected(error, output)
        case OSError(errno=errno.EPIPE):
            silence(sys.stdout)
            return 1
        case OSError() if error.strerror:
            where = f"{error.filename}: " if error.filename else ""
            _say(output, f"{where}{error.strerror}", "set GITOPS_DEBUG=1 to see where this happened")
            return _debugged(error, output)
        case UnicodeEncodeError() | TypeError() if "surrogates not allowed" in str(error) and _said_in_other_bytes():
            _say(output, "a name in the arguments, the GITOPS_ variables or the folder isn't UTF-8", "rename it")
            return 2
        case MemoryError():
            _say(output, "there isn't enough memory; nothing was changed", "narrow the source, or use a larger machine")
            return 1
        case _:
            return _unexpected(error, output)


def _say(output: Output, message: str, hint: str | None = None) -> None:
    style = output.error_style
    first, *more = [safe(line) for line in message.splitlines()] or [""]
    lines = [f"{style('error:', 'red', 'bold')} {first}", *more]
    if hint:
        lines.append(f"{style('hint:', 'bold')} {safe(hint)}")
    output.errors(lines)


def _usage(error: click.UsageError, output: Output) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        output.errors([error.format_message()])
        return error.exit_code
    message = error.format_message().rstrip(".")
    path = error.ctx.command_path if error.ctx is not None else "gitops"
    _say(output, message[:1].lower() + message[1:], f"{path} --help")
    return error.exit_code


def _said_in_other_bytes() -> bool:
    """Whether what the caller said holds bytes that aren't UTF-8, which Python hands on as half characters."""
    said = [*sys.argv, *(value for name, value in os.environ.items() if name.startswith("GITOPS_"))]
    with suppress(OSError):
        said.append(os.getcwd())
    return any("\udc80" <= char <= "\udcff" for text in said for char in text)


def _expected(error: GitopsError, output: Output) -> int:
    if output.json:
        from reconciler.report.diagnostics_json import error_json

        output.data(error_json(error))
    if isinstance(error, InvalidDocuments):
        from reconciler.report.diagnostics_text import diagnostics_text

        output.errors([*diagnostics_text(error.diagnostics, output.error_style), ""])
    _say(output, error.message, error.hint)
    return error.exit_code


def _debugged(error: BaseException, output: Output) -> int:
    if os.environ.get("GITOPS_DEBUG", "") not in ("", "0"):
        import traceback

        output.errors(["".join(traceback.format_exception(error)).rstrip()])
    return 1


def _unexpected(error: BaseException, output: Output) -> int:
    """One sentence, and the facts in a file: a traceback helps the makers, not who stands before it."""
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(error))
    if os.environ.get("GITOPS_DEBUG", "") not in ("", "0"):
        output.errors([text.rstrip()])
        return 1
    summary = " ".join(str(error).split())[:200]
    what = f"{type(error).__name__}: {summary}" if summary else type(error).__name__
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="backslashreplace", prefix="gitops-", suffix=".txt", delete=False
        ) as file:
            file.write(_report(text))
        where = f"a report is in {file.name}; send it with what you did"
    except OSError:
        where = "set GITOPS_DEBUG=1 to see where"
    _say(output, f"this is a fault of gitops itself, not yours ({what})", where)
    return 1


def _report(traceback: str) -> str:
    """What the makers need. Arguments are left out: they may hold what is nobody's business."""
    import platform

    from reconciler._version import __version__

    command = sys.argv[1] if len(sys.argv) > 1 else ""
    return f"gitops {__version__}, Python {platform.python_version()}, {platform.platform()}\n{command}\n\n{traceback}"
