"""Runs script.py beside it and reports what it returned. Staged into a sandbox; nothing on the host imports this.

Every check pays for every import here, each time: only modules built into the interpreter are used until something
goes wrong. The header (JSON: token, context, packages) comes on standard input, which is empty afterwards.
"""

import posix
import sys

TYPE_CHECKING = False  # typing itself takes longer than the whole of this
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

NAME = "script.py"
TEXT = b""


def main() -> None:
    keep = posix.dup(2)  # a script may close its standard error
    header = parse(read(0).decode())
    try:  # noqa: SIM105
        posix.ftruncate(0, 0)  # where the header came in a file, others hold that file too: PID 1, for one
    except OSError:
        pass
    nothing = posix.open("/dev/null", posix.O_RDONLY)
    posix.dup2(nothing, 0)
    posix.close(nothing)
    try:
        value = run(header["context"], header["packages"])
        frame, code = '{"ok":true,"result":' + dump(value) + "}", 0
    except BaseException as error:
        frame, code = failed(error)
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105
            stream.flush()
        except BaseException:
            pass
    start, end = ("##__CS_SCRIPT_RESULT_" + header["token"] + mark for mark in ("_START__##", "_END__##"))
    data = (start + frame + end).encode()
    try:
        write(keep, data)
    except OSError:
        write(2, data)
    posix._exit(code)


def run(context: "Any", packages: "list[str]") -> "Any":
    base = posix.getcwd()
    sys.path.append(base)
    sys.path += [path for path in packages if exists(path)][:1]
    sys.argv[:] = [base + "/" + NAME]
    import builtins

    vars(builtins).update(exit=sys.exit, quit=sys.exit)
    sys.modules["__main__"] = type(sys)("__main__")
    space = vars(sys.modules["__main__"])
    space.update(__builtins__=builtins, __file__=sys.argv[0], context=context)
    handle = posix.open(NAME, posix.O_RDONLY)
    global TEXT
    TEXT = read(handle)
    posix.close(handle)
    try:
        code, body = compiled(TEXT)
        exec(code, space)
        if body:
            value = space.pop(body)()
        else:
            check = space.get("check")
            value = called(check, context) if callable(check) else None
        if hasattr(type(value), "__await__"):
            value = awaited(value)
    except SystemExit as leaving:
        if leaving.code is not None and leaving.code != 0:
            raise
        value = None
    helper = sys.modules.get("reconciler.healthcheck")
    return vars(helper)["latest"] if value is None and helper else value


def compiled(text: bytes) -> "tuple[CodeType, str | None]":
    """(code, name of the function that is the script, or None): a return outside of functions makes it a body."""
    try:
        return compile(text, NAME, "exec", dont_inherit=True), None
    except SyntaxError as error:
        if "outside" not in str(error.msg):
            raise
        first = error
    tree: Any = compile(text, NAME, "exec", 0x400, dont_inherit=True)
    for kind in ("def", "async def"):
        whole: Any = compile(kind + " __script__(): pass", NAME, "exec", 0x400, dont_inherit=True)
        futures = [n for n in tree.body if getattr(n, "module", None) == "__future__"]
        whole.body[0].body = [n for n in tree.body if n not in futures]
        whole.body[:0] = futures
        try:
            return compile(whole, NAME, "exec", dont_inherit=True), "__script__"
        except SyntaxError:
            pass
    raise first


def called(check: "Any", context: "Any") -> "Any":
    code = getattr(check, "__code__", None)
    return check() if code and not code.co_argcount and not code.co_flags & 4 else check(context)


def awaited(value: "Any") -> "Any":
    import asyncio

    async def whole() -> "Any":
        return await value

    return asyncio.run(whole())


def failed(error: BaseException) -> "tuple[str, int]":
    kind, text = type(error).__name__, ""
    try:
        text = str(error)
        stack = stack_of(error)
    except BaseException:
        stack = ""
    said = kind + ": " + text if text else kind
    if isinstance(error, SystemExit):
        said = text if isinstance(error.code, str) else "Script exited with code " + text
    return '{"ok":false,"error":' + dump(said) + ',"stack":' + dump(stack) + "}", 1


def stack_of(error: BaseException) -> str:
    """As Python prints it, from the script's own first frame on.

    The module for that takes as long to import as all else together, and checks fail when there is most to do: what is
    simple is written here.
    """
    trace: Any = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename != NAME:
        trace = trace.tb_next
    source = TEXT.decode("utf-8", "replace").splitlines()
    frames: list[str] = []
    at = trace
    while at and len(frames) <= 20:
        code, line = at.tb_frame.f_code, at.tb_lineno
        frames.append('  File "' + code.co_filename + '", line ' + str(line) + ", in " + code.co_name + "\n")
        if code.co_filename == NAME and line and line <= len(source):
            frames.append("    " + source[line - 1].strip() + "\n")
        at = at.tb_next
    chained = error.__cause__ or error.__context__ or getattr(error, "__notes__", None)
    if at or chained or isinstance(error, SyntaxError) or hasattr(error, "exceptions"):
        import linecache
        import traceback

        linecache.cache[NAME] = (1, None, [line + "\n" for line in source], NAME)
        return "".join(traceback.format_exception(type(error), error, trace))
    text = str(error)
    last = type(error).__name__ + (": " + text if text else "") + "\n"
    return "".join(("Traceback (most recent call last):\n", *frames, last) if trace else (last,))


def parse(text: str) -> "Any":
    class Reading:
        strict, object_hook, object_pairs_hook = True, None, None
        parse_float, parse_int, parse_constant = float, int, float

    try:
        import _json

        scan: Any = _json.make_scanner
        return scan(Reading)(text, 0)[0]
    except Exception:
        import json

        return json.loads(text)


def dump(value: "Any") -> str:
    try:
        import _json

        ascii_only = _json.encode_basestring_ascii
        encoder = _json.make_encoder({}, plain, ascii_only, None, ":", ",", False, False, True)
    except Exception:
        import json

        return json.dumps(value, default=plain)
    return "".join(encoder(value, 0))


def plain(value: "Any") -> "Any":
    """What JSON has no form for: truth values and numbers of other libraries as such, all else as text."""
    kind = type(value)
    if kind.__name__ in ("bool", "bool_"):
        return bool(value)
    if hasattr(kind, "__float__"):
        return float(value)
    return str(value)


def exists(path: str) -> bool:
    try:
        posix.stat(path)
        return True
    except OSError:
        return False


def read(handle: int) -> bytes:
    parts = []
    while part := posix.read(handle, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def write(handle: int, data: bytes) -> None:
    posix.set_blocking(handle, True)
    while data:
        data = data[posix.write(handle, data) :]


main()
