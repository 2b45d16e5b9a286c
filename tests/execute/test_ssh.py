"""SSH against OpenSSH's daemon, and against a server that takes passwords."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.execute.port import Collected, Unobservable
from reconciler.execute.ssh import Ssh as Strategy
from tests.servers.rude import MANNERS, Manner, rude
from tests.servers.runs import cancelled, collect, failure
from tests.servers.ssh import PASSPHRASE, PASSWORD, PasswordServer, Sshd


@pytest.fixture(scope="session")
def server() -> Iterator[Sshd]:
    with Sshd() as started:
        yield started


@pytest.fixture(scope="session")
def asking() -> Iterator[PasswordServer]:
    with PasswordServer() as started:
        yield started


def config(server: Sshd, **changes: Any) -> dict[str, Any]:
    base = {"host": "127.0.0.1", "port": server.port, "username": server.user, "privateKey": server.key}
    return {**base, "timeout": 5000, **changes}


def command(text: str, *, timeout: int = 5000) -> tuple[str, dict[str, Any]]:
    return "command", {"command": text, "timeout": timeout}


def run(server: Sshd, text: str, **changes: Any) -> Collected:
    (found,) = collect(Strategy, config(server), command(text, **changes))
    return found


def test_commands(server: Sshd) -> None:
    fine, wrong = collect(
        Strategy, config(server), command("echo out; echo wörse >&2"), command("printf '\\377'; exit 3")
    )
    assert (fine.error, fine.result) == (
        None,
        {
            "exitCode": 0,
            "stdout": "out",
            "stderr": "wörse",
            "executionTimeMs": fine.result["executionTimeMs"],
            "success": True,
            "timedOut": False,
        },
    )
    assert set(fine.phases or ()) == {"dns", "connect", "login", "command", "total"}
    assert (wrong.error, wrong.result["exitCode"], wrong.result["success"]) == ("Exit code: 3", 3, False)
    assert wrong.result["stdout"] == "\\xff"


def test_input_is_empty(server: Sshd) -> None:
    assert run(server, "cat; echo done").result["stdout"] == "done"


def test_flood_is_cut(server: Sshd) -> None:
    found = run(server, "head -c 3000000 /dev/zero | tr '\\0' x; echo end >&2")
    assert (found.error, len(found.result["stdout"]), found.result["stderr"]) == (None, 64 * 1024, "end")
    assert found.notes == ("stdout is cut at 64 KiB of 3000000 bytes",)


def test_signal(server: Sshd) -> None:
    found = run(server, "echo before; kill -TERM $$")
    assert found.error == "the command was ended by the signal TERM"
    assert (found.result["exitCode"], found.result["stdout"]) == (-1, "before")


def test_timeout(server: Sshd) -> None:
    marker = f"sleep 3.{server.port}"
    slow, endless, after = collect(
        Strategy,
        config(server),
        command(f"echo begun; {marker}; true", timeout=1500),
        command("yes", timeout=200),
        command("echo still here"),
    )
    assert slow.error == "the command took longer than 1500ms"
    assert (slow.timed_out, slow.result["timedOut"], slow.result["exitCode"]) == (True, True, -1)
    assert slow.result["stdout"] == "begun"
    assert endless.timed_out
    assert after.result["stdout"] == "still here"
    # sshd passes signals on to everybody but root.
    assert os.geteuid() == 0 or not _running(marker)


def test_stopped_commands_are_killed(server: Sshd, asking: PasswordServer, tmp_path: Path) -> None:
    chosen = {**config(server, port=asking.port, password=PASSWORD), "privateKey": None}
    (found,) = collect(Strategy, chosen, command(f"wait {tmp_path}/late", timeout=1500))
    assert found.timed_out
    waiting = (tmp_path / "cancelled").exists
    assert cancelled(Strategy, chosen, command(f"wait {tmp_path}/cancelled"), when=waiting) < 2
    for name in ("late", "cancelled"):
        asking.wait(lambda name=name: (tmp_path / name).read_text() == "KILL", 5)  # type: ignore[misc]


def test_cancelled_while_logging_in(server: Sshd) -> None:
    with rude("silent") as port:
        assert cancelled(Strategy, config(server, port=port)) < 2


def test_locked_key(server: Sshd) -> None:
    chosen = config(server, privateKey=server.locked_key, passphrase=PASSPHRASE)
    assert collect(Strategy, chosen, command("echo in"))[0].result["stdout"] == "in"
    for passphrase, words in (("wrong", "doesn't unlock"), (None, "there is no passphrase")):
        with pytest.raises(Unobservable, match=words):
            collect(Strategy, {**chosen, "passphrase": passphrase})
    with pytest.raises(Unobservable, match="can't be read"):
        collect(Strategy, {**chosen, "privateKey": "nonsense"})


def test_host_key(server: Sshd, tmp_path: Path) -> None:
    for known in (server.host_key, f"[127.0.0.1]:{server.port} {server.host_key}", f"# it\n{server.host_key} me\n"):
        assert collect(Strategy, config(server, hostKey=known), command("true"))[0].error is None
    for kind in ("ed25519", "rsa"):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", tmp_path / kind], check=True)
        failed = failure(Strategy, config(server, hostKey=(tmp_path / f"{kind}.pub").read_text()))
        assert "hostKey" in failed.sentence
    for text in ("nonsense", "# nothing"):
        with pytest.raises(Unobservable, match="hostKey holds no public key"):
            collect(Strategy, config(server, hostKey=text))


def test_refused_key_and_user(server: Sshd) -> None:
    for changes in ({"privateKey": server.other_key}, {"username": "nobody-at-all"}):
        failed = failure(Strategy, config(server, **changes))
        assert failed.sentence.endswith(": the server refuses the user, the password or the key")


def test_nothing_of_this_machine_is_used(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / ".ssh"
    home.mkdir(mode=0o700)
    (home / "id_ed25519").write_text(server.key)
    (home / "id_ed25519").chmod(0o600)
    (home / "config").write_text("Host *\n  ProxyCommand touch proxied\n  User root\n")
    (home / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {server.host_key[:-4]}AAAA\n")
    agent = subprocess.run(["ssh-agent", "-s"], check=True, capture_output=True, text=True).stdout
    values = dict(part.split("=", 1) for part in agent.replace(";", "\n").splitlines() if "=" in part)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", values["SSH_AUTH_SOCK"])
        monkeypatch.setenv("HOME", str(tmp_path))
        subprocess.run(["ssh-add", "-q", home / "id_ed25519"], check=True, capture_output=True)
        without = {**config(server, password="x"), "privateKey": None}
        assert "refuses" in failure(Strategy, without).sentence
        assert "refuses" in failure(Strategy, config(server, privateKey=server.other_key)).sentence
        assert collect(Strategy, config(server), command("true"))[0].error is None
    finally:
        os.kill(int(values["SSH_AGENT_PID"]), signal.SIGTERM)


def test_passwords(server: Sshd, asking: PasswordServer) -> None:
    for port in (asking.port, asking.asking_port):
        chosen = {**config(server, port=port, username="probe", password=PASSWORD), "privateKey": None}
        assert collect(Strategy, chosen, command("echo me"))[0].result["stdout"] == "echo me"
        failed = failure(Strategy, {**chosen, "password": "sesame"})
        assert failed.sentence.endswith(": the server refuses the user, the password or the key")


@pytest.mark.parametrize("manner", MANNERS)
def test_strangers(server: Sshd, manner: Manner) -> None:
    with rude(manner) as port:
        failed = failure(Strategy, config(server, port=port, timeout=500), within=3)
        assert f"127.0.0.1:{port}" in failed.sentence
        assert failed.timed_out == (manner == "silent")


def test_denied_and_refused(server: Sshd) -> None:
    assert "may not be connected to" in failure(Strategy, config(server), deny=["127.0.0.0/8"]).sentence
    with rude("closing") as port:
        pass
    assert "refused" in failure(Strategy, config(server, port=port)).sentence


def test_server_that_goes_away(server: Sshd) -> None:
    assert " was lost" in failure(Strategy, config(server), command("kill -9 $PPID; sleep 5")).sentence


def _running(words: str) -> bool:
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words.replace(" ", "\0") in process.read_text():
                return True
        except OSError:
            continue
    return False
