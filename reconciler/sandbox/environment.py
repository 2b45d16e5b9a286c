"""The environment of a script: built up from nothing, so that nothing of the supervisor's can be in it.

What the caller adds is filtered: names by which a loader, an interpreter or a shell can be made to run other code
before the script does. The whole environment is given to the sandbox's first process; it can read all of it in /proc.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAMES = (
    "PATH GLIBC_TUNABLES GCONV_PATH LOCPATH NLSPATH MALLOC_TRACE MALLOC_CHECK_ HOSTALIASES LOCALDOMAIN "
    "RES_OPTIONS RESOLV_HOST_CONF NODE_OPTIONS NODE_PATH NODE_REPL_EXTERNAL_MODULE NODE_EXTRA_CA_CERTS "
    "BUN_INSTALL PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONINSPECT PYTHONUSERBASE PYTHONEXECUTABLE "
    "PYTHONPLATLIBDIR PYTHONBREAKPOINT PYTHONWARNINGS PYTHONCASEOK PYTHONPYCACHEPREFIX PERL5OPT PERL5LIB "
    "PERL5DB PERLLIB RUBYOPT RUBYLIB BASH_ENV ENV SHELLOPTS BASHOPTS PS4 PROMPT_COMMAND IFS CDPATH "
    "GLOBIGNORE JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS OPENSSL_CONF OPENSSL_MODULES "
    "OPENSSL_ENGINES SSLKEYLOGFILE TMPDIR HOME "
)
DENIED = frozenset(_NAMES.split())
"""Names a caller can't set. ``PATH``, ``HOME`` and ``TMPDIR`` are ours; others run code or redirect lookups."""
DENIED_PREFIXES = ("BUN_CONFIG_", "BASH_FUNC_", "LD_", "DYLD_")


class Environment(NamedTuple):
    """``dropped``: names of the caller's that were left out, sorted."""

    variables: dict[str, str]
    dropped: tuple[str, ...]


def construct(caller: Mapping[str, str], *, scratch: str = "/scratch", filtered: bool = True) -> Environment:
    """The fixed part, then what of ``caller`` may pass. ``filtered=False`` (sandbox off) passes all that a process can
    be given at all."""
    variables = {"PATH": PATH, "HOME": scratch, "TMPDIR": "/tmp", "LANG": "C.UTF-8", "TZ": "UTC"}
    dropped = []
    for name, value in caller.items():
        if _impossible(name, value) or (filtered and is_denied(name)):
            dropped.append(name)
        else:
            variables[name] = value
    return Environment(variables, tuple(sorted(dropped)))


def is_denied(name: str) -> bool:
    """Whether a caller's variable of that name is left out."""
    return name in DENIED or name.startswith(DENIED_PREFIXES)


def _impossible(name: str, value: str) -> bool:
    return not name or "=" in name or "\0" in name or "\0" in value
