"""What a worker says at its start when scripts won't be contained."""

from __future__ import annotations

from textwrap import wrap

from reconciler.sandbox.capabilities import Capabilities
from reconciler.sandbox.policy import SandboxPolicy

_WIDTH = 78


def banner(policy: SandboxPolicy, found: Capabilities) -> str | None:
    """A box of 78 columns that can't be overlooked, or None when everything the policy asks for can be had."""
    if not policy.enabled:
        lines = ["The sandbox is switched off by the policy: scripts run as this worker does."]
    elif found.sandbox and found.seccomp and found.limits:
        return None
    else:
        missing = [row for row in found.rows if not row.enforceable and row.layer not in ("control group", "landlock")]
        refused = policy.on_unavailable == "fail"
        fate = "are refused" if refused else "run with what is left"
        lines = [f"Scripts can't be contained on this host. They {fate}."]
        lines += [f"{row.layer}: {row.why_not}" for row in missing] or [found.why_not]
        lines.append("gitops sandbox probe says what to do.")
    rule = "=" * _WIDTH
    body = [f"| {part:<{_WIDTH - 4}} |" for line in lines for part in wrap(line, _WIDTH - 4)]
    return "\n".join((rule, *body, rule))
