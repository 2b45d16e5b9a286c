"""Policies in a plan: which rules look at what, and what they find, placed.

A plan judges what it read and what it rendered. That is all there is to judge: what it left alone is as it was when the
same rules were held against it, and other rules make a plan read everything. Two things it looks at beside that: rules
about the whole source see the store's part of it as well, and what an exception covered that has run out is judged
again. Warnings about one resource are kept with its file, like all others; those about slices and about the whole
source are told by the plan that finds them, and by ``gitops validate``, which always looks at everything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from reconciler.base.canonical import loads
from reconciler.base.diagnostics import Diagnostic, Fault
from reconciler.flows.policies import Policies, missing_libraries, today
from reconciler.kinds.faults import did_you_mean
from reconciler.model.plan import Action
from reconciler.model.resource import Key, Resource
from reconciler.model.slice import NO_ENVIRONMENT, SliceKey, SliceName
from reconciler.policy.builtin import BUILTINS
from reconciler.policy.exceptions import Exceptions, covers
from reconciler.policy.judge import judge
from reconciler.policy.rules import Broken, Exemption, Finding, Rule, SliceSeen

if TYPE_CHECKING:
    from reconciler.flows.resolve import Resolved
    from reconciler.store.port import Reader

_CREDENTIAL = "policy/literal-credential"
Locate = Callable[[Resource, Fault], Diagnostic]


@dataclass(frozen=True, slots=True)
class Policed:
    """``lasting`` are kept with the files they are in, ``passing`` are told now."""

    lasting: tuple[Diagnostic, ...] = ()
    passing: tuple[Diagnostic, ...] = ()


def police(
    policies: Policies, resolved: Resolved, reader: Reader | None, source: str, *, locate: Locate, sound: bool
) -> Policed:
    """Hold the rules against a plan. ``sound``: no document failed, so that what nothing uses is known.

    ``reader`` is None where a part of the source is all that is looked at: what takes more than that is left out.
    """
    told = [*policies.diagnostics, *missing_libraries(policies)]
    if any(d.severity == "error" for d in told):
        return Policed((), tuple(told))
    rules = list(policies.rules.values())
    exceptions = Exceptions(policies.exemptions, rules, today())
    told += _about_exceptions(policies, exceptions)
    whole = _Whole(resolved, reader, source) if reader is not None else None
    resources = list(resolved.world.fresh.values())
    if exceptions.expired and whole is not None:
        resources += whole.stored_under(exceptions.expired)
    slices = list(_slices(resolved, reader, rules)) if any(r.scope == "slice" for r in rules) else []
    judged = judge(rules, resources, slices, whole if sound else None)
    told += [_told_of_rule(policies, broken) for broken in judged.broken]
    lasting: list[Diagnostic] = []
    for finding in judged.findings:
        if not exceptions.hold_for(finding):
            (lasting if finding.rule.scope == "resource" else told).append(locate(finding.resource, _fault(finding)))
    lines = {_line(d) for d in lasting if d.code == _CREDENTIAL}
    return Policed(_unquoted(lasting, lines), _unquoted(told, lines))


def _line(diagnostic: Diagnostic) -> tuple[str, int] | None:
    return (diagnostic.place.path, diagnostic.place.line) if diagnostic.place is not None else None


def _unquoted(diagnostics: Iterable[Diagnostic], lines: Collection[object]) -> tuple[Diagnostic, ...]:
    """Without the source lines that hold a credential: logs are read by more people than the repository."""
    return tuple(replace(d, excerpt=None) if _line(d) in lines else d for d in diagnostics)


def _fault(finding: Finding) -> Fault:
    rule = finding.rule
    told = [rule.message] if rule.uses and rule.message else []
    message = ": ".join([*told, finding.message])
    hints = [h for h in (finding.hint, f"see {rule.help}" if rule.help else None) if h]
    return Fault(rule.code, message, finding.path, "; ".join(hints) or None, rule.severity)


def _told_of_rule(policies: Policies, broken: Broken) -> Diagnostic:
    rule = broken.rule
    message = f"the rule {rule.name} can't be judged: {broken.message}"
    path = ("spec", broken.field if rule.must else "uses")
    return policies.locate(rule.written, Fault("policy-broken", message, path, broken.hint, offset=broken.offset))


def _about_exceptions(policies: Policies, exceptions: Exceptions) -> Iterator[Diagnostic]:
    for one in exceptions.refused:
        message = f"the rule {one.rule} is the operator's, and a repository can't except anything from it"
        hint = "ask the operator for an exception, or mend what the rule finds"
        yield policies.locate(one.written, Fault("policy-exception", message, one.written.path, hint))
    for one in exceptions.unknown:
        if one.rule not in BUILTINS:
            near = did_you_mean(one.rule, [*policies.rules, *BUILTINS])
            message = f"there is no rule {one.rule} to except from"
            fault = Fault("policy-exception", message, (*one.written.path, "policy"), near, "warning")
            yield policies.locate(one.written, fault)
    for one in exceptions.expired:
        message = f"the exception from {one.rule} for {', '.join(one.resources)} ended on {one.until}"
        hint = f"{one.owner} answers for it: mend what it excepted, or give it a new day"
        fault = Fault("policy-exception-expired", message, (*one.written.path, "until"), hint, "warning")
        yield policies.locate(one.written, fault)


class _Whole:
    """The source as it will be: what was read, and the store's rows of what wasn't."""

    def __init__(self, resolved: Resolved, reader: Reader, source: str) -> None:
        self._world, self._reader, self._source = resolved.world, reader, source

    def of_kind(self, kind: str) -> list[Resource]:
        """See :class:`~reconciler.policy.source.Whole`."""
        fresh = [r for r in self._world.fresh.values() if r.key.kind == kind]
        return fresh + [r for r in self._stored if r.key.kind == kind]

    def used(self, kind: str, by: tuple[str, ...]) -> set[str]:
        """See :class:`~reconciler.policy.source.Whole`."""
        world = self._world
        found = {
            x.name
            for r in world.fresh.values()
            if r.key.kind in by
            for x in r.references
            if x.kind == kind and (kind, x.name) != r.key
        }
        keys = [r.key for r in self.of_kind(kind) if r.key.name not in found]
        return found | {x.name for _, key, x in world.referrers(keys) if key.kind in by}

    def stored_under(self, exemptions: Iterable[Exemption]) -> list[Resource]:
        """Those that weren't read now and that one of the exceptions names."""
        given = list(exemptions)
        return [r for r in self._stored if any(covers(e, r.key) for e in given)]

    @cached_property
    def _stored(self) -> list[Resource]:
        world = self._world
        if world.empty:
            return []
        return [
            s.resource
            for s in self._reader.resources(source=self._source)
            if s.status == "active" and s.uid not in world.replaced and s.resource.key not in world.fresh
        ]


