"""The sandbox as its users see it: a command in, a result with its report out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from reconciler.sandbox import bare, boxed
from reconciler.sandbox.boxed import Box, Outcome
from reconciler.sandbox.bubblewrap import Layout
from reconciler.sandbox.capabilities import Capabilities
from reconciler.sandbox.command import Command, RunResult
from reconciler.sandbox.decide import Decision, decide, requested
from reconciler.sandbox.environment import construct
from reconciler.sandbox.network.port import Choice, Held, Routeless
from reconciler.sandbox.network.port import Host as HostNetwork
from reconciler.sandbox.policy import SandboxPolicy, provided
from reconciler.sandbox.probes import capabilities as capabilities_of
from reconciler.sandbox.probes import forget
from reconciler.sandbox.report import Downgrade, Note, SandboxReport, nothing_enforced, refusal
from reconciler.sandbox.spawner import Spawner
from reconciler.sandbox.stop import Stop


class Sandbox:
    """Runs commands under one policy. :meth:`run` may be called by several threads at once.

    ``synthetic`` is the reason why the policy had to be made up, for the report of every run.
    """

    def __init__(
        self,
        policy: SandboxPolicy,
        spawner: Spawner,
        capabilities: Capabilities | None = None,
        *,
        synthetic: str | None = None,
    ) -> None:
        self.policy = policy
        self._spawner = spawner
        self._capabilities = capabilities
        self._synthetic = () if synthetic is None else (Downgrade("policy", synthetic, synthetic=True),)
        self._requested = policy.to_json()
        self.asked = requested(policy)
        """Which layers the policy asks for."""
        self._encoded: dict[Layout, bytes] = {}
        self._decided: tuple[Capabilities, Decision] | None = None

    @classmethod
    def provided(cls, provider: Callable[[], object] | None, spawner: Spawner) -> Sandbox:
        """Of a provider that may be missing or fail: then the strictest profile holds."""
        policy, synthetic = provided(provider)
        return cls(policy, spawner, synthetic=synthetic)

    @property
    def capabilities(self) -> Capabilities:
        """Those that were given, else what the probes say; these are asked again after a failed set-up."""
        return self._capabilities or capabilities_of(self.policy, self._spawner)

    def run(self, command: Command, *, stop: Stop | None = None) -> RunResult:
        """Run to the end, or refuse. Raises nothing that the command, the host or the network can cause.

        ``stop`` ends it earlier; its result is then that of a killed command.
        """
        started = time.monotonic()
        deadline = started + command.timeout_ms / 1000
        capabilities = self.capabilities
        decision = self._decide(capabilities)
        environment = construct(command.environment, filtered=self.policy.enabled)
        if decision.mode == "refused":
            outcome = Outcome()
        else:
            box = Box(self.policy, capabilities, self._spawner, environment.variables, self._encoded, stop)
            runner = boxed.run if decision.mode == "sandbox" else bare.run
            outcome = runner(box, decision, command, deadline)
            # A run that was killed while it was set up says nothing of the host.
            if outcome.failure is not None and not (stop is not None and stop.asked):
                forget()
        report = self._report(decision, outcome, environment.dropped)
        return _result(decision, outcome, report, (time.monotonic() - started) * 1000)

    def _decide(self, capabilities: Capabilities) -> Decision:
        """Names of an allow list are resolved for each run; without any, one decision serves all."""
        network = self.policy.network
        choice: Choice
        if not self.policy.enabled or (network.mode == "unrestricted" and not network.deny_link_local_and_metadata):
            choice = HostNetwork()
        elif network.mode == "deny" or (network.mode == "allowlist" and not network.allow):
            choice = Routeless()
        else:
            from reconciler.sandbox.network.plan import choose

            return decide(self.policy, capabilities, choose(network, capabilities))
        if self._decided is None or self._decided[0] is not capabilities:
            self._decided = (capabilities, decide(self.policy, capabilities, choice))
        return self._decided[1]

    def _report(self, decision: Decision, outcome: Outcome, dropped: tuple[str, ...]) -> SandboxReport:
        downgrades = [*decision.downgrades]
        if outcome.failure is not None:
            downgrades.append(Downgrade(*outcome.failure))
        notes = [*decision.notes]
        failure = outcome.evidence.get("cgroupFailure")
        if failure:
            said = f"no control group for this run, limits bind each process: {failure}"
            notes.append(Note("resources", said, of_run=True))
        if decision.mode in ("sandbox", "confined") and not outcome.followed.gone and outcome.failure is None:
            notes.append(Note("privilege", "processes of this run may be left: their end wasn't seen", of_run=True))
        return SandboxReport(
            requested=self._requested,
            enforced=_enforced(self.asked, decision, outcome),
            downgrades=(*self._synthetic, *downgrades),
            notes=tuple(notes),
            platform=self.capabilities.platform,
            evidence=_evidence(decision, outcome),
            dropped_environment=dropped,
        )


def _enforced(asked: dict[str, bool], decision: Decision, outcome: Outcome) -> dict[str, bool]:
    """From what was seen of this run: bubblewrap tells an exit code only after every layer it was told to make."""
    enforced = nothing_enforced()
    if decision.mode != "sandbox" or "status" not in outcome.evidence or outcome.failure is not None:
        return enforced
    missing = {d.layer for d in decision.downgrades}
    enforced["resources"] = asked["resources"] and "resources" not in missing
    enforced["filesystem"] = asked["filesystem"]
    enforced["network"] = asked["network"] and "network" not in missing and _fenced(decision, outcome)
    expected = decision.identity[0] if decision.identity is not None else outcome.evidence.get("uid")
    dropped = outcome.evidence.get("uid") == expected and expected != 0
    enforced["privilege"] = asked["privilege"] and "privilege" not in missing and dropped
    return enforced


def _fenced(decision: Decision, outcome: Outcome) -> bool:
    if isinstance(decision.network, Held):
        return "backend" in outcome.evidence.get("network", {})
    return isinstance(decision.network, Routeless)


def _evidence(decision: Decision, outcome: Outcome) -> dict[str, Any]:
    if decision.mode == "sandbox" and isinstance(decision.network, Routeless) and "status" in outcome.evidence:
        return {**outcome.evidence, "network": {"backend": "routeless"}}
    return outcome.evidence


def _result(decision: Decision, outcome: Outcome, report: SandboxReport, took: float) -> RunResult:
    refused = None
    if decision.mode == "refused":
        refused = refusal(report.downgrades)
    elif outcome.failure is not None:
        refused = refusal((Downgrade(*outcome.failure),))
    followed = outcome.followed
    code = -1 if refused or followed.timed_out or followed.truncated else _exit_code(outcome)
    return RunResult(
        exit_code=code,
        stdout=b"" if refused else outcome.stdout,
        stderr=b"" if refused else outcome.stderr,
        timed_out=followed.timed_out,
        output_truncated=followed.truncated,
        duration_ms=took,
        report=report,
        refused=refused,
    )


def _exit_code(outcome: Outcome) -> int:
    """128 + n for signal n, as shells and bubblewrap have it."""
    if outcome.followed.status.exit_code is not None:
        return outcome.followed.status.exit_code
    if outcome.wait_status is None:
        return -1
    code = os.waitstatus_to_exitcode(outcome.wait_status)
    return 128 - code if code < 0 else code
