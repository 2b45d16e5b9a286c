"""The one policy for scripts: closed at every level, and strict unless an operator says otherwise.

A document can't weaken it: there is one, in the store's settings, and without a store the shipped default holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AliasGenerator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from reconciler.sandbox.allow import AllowEntry, parse_entry

SETTING = "sandbox:policy"
"""Key of the row in the store's settings table."""
NOBODY = 65534
SCRATCH_BYTES = 64 * 1024 * 1024
"""Size of /scratch where the policy names none."""
_MIB = 1024 * 1024
Positive = Annotated[int, Field(gt=0, le=2**62)]


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=AliasGenerator(alias=to_camel),
        populate_by_name=True,
        hide_input_in_errors=True,
    )


class Resources(_Strict):
    """Ceilings of one run; null is no ceiling. ``cpu_seconds`` and ``memory_bytes`` bind each process, and the run as a
    whole where a cgroup can be had. ``max_output_bytes`` is one budget over stdout and stderr."""

    cpu_seconds: Annotated[int, Field(ge=1, le=3600)] | None = None
    memory_bytes: Positive | None = None
    max_open_files: Annotated[int, Field(ge=1, le=1_048_576)] | None = None
    max_processes: Annotated[int, Field(ge=1, le=65_536)] | None = None
    max_output_bytes: Positive | None = None
    max_file_size_bytes: Positive | None = None


class Filesystem(_Strict):
    """``scratch-only``: system files and /scratch; ``scratch-plus-ro``: managed packages read-only as well. ``off`` is
    the whole file system of the host. ``scratch_bytes`` sizes /scratch."""

    mode: Literal["off", "scratch-only", "scratch-plus-ro"] = "off"
    scratch_bytes: Positive | None = None


class Network(_Strict):
    """``allow`` counts in mode ``allowlist`` only; an empty list is the same as ``deny``."""

    mode: Literal["unrestricted", "deny", "allowlist"] = "unrestricted"
    allow: Annotated[tuple[str, ...], Field(strict=False)] = ()
    deny_link_local_and_metadata: bool = True

    @field_validator("allow")
    @classmethod
    def _readable(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            parse_entry(entry)
        return entries

    def entries(self) -> tuple[AllowEntry, ...]:
        """The list, parsed."""
        return tuple(parse_entry(entry) for entry in self.allow)


class Privilege(_Strict):
    """What a root supervisor drops to; any other supervisor has nothing to drop, and scripts inherit that."""

    mode: Literal["inherit", "drop-to-uid"] = "inherit"
    uid: Annotated[int, Field(ge=1, lt=2**32 - 1)] | None = None
    gid: Annotated[int, Field(ge=1, lt=2**32 - 1)] | None = None

    @model_validator(mode="after")
    def _together(self) -> Privilege:
        if self.gid is not None and self.uid is None:
            raise ValueError("gid is set without uid")
        return self


class SandboxPolicy(_Strict):
    """Everything a run may do. ``on_unavailable``: what happens when a layer that is asked for can't be had."""

    enabled: bool = True
    on_unavailable: Literal["degrade", "fail"] = "degrade"
    resources: Resources = Resources()
    filesystem: Filesystem = Filesystem()
    network: Network = Network()
    privilege: Privilege = Privilege()

    def to_json(self) -> dict[str, Any]:
        """camelCase keys; reads back to an equal policy."""
        return self.model_dump(mode="json", by_alias=True)


def shipped_default(environ: Mapping[str, str] | None = None) -> SandboxPolicy:
    """What holds until an operator says otherwise. ``CHECKSTACK_SANDBOX_UID`` and ``_GID`` seed the identity."""
    uid, gid = _seeded(os.environ if environ is None else environ)
    return SandboxPolicy(
        on_unavailable="fail",
        resources=Resources(
            cpu_seconds=60,
            memory_bytes=512 * _MIB,
            max_open_files=1024,
            max_processes=256,
            max_output_bytes=5 * _MIB,
            max_file_size_bytes=256 * _MIB,
        ),
        filesystem=Filesystem(mode="scratch-plus-ro"),
        network=Network(mode="allowlist"),
        privilege=Privilege(mode="drop-to-uid", uid=uid, gid=gid),
    )


def fail_closed() -> SandboxPolicy:
    """What holds when the policy can't be had: the strictest profile there is, and layers that are missing refuse."""
    return merge(shipped_default({}), {"network": {"mode": "deny", "allow": []}})


def merge(base: SandboxPolicy, overlay: Mapping[str, Any]) -> SandboxPolicy:
    """``base`` with the keys that ``overlay`` defines (camelCase, nested). Raises pydantic's ``ValidationError``."""
    return SandboxPolicy.model_validate(_merged(base.to_json(), overlay))


def provided(provider: Callable[[], object] | None) -> tuple[SandboxPolicy, str | None]:
    """The policy and, when it had to be made up, the reason (for a synthetic downgrade)."""
    if provider is None:
        return fail_closed(), "no policy provider; the strictest profile is used"
    try:
        policy = provider()
    except Exception as error:
        return fail_closed(), f"the policy can't be read ({type(error).__name__}); the strictest profile is used"
    if not isinstance(policy, SandboxPolicy):
        return fail_closed(), "the policy provider gave no policy; the strictest profile is used"
    return policy, None


def faults(error: ValidationError) -> list[str]:
    """One line for each fault: the key as it is written, and what is wrong with it."""
    lines = []
    for details in error.errors(include_url=False, include_input=False):
        where = ".".join(to_camel(step) if isinstance(step, str) else str(step) for step in details["loc"])
        said = details["msg"].removeprefix("Value error, ")
        if details["type"] == "extra_forbidden":
            said = "there is no such key"
        lines.append(f"{where or 'policy'}: {said}")
    return lines


def _merged(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in overlay.items():
        below = out.get(key)
        out[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return out


def _seeded(environ: Mapping[str, str]) -> tuple[int, int]:
    """(uid, gid); what is malformed, or a gid alone, doesn't count."""
    uid, gid = (_number(environ.get(f"CHECKSTACK_SANDBOX_{name}", "")) for name in ("UID", "GID"))
    if uid is None:
        return NOBODY, NOBODY
    return uid, uid if gid is None else gid


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 2**32 - 1 else None
