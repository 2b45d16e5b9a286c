"""Runs a composite action as GitHub's runner does: expressions, variables, files for outputs, ``bash -eo pipefail``."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment
from ruamel.yaml import YAML

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(r"(?<![\w.'-])([a-z_]\w*(?:\.[A-Za-z_][\w-]*)+)")


def read_yaml(path: Path) -> Any:
    """A YAML file as plain data."""
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


class Step(NamedTuple):
    """What became of a step. ``given`` is its ``env``, or the ``with`` of one that uses another action."""

    code: int | None
    """None for a step that wasn't run."""
    out: str
    given: dict[str, str]

    @property
    def ran(self) -> bool:
        return self.code is not None


class Runner:
    """``github`` is the context of that name. ``env`` is what the job has, beside what the runner sets."""

    def __init__(
        self, action: Path, workspace: Path, temp: Path, *, github: Mapping[str, Any], env: Mapping[str, str]
    ) -> None:
        self.action, self.workspace, self.temp, self.github = action, workspace, temp, github
        self.spec = read_yaml(action)
        self.env = {**env, "RUNNER_TEMP": str(temp), "GITHUB_ACTION_PATH": str(action.parent)}
        self.summary = temp / "summary.md"

    def __call__(self, **inputs: str) -> dict[str, Step]:
        """The steps by name. ``working_directory="x"`` is the input working-directory."""
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        unknown = set(given) - set(self.spec["inputs"])
        assert not unknown, f"the action has no inputs {unknown}"
        context: dict[str, Any] = {"github": self.github, "steps": {}}
        context["inputs"] = {
            name: given.get(name, self._text(spec.get("default", ""), context))
            for name, spec in self.spec["inputs"].items()
        }
        self.summary.write_text("", encoding="utf-8")
        steps: dict[str, Step] = {}
        self.failed = False
        for step in self.spec["runs"]["steps"]:
            done = self._step(step, context)
            steps[step["name"]] = done
            if done.code and not step.get("continue-on-error"):
                self.failed = True
        self.outputs = {n: self._text(o["value"], context) for n, o in self.spec["outputs"].items()}
        return steps

    def _step(self, step: Mapping[str, Any], context: dict[str, Any]) -> Step:
        condition = str(step.get("if", "success()"))
        wanted = self._value(condition.strip().removeprefix("${{").removesuffix("}}"), context)
        aware = re.search(r"\b(?:always|cancelled|failure|success)\(\)", condition)
        if not wanted or (self.failed and not aware):
            return Step(None, "", {})
        if "uses" in step:
            return Step(0, "", {k: self._text(v, context) for k, v in step["with"].items()})
        given = {k: self._text(v, context) for k, v in step["env"].items()}
        outputs, script = self.temp / "outputs", self.temp / "step.sh"
        outputs.write_text("", encoding="utf-8")
        script.write_text(step["run"], encoding="utf-8")
        assert step["shell"] == "bash"
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            cwd=self.workspace,
            env={**self.env, **given, "GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(self.summary)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=300,
        )
        pairs = [line.partition("=") for line in outputs.read_text(encoding="utf-8").splitlines()]
        context["steps"][step.get("id", "")] = {"outputs": {name: value for name, _, value in pairs}}
        return Step(done.returncode, done.stdout, given)

    def _text(self, text: Any, context: Mapping[str, Any]) -> str:
        return _EXPRESSION.sub(lambda found: str(self._value(found[1], context)), str(text))

    def _value(self, expression: str, context: Mapping[str, Any]) -> Any:
        """By way of jinja, whose expressions differ in their operators and in names with a dash."""
        parts = expression.strip().split("'")
        for n in range(0, len(parts), 2):
            part = _NAME.sub(lambda found: f'at("{found[1]}")', parts[n])
            part = part.replace("&&", " and ").replace("||", " or ")
            parts[n] = re.sub(r"!(?!=)", " not ", part)
        functions = {
            "at": lambda name: _at(context, name),
            "cancelled": lambda: False,
            "always": lambda: True,
            "success": lambda: not self.failed,
            "failure": lambda: self.failed,
        }
        return Environment().compile_expression("'".join(parts), undefined_to_none=False)(**functions)


def _at(context: Mapping[str, Any], name: str) -> Any:
    found: Any = context
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return "" if found is None else found  # there, null equals the empty text
