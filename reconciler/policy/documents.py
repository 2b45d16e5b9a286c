"""The documents below ``policies/``: Policy, PolicyException, PolicyTest; from plain data to rules and exceptions."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from reconciler.base.diagnostics import Fault, Path
from reconciler.kinds.faults import suggest, translate
from reconciler.kinds.modelling import Model, conflict
from reconciler.kinds.table import API_VERSION, KINDS
from reconciler.kinds.types import Name, Text
from reconciler.policy.builtin import BUILTINS
from reconciler.policy.rules import Exemption, Rule, Written

MAX_EXPRESSION = 2000
"""Characters of an expression. A longer one is no rule that anybody reviews."""
_PATH = re.compile(r"[A-Za-z_][\w-]*|\[(\d{1,6})\]")


def _wrong(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("bad-value", "{sentence}", {"sentence": sentence})


def _day(text: str) -> str:
    try:
        if len(text) != 10:
            raise ValueError
        date.fromisoformat(text)
    except ValueError:
        raise _wrong("has to be a day as in 2027-01-31") from None
    return text


def _pattern(text: str) -> str:
    kind, slash, name = text.partition("/")
    if not slash or not kind or not name:
        raise _wrong("has to be KIND/NAME, such as Check/orders-*")
    return text


def _dotted(text: str) -> str:
    if _PATH.sub("", text).strip(".") or not text:
        raise _wrong("has to be a path such as spec.collectors[0].type")
    return text


Expression = Annotated[str, Field(min_length=1, max_length=MAX_EXPRESSION)]
Dotted = Annotated[str, Field(max_length=200), AfterValidator(_dotted)]


class ExceptionSpec(Model):
    """For whom a rule doesn't hold, until when, and who answers for it."""

    resources: list[Annotated[str, AfterValidator(_pattern)]] = Field(min_length=1)
    until: Annotated[str, AfterValidator(_day)]
    owner: Text
    reason: Text


class PolicySpec(Model):
    """A rule of one's own, or how a built-in one is used."""

    on: Literal["resource", "slice"] = "resource"
    kinds: list[str] = Field(default_factory=list)
    when: Expression | None = None
    must: Expression | None = None
    each: Dotted | None = None
    at: Dotted | None = None
    uses: str | None = None
    options: dict[str, Any] = Field(default_factory=dict, alias="with")
    severity: Literal["error", "warning"] = "error"
    message: Text | None = None
    help: Text | None = None
    exceptions: list[ExceptionSpec] = Field(default_factory=list)

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.must is None) == (self.uses is None):
            raise conflict("a policy has either must, an expression that has to hold, or uses, a built-in rule")
        if self.must is not None and self.message is None:
            raise conflict("message is missing: what is wrong when the expression doesn't hold")
        if self.uses is not None:
            for name in ("when", "each", "at", "kinds"):
                if getattr(self, name):
                    raise conflict(f"{name} belongs to an expression, and a built-in rule has its own", name)
        if self.must is not None and self.options:
            raise conflict("with belongs to a built-in rule", "with")
        return self


class _Metadata(Model):
    name: Name
    description: str | None = None


class Policy(Model):
    """A rule."""

    api_version: Literal["gitops/v2"]
    kind: Literal["Policy"]
    metadata: _Metadata
    spec: PolicySpec


class _Excepted(ExceptionSpec):
    policy: Name


class PolicyException(Model):
    """An exception that stands apart from its rule, as those from built-in rules do."""

    api_version: Literal["gitops/v2"]
    kind: Literal["PolicyException"]
    metadata: _Metadata
    spec: _Excepted


class Expected(Model):
    """One finding that is expected."""

    policy: Name
    resource: Annotated[str, AfterValidator(_pattern)]


class Case(Model):
    """Documents, and all that the policies beside them find in them."""

    name: Text
    documents: list[dict[str, Any]] = Field(min_length=1)
    expect: list[Expected] = Field(default_factory=list)


class _Cases(Model):
    policies: list[Name] = Field(default_factory=list)
    cases: list[Case] = Field(min_length=1)


class PolicyTest(Model):
    """Cases for rules; read by ``gitops policy test`` alone."""

    api_version: Literal["gitops/v2"]
    kind: Literal["PolicyTest"]
    metadata: _Metadata
    spec: _Cases


