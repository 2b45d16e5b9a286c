"""Runs probes under the production sandbox and prints what came of them: JSON in, JSON out.

A program of its own, so that the tests can start it inside network namespaces and as other users.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from reconciler.sandbox.capabilities import Capabilities
from reconciler.sandbox.command import Command
from reconciler.sandbox.host import tools
from reconciler.sandbox.network import plan
from reconciler.sandbox.policy import SandboxPolicy, merge, shipped_default
from reconciler.sandbox.probes import capabilities as probed
from reconciler.sandbox.run import Sandbox
from reconciler.sandbox.spawner import Spawner


def capabilities(wanted: dict[str, Any]) -> Capabilities:
    """Of a host where everything works, but for what a test takes away."""
    found = dict(tools())
    for tool in wanted.get("without", ()):
        found.pop(tool, None)
    return Capabilities(
        platform="linux",
        uid=os.geteuid(),
        tools=found,
        sandbox=True,
        seccomp=True,
        limits=True,
        tun=wanted.get("tun", True),
        nft=wanted.get("nft", True),
        listener=wanted.get("listener", True),
    )


def main() -> None:
    """One run for each job, in order, with one spawner."""
    wanted = json.load(sys.stdin)
    for name, path in wanted.get("tools", {}).items():
        tools().pop(name, None) if path is None else tools().update({name: path})
    if "lookup" in wanted:
        answers: dict[str, list[str]] = wanted["lookup"]
        real = plan.choose

        def choose(*args: Any, **more: Any) -> Any:
            return real(*args, lookup=lambda host: answers.get(host, []), only=wanted.get("only"), **more)

        plan.choose = choose
    spawner = Spawner()
    if "probe" in wanted:
        found = probed(merge(shipped_default({}), {"network": {"allow": ["192.0.2.1:443"]}}), spawner)
        rows = {row.layer: [row.enforceable, row.how or row.why_not, row.what_to_do] for row in found.rows}
        spawner.close()
        json.dump({"egress": dict(found.egress), "tun": found.tun, "rows": rows}, sys.stdout)
        return
    results = []
    for job in wanted["jobs"]:
        base: SandboxPolicy = shipped_default({})
        sandbox = Sandbox(
            merge(base, {"network": job["network"], **job.get("policy", {})}), spawner, capabilities(wanted)
        )
        result = sandbox.run(
            Command(
                argv=tuple(job["argv"]),
                files={name: text.encode() for name, text in job.get("files", {}).items()},
                timeout_ms=job.get("timeout", 20_000),
            )
        )
        results.append(
            {
                "exit": result.exit_code,
                "out": result.stdout.decode("utf-8", "replace"),
                "err": result.stderr.decode("utf-8", "replace"),
                "refused": result.refused,
                "timed_out": result.timed_out,
                "ms": result.duration_ms,
                "report": result.report.to_json(),
            }
        )
    spawner.close()
    json.dump(results, sys.stdout)


main()
