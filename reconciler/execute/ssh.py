"""SSH, by asyncssh: log in with a password or a key, run a command, bounded in time and output.

Nothing is read from the home directory or the environment of this machine: no configuration, no keys, no agent, no
known hosts. What a check needs stands in its config.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import asyncssh

from reconciler.base.durations import format_duration
from reconciler.execute.port import Collected, Context, Failed, Gone, Unobservable
from reconciler.execute.reach import Limit, Reached, connect, named, since, words

# It warns of what we already answer for.
logging.getLogger("asyncssh").addHandler(logging.NullHandler())

MOST_OUTPUT = 64 * 1024
"""Bytes that are kept of each stream; the rest is read and thrown away, so that a command isn't stalled by us."""

_KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_RSA = ("rsa-sha2-512", "rsa-sha2-256")
"""How servers prove who they are."""

_GOODBYE = 0.2
"""Seconds that the other side has to agree to the end of a connection."""

_LAST_WORD = 2.0
"""The same where it was asked to end a command: hanging up would overtake that on its way."""


class Ssh:
    """The strategy ssh."""

    async def open(self, config: Mapping[str, Any], context: Context) -> SshConnection:
        """Connect to the first address that lets us, make sure who answers, and log in."""
        host, port, limit = config["host"], config["port"], Limit(config["timeout"])
        where, began = named(host, port), time.perf_counter()
        known, keys = _known(config.get("hostKey")), await _keys(config)
        async with limit.during(f"resolving the name {host}"):
            resolved = await context.guard.resolve(host, port)
        async with limit.during(f"connecting to {where}"):
            reached = await connect(resolved.addresses, host, port, limit=limit)
        logging_in = time.perf_counter()
        try:
            async with limit.during(f"logging in to {where}"):
                connection = await _logged_in(reached, config, known, keys)
        except BaseException as error:
            reached.sock.close()
            if isinstance(error, (asyncssh.Error, OSError)):
                raise Failed(f"can't log in to {where}: {_words(error)}") from None
            raise
        phases = {"dns": round(resolved.took_ms, 3), "connect": reached.took_ms, "login": since(logging_in)}
        return SshConnection(connection, where, phases, began)

    def repeatable(self, config: Mapping[str, Any], collectors: tuple[tuple[str, Mapping[str, Any]], ...]) -> bool:
        """Nobody knows what a command does."""
        return False

    async def aclose(self) -> None:
        """Nothing is shared."""


class SshConnection:
    """A connection that is logged in. Each command gets a channel of its own."""

    def __init__(
        self, connection: asyncssh.SSHClientConnection, where: str, phases: dict[str, float], began: float
    ) -> None:
        self._connection = connection
        self._where = where
        self._phases = phases
        self._began = began
        self._stopped = False

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        """Run the command to its end. An exit code that isn't 0 is an error, and a result too."""
        began = time.perf_counter()
        limit = config["timeout"]
        outputs, process, timed_out = (_Output("stdout"), _Output("stderr")), None, False
        try:
            async with asyncio.timeout(limit / 1000):
                process = await self._connection.create_process(
                    config["command"], stdin=asyncssh.DEVNULL, encoding=None, term_type=None
                )
                await asyncio.gather(outputs[0].read(process.stdout), outputs[1].read(process.stderr))
                await process.wait_closed()
        except TimeoutError:
            timed_out = True
        except asyncssh.ConnectionLost:
            raise Gone(f"the connection to {self._where} was lost while the command ran") from None
        except (asyncssh.Error, OSError) as error:
            raise Failed(f"{self._where} doesn't run the command: {_words(error)}") from None
        finally:
            if process is not None and process.exit_status is None:
                self._stopped = True
                _end(process)
        ended = f"the command took longer than {format_duration(round(limit))}" if timed_out else _ending(process)
        return self._collected(process, outputs, ended, began, timed_out=timed_out)

    async def close(self) -> None:
        """In order where the other side agrees soon, else at once."""
        self._connection.close()
        with suppress(TimeoutError):
            try:
                async with asyncio.timeout(_LAST_WORD if self._stopped else _GOODBYE):
                    await self._connection.wait_closed()
            finally:
                self._connection.abort()
        await asyncio.sleep(0)

    def _collected(
        self,
        process: asyncssh.SSHClientProcess[bytes] | None,
        outputs: tuple[_Output, _Output],
        error: str | None,
        began: float,
        *,
        timed_out: bool,
    ) -> Collected:
        code = process.exit_status if process is not None and not timed_out else None
        took = since(began)
        result = {
            "exitCode": -1 if code is None else code,
            "stdout": outputs[0].text,
            "stderr": outputs[1].text,
            "executionTimeMs": took,
            "success": error is None,
            "timedOut": timed_out,
        }
        notes = tuple(output.note for output in outputs if output.note is not None)
        phases = {**self._phases, "command": took, "total": since(self._began)}
        return Collected(result, error, phases, notes=notes, timed_out=timed_out)


