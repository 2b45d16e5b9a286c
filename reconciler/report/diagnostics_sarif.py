"""SARIF 2.1.0, for code scanning: a rule for each code, a result for each diagnostic."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from reconciler._version import __version__
from reconciler.base.diagnostics import Diagnostic, Place
from reconciler.report.codes import MEANINGS
from reconciler.report.findings import Findings
from reconciler.report.place import end_column, fingerprints, replacement, utf16

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"
FINGERPRINT = "gitopsCodeFileLine/v1"


def render(found: Findings) -> str:
    """One run; columns are UTF-16 code units, paths relative to the repository's top."""
    codes = sorted({d.code for d in found.diagnostics})
    index = {code: n for n, code in enumerate(codes)}
    run = {
        "tool": {
            "driver": {
                "name": "gitops",
                "fullName": "gitops validate",
                "semanticVersion": __version__,
                "rules": [_rule(code) for code in codes],
            }
        },
        "columnKind": "utf16CodeUnits",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "the top of the repository"}}},
        "results": [_result(d, mark, index[d.code], found) for d, mark in fingerprints(found.diagnostics)],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return orjson.dumps(log, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _rule(code: str) -> dict[str, Any]:
    if code.startswith("policy/"):
        return _policy(code)
    meaning = MEANINGS.get(code, code.replace("-", " "))
    plain = meaning.replace("*", "").replace("`", "")
    return {
        "id": code,
        "name": "".join(word.title() for word in code.split("-")),
        "shortDescription": {"text": f"{plain[:1].upper()}{plain[1:]}."},
        "help": {
            "text": f"{plain}. examples/reference/diagnostics.md of gitops lists the code {code}.",
            "markdown": f"`{code}`: {meaning}. `examples/reference/diagnostics.md` of gitops lists it.",
        },
    }


def _policy(code: str) -> dict[str, Any]:
    """A rule of a policy, which no table knows."""
    name = code.removeprefix("policy/")
    text = f"The policy {name} doesn't hold."
    command = f"gitops policy explain {name}"
    return {
        "id": code,
        "name": "Policy" + "".join(word.title() for word in name.split("-")),
        "shortDescription": {"text": text},
        "help": {"text": f"{text} {command} tells why there is such a rule.", "markdown": f"{text} See `{command}`."},
    }


def _result(d: Diagnostic, mark: str, rule: int, found: Findings) -> dict[str, Any]:
    text = d.message if d.hint is None else f"{d.message}\nhint: {d.hint}"
    result: dict[str, Any] = {
        "ruleId": d.code,
        "ruleIndex": rule,
        "level": d.severity,
        "message": {"text": text},
        "partialFingerprints": {FINGERPRINT: mark},
    }
    if d.place is not None:
        location = _location(d.place, found, d.excerpt)
        result["locations"] = [location]
        if (new := replacement(d)) is not None:
            result["fixes"] = [_fix(new, d.hint or "", location["physicalLocation"])]
    if d.related:
        result["relatedLocations"] = [
            {"id": n, **_location(place, found), "message": {"text": words}}
            for n, (words, place) in enumerate(d.related, 1)
        ]
    return result


def _location(place: Place, found: Findings, excerpt: str | None = None) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": place.line, "startColumn": utf16(excerpt, place.column)}
    if excerpt is not None:
        region["endColumn"] = utf16(excerpt, end_column(excerpt, place.column))
        region["snippet"] = {"text": excerpt}
    artifact = {"uri": quote(found.path(place.path), errors="surrogatepass"), "uriBaseId": _ROOT}
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}


def _fix(new: str, hint: str, at: dict[str, Any]) -> dict[str, Any]:
    region = {key: value for key, value in at["region"].items() if key != "snippet"}
    change = {
        "artifactLocation": at["artifactLocation"],
        "replacements": [{"deletedRegion": region, "insertedContent": {"text": new}}],
    }
    return {"description": {"text": hint}, "artifactChanges": [change]}
