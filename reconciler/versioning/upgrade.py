"""Any document of ours brought to the head version, in memory: the document's own step first, then its inner configs.

A document at head passes through untouched; it costs a few dictionary look-ups, because a repository has ten thousand
of them. Old ones are first held against the frozen schema of the version they declare, so that a fault is told in the
words of the file that has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from reconciler.base.diagnostics import Fault, Path
from reconciler.kinds.table import API_VERSION, COLLECTORS, KINDS, STRATEGIES, V1_KINDS, V1_UNSUPPORTED
from reconciler.versioning.chain import Chain, Migration, MigrationError, run
from reconciler.versioning.inner import Inner, behind
from reconciler.versioning.loading import load_chains

HEAD = 2
V1_API_VERSION = "checkstack.io/v1alpha1"
_OURS = re.compile(r"(?:gitops|checkstack\.io)/")
_NUMBERED = re.compile(r"gitops/v([0-9]{1,5})\Z")
_NEAR = (API_VERSION, V1_API_VERSION)

Locate = Callable[[Path], Path]


class Upgraded(NamedTuple):
    """A document at head, or the reasons why it isn't.

    ``kind`` is the version 2 kind; None with only warnings means that the document is left out. ``data`` is None
    wherever there is an error. ``declared`` is the version the document was written in (0 when unknown). ``steps``
    tells what was done, one sentence a step. Paths of faults are those of the original document. ``foreign``: another
    tool's document. ``attempt``: where there is an error, the document brought as far as it can be, so that its other
    faults can be looked for; never to be used for anything else.
    """

    kind: str | None
    data: dict[str, Any] | None
    declared: int
    steps: tuple[str, ...]
    faults: list[Fault]
    foreign: bool
    attempt: dict[str, Any] | None = None


def upgrade(data: Any) -> Upgraded:
    """Bring one document to head. Never raises for what YAML can hold; every fault comes back as a value."""
    api = data.get("apiVersion") if isinstance(data, dict) else None
    if api == API_VERSION:
        kind = data.get("kind")
        if type(kind) is not str or kind not in KINDS:
            return _refused(HEAD, _unknown_kind(kind, list(KINDS)))
        old = behind(kind, data)
        return _inner(kind, data, old) if old else Upgraded(kind, data, HEAD, (), [], False)
    if api == V1_API_VERSION:
        return _from_v1(data)
    if api is None and isinstance(data, dict) and (key := _misspelt_version(data)) is not None:
        hint = "did you mean apiVersion?"
        return _refused(0, Fault("unknown-key", f"the document has no key {key!r}", (key,), hint, at="key"))
    return _other(api)


def _misspelt_version(data: dict[str, Any]) -> str | None:
    """The first key, where it says one of our versions under another name: such a document isn't another tool's."""
    key = next(iter(data), None)
    if not isinstance(key, str) or key == "apiVersion" or data[key] not in _NEAR:
        return None
    return key


def migrate_only(data: dict[str, Any]) -> dict[str, Any]:
    """The same steps over a document that :func:`upgrade` accepted, without its checks; for :mod:`.trace`."""
    return migrate_and_name(data)[0]


def renamed(data: dict[str, Any]) -> list[tuple[Path, Path]]:
    """What the steps over a document and its configs declare about names, for :mod:`.trace`."""
    return migrate_and_name(data)[1]


def migrate_and_name(data: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[Path, Path]]]:
    """Both at once."""
    kind, chains = data["kind"], load_chains()
    pairs: list[tuple[Path, Path]] = []
    if data["apiVersion"] == V1_API_VERSION:
        kind = V1_KINDS[kind]
        chain = chains[KINDS[kind].subject]
        pairs = [pair for step in chain.path(chain.first) for pair in step.renamed]
        data = chain.migrate(data, chain.first)
    for inner in behind(kind, data):
        chain, at = chains[inner.entry.subject], (*inner.path, "config")
        pairs += [((*at, *new), (*at, *old)) for step in chain.path(inner.version) for new, old in step.renamed]
        data, _ = _walk(data, inner, chain, lambda step, config: [])
    return data, pairs


def _other(api: Any) -> Upgraded:
    """Neither of the versions we write: a newer one, a slip of the pen, or another tool's document."""
    if not isinstance(api, str):
        return Upgraded(None, None, 0, (), [], True)
    number = _NUMBERED.match(api)
    if number and int(number[1]) > HEAD:
        return _refused(
            int(number[1]),
            Fault(
                "newer-version",
                f"{api} was written for a newer release; this one knows {API_VERSION}",
                ("apiVersion",),
                "update the tool",
            ),
        )
    if _OURS.match(api) or api.strip().lower() in _NEAR:
        hint = f"write {API_VERSION}; {V1_API_VERSION} is the version before it"
        return _refused(0, Fault("unknown-version", f"{api} is no version of ours", ("apiVersion",), hint))
    return Upgraded(None, None, 0, (), [], True)