_MODELS: dict[str, type[Policy] | type[PolicyException] | type[PolicyTest]] = {
    "Policy": Policy,
    "PolicyException": PolicyException,
    "PolicyTest": PolicyTest,
}


class Read(NamedTuple):
    """What one document comes to."""

    rules: tuple[Rule, ...] = ()
    exceptions: tuple[Exemption, ...] = ()
    test: PolicyTest | None = None
    faults: tuple[Fault, ...] = ()


def read(data: Any, written: Written) -> Read:
    """One document of a policy file. Those of other tools come to nothing: other tools have policies too."""
    if not isinstance(data, dict) or not str(data.get("apiVersion", "")).startswith(("gitops/", "checkstack.io/")):
        return Read()
    model = _MODELS.get(str(data.get("kind")))
    if model is None or data["apiVersion"] != API_VERSION:
        return Read(faults=(_stranger(data),))
    try:
        value = model.model_validate(data)
    except ValidationError as error:
        return Read(faults=tuple(translate(error, model)))
    if isinstance(value, PolicyTest):
        return Read(test=value)
    if isinstance(value, PolicyException):
        return Read(exceptions=(_exemption(value.spec.policy, value.spec, written.at("spec")),))
    return _policy(value, written)


def _stranger(data: Mapping[str, Any]) -> Fault:
    if data["apiVersion"] != API_VERSION and data.get("kind") in _MODELS:
        return Fault("unknown-version", f"policies are written as {API_VERSION}", ("apiVersion",))
    message = "below policies/ there are policies, and this is none; what lies here is never read as a document"
    known = "move the document elsewhere" if data.get("kind") in KINDS else suggest(str(data.get("kind")), _MODELS)
    return Fault("not-a-policy", message, ("kind",), known)


def _exemption(rule: str, spec: ExceptionSpec, written: Written) -> Exemption:
    return Exemption(rule, tuple(spec.resources), spec.until, spec.owner, spec.reason, written)


def _policy(value: Policy, written: Written) -> Read:
    spec, name = value.spec, value.metadata.name
    faults = [
        Fault("unknown-kind", f"there is no kind {kind!r}", ("spec", "kinds", i), suggest(kind, KINDS))
        for i, kind in enumerate(spec.kinds)
        if kind not in KINDS
    ]
    if spec.uses is not None:
        faults += _uses_faults(spec.uses, spec.options)
    elif name in BUILTINS:
        message = f"{name} is a built-in rule; an expression of one's own needs a name of its own"
        faults.append(Fault("policy-conflict", message, ("metadata", "name"), "rename it, or write uses"))
    if faults:
        return Read(faults=tuple(faults))
    builtin = BUILTINS.get(spec.uses or "")
    rule = Rule(
        spec.uses or name,
        builtin.scope if builtin else spec.on,
        written,
        kinds=tuple(spec.kinds) if builtin is None else builtin.kinds,
        when=spec.when or "",
        must=spec.must or "",
        each=path_of(spec.each),
        at=path_of(spec.at),
        severity=spec.severity,
        message=spec.message or "",
        help=spec.help or "",
        uses=spec.uses or "",
        options={**(builtin.options if builtin else {}), **spec.options},
        description=value.metadata.description or (builtin.title if builtin else ""),
    )
    given = [_exemption(rule.name, e, written.at("spec", "exceptions", i)) for i, e in enumerate(spec.exceptions)]
    return Read((rule,), tuple(given))


def _uses_faults(uses: str, options: Mapping[str, Any]) -> list[Fault]:
    builtin = BUILTINS.get(uses)
    if builtin is None:
        message = f"there is no built-in rule {uses!r}"
        return [Fault("unknown-policy", message, ("spec", "uses"), suggest(uses, BUILTINS))]
    faults = []
    for key, given in options.items():
        path = ("spec", "with", key)
        if key not in builtin.options:
            hint = suggest(key, builtin.options)
            faults.append(Fault("unknown-key", f"the rule {uses} has no option {key!r}", path, hint, at="key"))
        elif (wrong := builtin.judge_option(key, given)) is not None:
            faults.append(Fault("bad-value", f"{key} {wrong}", path))
    return faults


def path_of(text: str | None) -> Path:
    """``spec.collectors[0]`` as a path."""
    return tuple(int(m[1]) if m[1] else m[0] for m in _PATH.finditer(text or ""))