class _Output:
    """One stream of a command: its beginning."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._kept = bytearray()
        self._size = 0

    async def read(self, stream: asyncssh.SSHReader[bytes]) -> None:
        """To the end."""
        while chunk := await stream.read(MOST_OUTPUT):
            self._size += len(chunk)
            self._kept += chunk[: MOST_OUTPUT - len(self._kept)]

    @property
    def text(self) -> str:
        """Without the white space around it, as that of scripts."""
        return self._kept.decode("utf-8", "backslashreplace").strip()

    @property
    def note(self) -> str | None:
        """What is left out."""
        if self._size <= MOST_OUTPUT:
            return None
        return f"{self._name} is cut at {MOST_OUTPUT // 1024} KiB of {self._size} bytes"


async def _logged_in(
    reached: Reached, config: Mapping[str, Any], known: list[asyncssh.SSHKey], keys: list[asyncssh.SSHKey]
) -> asyncssh.SSHClientConnection:
    password = config.get("password")
    return await asyncssh.connect(
        config["host"].strip("[]"),
        config["port"],
        sock=reached.sock,
        config=None,
        # An empty list of keys would trust nobody; this is how any key is accepted.
        known_hosts=(known, [], []) if known else None,
        server_host_key_algs=_algorithms(known) if known else (),
        username=config["username"],
        password=password,
        client_keys=keys,
        public_key_auth=bool(keys),
        password_auth=password is not None,
        kbdint_auth=password is not None,
        host_based_auth=False,
        gss_auth=False,
        gss_kex=False,
        gss_host=None,
        agent_path=None,
        agent_forwarding=False,
        x509_trusted_certs=None,
        x509_trusted_cert_paths=[],
        # The limits are ours.
        login_timeout=0,
        connect_timeout=None,
    )


def _known(text: str | None) -> list[asyncssh.SSHKey]:
    """Host keys to accept, none for any. Raises :class:`Unobservable` for what holds no key."""
    if text is None:
        return []
    keys = []
    for line in text.splitlines():
        parts = line.split()
        if not parts or parts[0].startswith("#"):
            continue
        # As in known_hosts, the host may stand before the key.
        for start in (0, 1):
            with suppress(asyncssh.KeyImportError):
                keys.append(asyncssh.import_public_key(" ".join(parts[start : start + 2])))
                break
        else:
            raise Unobservable("hostKey holds no public key that can be read; write it as in known_hosts")
    if not keys:
        raise Unobservable("hostKey holds no public key; write it as in known_hosts")
    return keys


def _algorithms(known: list[asyncssh.SSHKey]) -> list[str]:
    """The kinds of the known keys first, so that a server with several shows that one; then all others, so that one
    without it shows another, and is refused for that."""
    kinds = [key.get_algorithm() for key in known]
    wanted = [name for kind in kinds for name in ((*_RSA, kind) if kind == "ssh-rsa" else (kind,))]
    return list(dict.fromkeys((*wanted, *_KINDS, *_RSA)))


async def _keys(config: Mapping[str, Any]) -> list[asyncssh.SSHKey]:
    """The private key. Unlocking one is slow by design, so that it has to happen in a thread."""
    text = config.get("privateKey")
    if text is None:
        return []
    try:
        return [await asyncio.to_thread(asyncssh.import_private_key, text, config.get("passphrase"))]
    except asyncssh.KeyEncryptionError:
        raise Unobservable("the passphrase doesn't unlock privateKey") from None
    except (asyncssh.KeyImportError, ValueError) as error:
        if "passphrase" in str(error).lower():
            raise Unobservable("privateKey is locked, and there is no passphrase") from None
        raise Unobservable("privateKey can't be read: it has to be in OpenSSH or PEM form") from None


def _end(process: asyncssh.SSHClientProcess[bytes]) -> None:
    """Else a command that was stopped half way would go on over there."""
    with suppress(OSError):
        process.kill()
    process.close()


def _ending(process: asyncssh.SSHClientProcess[bytes] | None) -> str | None:
    if process is None or process.exit_status is None:
        return "the command ended without an exit code"
    if process.exit_signal is not None:
        return f"the command was ended by the signal {process.exit_signal[0]}"
    return f"Exit code: {process.exit_status}" if process.exit_status else None


def _words(error: Exception) -> str:
    match error:
        case asyncssh.PermissionDenied():
            return "the server refuses the user, the password or the key"
        case asyncssh.HostKeyNotVerifiable():
            return "the server's key is another than hostKey"
        case asyncssh.ConnectionLost():
            return "the server closed the connection"
        case asyncssh.DisconnectError():
            return " ".join(error.reason.split()).rstrip(".") or type(error).__name__
        case OSError() if error.errno is not None:
            return words(error)
        case _:
            return " ".join(str(error).split()).rstrip(".") or type(error).__name__