def _refused(declared: int, *faults: Fault) -> Upgraded:
    return Upgraded(None, None, declared, (), list(faults), False)


def _unknown_kind(kind: Any, known: list[str]) -> Fault:
    from reconciler.kinds.faults import suggest
    from reconciler.kinds.marks import named

    if kind is None:
        return Fault("missing-key", "kind is missing", ("kind",), f"there are {', '.join(known)}")
    if not isinstance(kind, str):
        return Fault("wrong-type", f"kind has to be text, not {named(kind)}", ("kind",))
    hint = suggest(kind, known)
    if kind in V1_KINDS:
        hint = f"version 2 calls it {V1_KINDS[kind]}"
    return Fault("unknown-kind", f"there is no kind {kind!r}", ("kind",), hint)


def _from_v1(data: dict[str, Any]) -> Upgraded:
    kind = data.get("kind")
    if isinstance(kind, str) and kind in V1_UNSUPPORTED:
        text = f"{kind} has no counterpart in version 2; the document is left out"
        return _refused(1, Fault("unsupported-kind", text, ("kind",), severity="warning"))
    if not isinstance(kind, str) or kind not in V1_KINDS:
        return _refused(1, _unknown_kind(kind, list(V1_KINDS)))
    new = V1_KINDS[kind]
    entry = KINDS[new]
    faults = _v1_shape(entry.subject, data)
    broken = any(f.severity == "error" for f in faults)
    steps = load_chains()[entry.subject].path(1)
    told: list[str] = []
    document = data
    try:
        for step in steps:
            if not broken:
                faults += _notes(step, document, ())
            document = run(step, document)
            told.append(_told(entry.subject, step))
    except MigrationError as error:
        if error.problems or not broken:
            faults += _step_faults(error, ("spec",))
        return Upgraded(new, None, 1, (), faults, False)
    done = _inner(new, document, behind(new, document), checked=True, locate=_lazy_trace(data, steps))
    if broken:
        return Upgraded(new, None, 1, (), faults, False, done.data or done.attempt)
    return Upgraded(new, done.data, 1, (*told, *done.steps), faults + done.faults, False, done.attempt)


def _v1_shape(subject: str, data: dict[str, Any]) -> list[Fault]:
    """The document and its inner configs against version 1, all with the paths of the document."""
    from reconciler.versioning.shape import check_shape

    faults = check_shape(subject, 1, data)
    spec = data.get("spec")
    if subject == "check" and isinstance(spec, dict):
        strategy = _bare(spec.get("strategy"))
        if strategy in STRATEGIES and isinstance(spec.get("config"), dict):
            faults += check_shape(STRATEGIES[strategy].subject, 1, spec["config"], at=("spec", "config"))
        collectors = spec.get("collectors")
        for index, collector in enumerate(collectors if isinstance(collectors, list) else ()):
            if isinstance(collector, dict) and isinstance(collector.get("config"), dict):
                entry = COLLECTORS.get(f"{strategy}.{_bare(collector.get('collectorId'))}")
                if entry is not None and entry.head > 1:
                    at = ("spec", "collectors", index, "config")
                    faults += check_shape(entry.subject, 1, collector["config"], at=at)
    return faults


