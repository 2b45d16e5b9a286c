"""The sandbox's one policy, kept in the store's settings. Nothing a repository says gets here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from reconciler.base.canonical import dumps, loads
from reconciler.base.errors import GitopsError
from reconciler.sandbox.policy import SETTING, SandboxPolicy, faults, merge, shipped_default
from reconciler.store.port import Reader, Writer

if TYPE_CHECKING:
    from pydantic import ValidationError

    from reconciler.sandbox.runners.outcome import ShellResult


def stored_policy(store: Reader) -> SandboxPolicy:
    """What holds for scripts: the stored policy, else the shipped default. Raises when what is stored can't be read."""
    return policy_of(store.setting(SETTING))


def policy_of(text: str | None) -> SandboxPolicy:
    """The policy that a stored setting means; None is the shipped default. Raises ``GitopsError``."""
    from pydantic import ValidationError

    if text is None:
        return shipped_default()
    try:
        return SandboxPolicy.model_validate(loads(text))
    except ValidationError as error:
        raise GitopsError(
            f"the stored sandbox policy can't be read: {'; '.join(faults(error))}",
            hint="scripts run under the strictest profile until gitops sandbox policy set --reset mends it",
        ) from error
    except ValueError as error:
        raise GitopsError(
            "the stored sandbox policy isn't JSON", hint="gitops sandbox policy set --reset mends it"
        ) from error


def policy_provider(store: Reader) -> Callable[[], SandboxPolicy]:
    """For :meth:`reconciler.sandbox.run.Sandbox.provided`: a policy that can't be read is the strictest one."""
    return lambda: stored_policy(store)


def change_policy(store: Writer, overlay: Mapping[str, Any], *, reset: bool = False) -> SandboxPolicy:
    """Store the policy with the keys of ``overlay``; ``reset`` starts over from the shipped default.

    Nothing is stored when a key or a value is wrong.
    """
    from pydantic import ValidationError

    base = shipped_default() if reset else stored_policy(store)
    try:
        policy = merge(base, overlay)
    except ValidationError as error:
        raise _refused(error) from error
    store.set_setting(SETTING, dumps(policy.to_json()).decode())
    return policy


LANGUAGES = {"shell": (".sh", ".bash"), "python": (".py",), "node": (".js", ".mjs", ".cjs")}
"""The script languages, with the endings of their files."""


def language_of(name: str) -> str | None:
    """The language that the ending of a file's name tells, or None."""
    return next((language for language, endings in LANGUAGES.items() if name.endswith(endings)), None)


def run_script(
    store: Reader,
    language: str,
    script: str,
    *,
    context: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_ms: int = 30_000,
) -> ShellResult:
    """Run one script as a check would, under the stored policy; a :class:`ScriptResult` but for the shell.

    A refused run is a result too: ``refused`` says why. Raises nothing that the script or the host can cause.
    """
    from reconciler.sandbox.run import Sandbox
    from reconciler.sandbox.runners.node import run_node
    from reconciler.sandbox.runners.python import run_python
    from reconciler.sandbox.runners.shell import run_shell
    from reconciler.sandbox.spawner import Spawner

    spawner = Spawner()
    try:
        sandbox = Sandbox.provided(policy_provider(store), spawner)
        if language == "shell":
            return run_shell(sandbox, script, environment=environment, timeout_ms=timeout_ms)
        run = run_python if language == "python" else run_node
        return run(sandbox, script, context=context, environment=environment, timeout_ms=timeout_ms)
    finally:
        spawner.close()


def _refused(error: ValidationError) -> GitopsError:
    return GitopsError(
        f"the policy wasn't changed: {'; '.join(faults(error))}", hint="gitops sandbox policy show lists every key"
    )