def _slices(resolved: Resolved, reader: Reader | None, rules: Sequence[Rule]) -> Iterator[SliceSeen]:
    """What was rendered, and what a rule compares it with."""
    bodies = {key: body for key, (_, body) in resolved.rendered.items()}
    differing = [r for r in rules if r.uses == "environments-differ"]
    if differing and reader is not None and not resolved.world.empty:
        bodies.update(_counterparts(resolved, reader, differing[0].options["environments"]))
    keys = {uid: key for key, uid in resolved.uids.items()}
    for slice_key, body in bodies.items():
        system, check = (resolved.world.find(keys[uid]) for uid in slice_key[:2])
        if system is None or check is None:
            continue
        environment = None if slice_key.environment == NO_ENVIRONMENT else keys[slice_key.environment].name
        yield SliceSeen(SliceName(system.key.name, check.key.name, environment), system, check, loads(body))


def _counterparts(resolved: Resolved, reader: Reader, environments: Sequence[str]) -> dict[SliceKey, bytes]:
    """The stored slices of the other environments, which this plan had no reason to render."""
    uids = [resolved.uids.get(Key("Environment", name), 0) for name in environments]
    if not all(uids):
        names = {name for name in environments if Key("Environment", name) not in resolved.uids}
        for stored in reader.resources(keys=[Key("Environment", name) for name in names]):
            resolved.uids[stored.resource.key] = stored.uid
        uids = [resolved.uids.get(Key("Environment", name), 0) for name in environments]
    gone = {c.key for c in resolved.slices if c.action is Action.DELETE}
    wanted = {
        key._replace(environment=uid) for key in resolved.rendered if key.environment in uids for uid in uids if uid
    }
    wanted -= resolved.rendered.keys() | gone
    return reader.slice_bodies(reader.generation(), keys=wanted) if wanted else {}