def _bare(qualified: Any) -> str:
    return qualified.strip().rpartition(".")[2] if isinstance(qualified, str) else ""


def _inner(
    kind: str, data: dict[str, Any], old: list[Inner], *, checked: bool = False, locate: Locate = lambda path: path
) -> Upgraded:
    """``data`` with the configs of ``old`` brought to their heads. ``checked``: their shapes were looked at before."""
    from reconciler.versioning.shape import check_shape

    chains = load_chains()
    faults: list[Fault] = []
    told: list[str] = []
    document = data
    for inner in old:
        at = (*inner.path, "config")
        wrong = [] if checked else check_shape(inner.entry.subject, inner.version, _config(inner), at=at)
        faults += wrong
        if wrong:
            continue

        def notes(step: Migration, config: dict[str, Any], at: Path = at) -> list[Fault]:
            return _notes(step, config, at, locate)

        try:
            document, more = _walk(document, inner, chains[inner.entry.subject], notes)
            faults += more
            told += [_told(inner.entry.subject, s) for s in chains[inner.entry.subject].path(inner.version)]
        except MigrationError as error:
            faults += _step_faults(error, locate(at), under=at, locate=locate)
    bad = any(f.severity == "error" for f in faults)
    steps = tuple(dict.fromkeys(told))
    return (
        Upgraded(kind, None, HEAD, steps, faults, False, document)
        if bad
        else Upgraded(kind, document, HEAD, steps, faults, False)
    )


def _config(inner: Inner) -> Any:
    config = inner.holder.get("config")
    return {} if config is None else config


def _walk(
    document: dict[str, Any], inner: Inner, chain: Chain, notes: Callable[[Migration, dict[str, Any]], list[Fault]]
) -> tuple[dict[str, Any], list[Fault]]:
    """One inner config to head, and its pin with it."""
    config, faults = _config(inner), []
    for step in chain.path(inner.version):
        faults += notes(step, config)
        config = run(step, config)
    name = inner.holder[inner.key].partition("@")[0]
    document = _set(document, inner.path, inner.key, f"{name}@{chain.head}")
    return _set(document, inner.path, "config", config), faults


def _set(document: dict[str, Any], path: Path, key: str, value: Any) -> dict[str, Any]:
    """A document that differs at one place; what lies beside the path is shared, nothing is changed in place."""
    new: dict[str, Any] = dict(document)
    node: Any = new
    for part in path:
        child = node[part]
        node[part] = list(child) if isinstance(child, list) else dict(child)
        node = node[part]
    node[key] = value
    return new


def _notes(step: Migration, data: dict[str, Any], at: Path, locate: Locate = lambda path: path) -> list[Fault]:
    try:
        notes = step.notes(data)
    except Exception as cause:
        raise MigrationError(step, cause) from cause
    return [Fault("left-out", text, locate((*at, *path)), severity="warning", at="key") for path, text in notes]


def _step_faults(
    error: MigrationError, at: Path, *, under: Path = (), locate: Locate = lambda path: path
) -> list[Fault]:
    if error.problems:
        return [
            Fault("untranslatable", text, locate((*under, *path)), offset=offset)
            for path, text, offset in error.problems
        ]
    return [Fault("migration-failed", str(error), at, "this is a defect of the migration step; please report it")]


def _told(subject: str, step: Migration) -> str:
    return f"{subject} v{step.frm} to v{step.to}: {step.description}"


def _lazy_trace(original: dict[str, Any], steps: tuple[Migration, ...]) -> Locate:
    """Where a place in the result of ``steps`` came from; worked out only when asked."""

    def locate(path: Path) -> Path:
        from reconciler.versioning.trace import trace_steps

        return trace_steps(original, steps)(path)

    return locate
