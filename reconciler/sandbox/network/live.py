"""The live probe of egress, run with the sandbox as it is: what a policy with an allow list is started on."""

from __future__ import annotations

import time
from dataclasses import replace

from reconciler.sandbox import boxed
from reconciler.sandbox.boxed import Box
from reconciler.sandbox.capabilities import Capabilities, Row
from reconciler.sandbox.command import Command, Inside
from reconciler.sandbox.decide import Decision, dropped
from reconciler.sandbox.environment import construct
from reconciler.sandbox.network.plan import BACKENDS
from reconciler.sandbox.network.port import Held
from reconciler.sandbox.network.probe import PAYLOAD, Ran, proved
from reconciler.sandbox.policy import SandboxPolicy
from reconciler.sandbox.spawner import Spawner

_TIMEOUT = 20.0
_ADVICE = (
    "install slirp4netns, nftables, iproute2 and util-linux; let the user of the worker open /dev/net/tun (mode 0666, "
    "as systemd-tmpfiles sets it), or run the worker as root"
)


def with_egress(
    capabilities: Capabilities, policy: SandboxPolicy, spawner: Spawner, interpreter: Inside
) -> Capabilities:
    """The same capabilities with :attr:`Capabilities.egress` found out and its row added.

    ``interpreter`` is a Python that can be run inside. Results are kept for the process; see
    :func:`reconciler.sandbox.network.probe.forget`.
    """
    if not capabilities.sandbox:
        row = Row("egress", False, why_not=capabilities.why_not, what_to_do="the sandbox itself comes first")
        return replace(capabilities, egress={}, rows=(*capabilities.rows, row))

    identity = dropped(policy.privilege, root=capabilities.root)

    def runner(held: Held, arguments: tuple[str, ...]) -> Ran:
        command = Command(
            argv=(interpreter.path, "-I", "-S", "/scratch/egress.py", *arguments),
            files={"egress.py": PAYLOAD},
            read_only=interpreter.read_only,
        )
        decision = Decision("sandbox", identity, held)
        box = Box(policy, capabilities, spawner, {**construct({}).variables, **interpreter.variables})
        outcome = boxed.run(box, decision, command, time.monotonic() + _TIMEOUT)
        failure = outcome.failure[1] if outcome.failure is not None else None
        return Ran(outcome.stdout, outcome.evidence.get("network", {}), failure)

    egress = proved(capabilities, runner, identity=identity)
    return replace(capabilities, egress=egress, rows=(*capabilities.rows, egress_row(egress)))


def egress_row(egress: dict[str, str]) -> Row:
    """The line of the probe's table: the backend that is proved, or the reason of each."""
    for backend in BACKENDS:
        if egress.get(backend) == "":
            means = "the gate (TCP only, no tun device)" if backend == "gate" else f"{backend} behind nftables"
            return Row("egress", True, f"{means}: a listed port answered, another was refused")
    why = "; ".join(f"{backend}: {reason}" for backend, reason in egress.items())
    return Row("egress", False, why_not=why, what_to_do=_ADVICE)
