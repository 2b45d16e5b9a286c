"""Which rules there are, which of them are in force here, and what each of them asks for."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import GitopsError
from reconciler.flows.opened import Source
from reconciler.flows.policies import Policies, load_policies, policies_of, today
from reconciler.flows.policy_inputs import Operator, operator
from reconciler.kinds.faults import suggest
from reconciler.policy.builtin import BUILTINS, presets_of
from reconciler.policy.exceptions import Exceptions
from reconciler.policy.rules import Exemption, Rule


@dataclass(frozen=True, slots=True)
class ToldException:
    """``state`` is ``holds``, ``ended`` or ``refused``."""

    exemption: Exemption
    state: str


@dataclass(frozen=True, slots=True)
class ToldRule:
    """``severity`` is ``off`` for a built-in rule that isn't in force; ``owner`` who put it in force."""

    name: str
    title: str
    severity: str
    scope: str
    owner: str
    file: str
    rule: Rule | None
    exceptions: tuple[ToldException, ...] = ()

    @property
    def presets(self) -> list[str]:
        """The presets it is in, with its severity there."""
        return presets_of(self.name) if self.name in BUILTINS else []


def listed(source: Source) -> tuple[list[ToldRule], list[Diagnostic]]:
    """Every rule, those in force first, and what is wrong in the policy files."""
    policies = policies_of(source.tree(), source.settings) or load_policies((), Operator(), "off")
    exceptions = Exceptions(policies.exemptions, list(policies.rules.values()), today())
    rules = [_told(rule, policies, exceptions) for rule in policies.rules.values()]
    rules.sort(key=lambda t: t.name)
    off = [
        ToldRule(name, one.title, "off", one.scope, "", "", None)
        for name, one in BUILTINS.items()
        if name not in policies.rules
    ]
    return [*rules, *off], policies.diagnostics


def explained(source: Source, code: str) -> ToldRule:
    """One of them, by its name or the code that its findings carry. Raises ``GitopsError``."""
    name = code.removeprefix("policy/")
    rules, _ = listed(source)
    for rule in rules:
        if rule.name == name:
            return rule
    raise GitopsError(f"there is no rule {name}", hint=suggest(name, [r.name for r in rules]))


def _told(rule: Rule, policies: Policies, exceptions: Exceptions) -> ToldRule:
    owner = rule.written.owner
    who = {"operator": "operator", "repository": "repository", "preset": "gitops.yaml"}[owner]
    if not rule.written.file and owner == "operator":
        who = f"operator ({operator().preset})"
    given = []
    for one in policies.exemptions:
        if one.rule == rule.name:
            state = "refused" if one in exceptions.refused else "ended" if one in exceptions.expired else "holds"
            given.append(ToldException(one, state))
    title = rule.description or rule.message
    return ToldRule(rule.name, title, rule.severity, rule.scope, who, rule.written.file, rule, tuple(given))
