"""``run_shell`` and ``run_script``: in the sandbox, under the stored policy, as scripts of checks run.

A script isn't rendered. What it is about comes in variables, and for Python and Node.js in ``context``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.automate.port import Done
from reconciler.execute.port import Collected, Unobservable
from reconciler.execute.scripted import executed, returned
from reconciler.flows.acting.port import Undone
from reconciler.flows.acting.touching import of_trigger
from reconciler.flows.subjects import environment_of
from reconciler.sandbox.runners.variables import as_text, upper_snake

if TYPE_CHECKING:
    from reconciler.execute.script import Box
    from reconciler.flows.acting.hands import Hands
    from reconciler.flows.acting.port import Asked
    from reconciler.flows.acting.stores import Stores
    from reconciler.sandbox.packages.folder import Packages

_OUTPUT = 4000
"""Characters of output that are kept."""
_LONGEST = 16_384
"""Characters of a variable about the trigger: a kernel takes so much. ``context`` has it whole."""


class About(NamedTuple):
    """What the trigger is about, by names and titles. ``fields`` are those of the environment."""

    system: str | None
    system_title: str | None
    environment: str | None
    environment_title: str | None
    fields: Mapping[str, Any]


class RunShell:
    """Fails unless it exits with 0."""

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""
        from reconciler.sandbox.runners.shell import run_shell

        about = await hands.ask(lambda stores: about_of(stores, asked))
        config = asked.config

        def job(box: Box, _: Packages | None) -> Collected:
            result = run_shell(
                box,
                config["script"],
                environment=variables(asked, about),
                cwd=config.get("cwd"),
                timeout_ms=config.get("timeout", 30_000),
                secrets=tuple(asked.secrets.values()),
            )
            return executed(result, box.sandbox.asked)

        return await _ran(hands, job)


class RunScript:
    """Fails where the script raises, or returns that it did."""

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""
        from reconciler.sandbox.runners.node import run_node
        from reconciler.sandbox.runners.python import run_python

        about = await hands.ask(lambda stores: about_of(stores, asked))
        config = asked.config

        def job(box: Box, packages: Packages | None) -> Collected:
            common: dict[str, Any] = {
                "context": context_of(asked, about),
                "environment": variables(asked, about),
                "timeout_ms": config.get("timeout", 30_000),
                "secrets": asked.secrets,
                "packages": packages,
            }
            if config.get("language", "python") == "node":
                policy = box.sandbox.policy
                memory = policy.resources.memory_bytes if policy.enabled else None
                return returned(run_node(box, config["script"], memory_bytes=memory, **common), box.sandbox.asked)
            return returned(run_python(box, config["script"], **common), box.sandbox.asked)

        return await _ran(hands, job)


def about_of(stores: Stores, asked: Asked) -> About:
    """What the store knows of the system and the environment that the trigger names."""
    payload = asked.payload
    systems = of_trigger(payload)
    system = systems[0].partition("::")[0] if systems else None
    named = payload.get("environmentId")
    environment = named if isinstance(named, str) and named else None
    title, fields = (None, {}) if environment is None else environment_of(stores.reader, environment)
    return About(system, _text(payload.get("systemName")) or system, environment, title or environment, fields)


def variables(asked: Asked, about: About) -> dict[str, str]:
    """What a script gets: what the run is about, then the config's ``env``, then ``secretEnv``."""
    identity, trigger = asked.identity, asked.doing.context.get("trigger") or {}
    values = {
        "CHECKSTACK_AUTOMATION_ID": identity.name,
        "CHECKSTACK_RUN_ID": str(identity.run),
        "CHECKSTACK_ACTION_KEY": asked.key,
        "CHECKSTACK_EVENT": as_text(trigger.get("event")),
        "CHECKSTACK_EVENT_ID": as_text(trigger.get("eventId")),
        "CHECKSTACK_CONTEXT_KEY": identity.context_key,
    }
    for name, value in asked.payload.items():
        if word := upper_snake(str(name)):
            values.setdefault(f"CHECKSTACK_TRIGGER_{word}", as_text(value)[:_LONGEST])
    if about.system is not None:
        values |= {"CHECKSTACK_SYSTEM_ID": about.system, "CHECKSTACK_SYSTEM_NAME": about.system_title or about.system}
    if about.environment is not None:
        for field, value in about.fields.items():
            if word := upper_snake(field):
                values.setdefault(f"CHECKSTACK_ENV_{word}", as_text(value))
        title = about.environment_title or about.environment
        values |= {"CHECKSTACK_ENV_ID": about.environment, "CHECKSTACK_ENV_NAME": title}
    given = {**(asked.config.get("env") or {}), **(asked.config.get("secretEnv") or {})}
    return {**{name: value.replace("\0", "") for name, value in values.items()}, **given}


def context_of(asked: Asked, about: About) -> dict[str, Any]:
    """``context`` of a Python or Node.js script: what templates see, and names for what it is about."""
    environment = None
    if about.environment is not None:
        environment = {**about.fields, "id": about.environment, "name": about.environment_title}
    return {
        **dict(asked.doing.context),
        "automation": {"id": asked.identity.name, "run": asked.identity.run},
        "system": None if about.system is None else {"id": about.system, "name": about.system_title},
        "environment": environment,
    }


async def _ran(hands: Hands, job: Callable[[Box, Packages | None], Collected]) -> Done:
    scripts = hands.scripts
    try:
        async with scripts.admit():
            found = await scripts.run(job)
    except Unobservable as error:
        raise Undone(error.sentence) from None
    except ValueError as error:  # the context holds what JSON has no form for
        raise Undone(str(error)) from None
    result = {key: _shortened(value) for key, value in found.result.items()}
    if found.notes:
        result["notes"] = list(found.notes)
    if found.sandbox is not None:
        result["sandbox"] = found.sandbox
    if found.error is not None:
        raise Undone(found.error, response=result)
    return Done(result)


def _shortened(value: Any) -> Any:
    return f"{value[:_OUTPUT]}…" if isinstance(value, str) and len(value) > _OUTPUT else value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
