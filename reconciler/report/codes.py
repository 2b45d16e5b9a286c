"""What each diagnostic code means, in one line: the table of examples/reference/diagnostics.md and the
rules of SARIF are made from it.

A new code is a new line here; a test holds the table, the code base and that page to one another.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """Codes that belong together: a row of the table. ``codes`` maps each to its meaning."""

    codes: dict[str, str]
    note: str = ""
    """When all or some of them are warnings."""


_WARNING = "*(warning)*"

TABLE = (
    Row(
        {
            "bad-encoding": "the file isn't UTF-8",
            "yaml-syntax": "the file isn't YAML",
            "tab-indent": "a line is indented with tabs",
        }
    ),
    Row(
        {
            "duplicate-key": "a key stands twice in a map",
            "bad-key": "a key isn't text",
            "bad-number": "a number has no form in JSON",
            "unknown-tag": "a tag is of another tool",
        }
    ),
    Row({"yaml-limit": "the file asks for too much: aliases, size, faults", "too-deep": "it is nested too deep"}),
    Row(
        {
            "symlink": "a link leads out of the repository, or nowhere",
            "unreadable-file": "a file can't be read",
            "unstable-file": "a file changes while it is read",
            "bad-path": "a file's name isn't UTF-8",
        }
    ),
    Row({"settings": "`gitops.yaml` has a fault"}),
    Row({"foreign-document": "a file that `include` names holds a document of another tool"}),
    Row(
        {
            "unknown-version": "nobody knows this version of a document or config",
            "newer-version": "a later release knows this version",
            "older-version": "no way leads up from this version",
        }
    ),
    Row({"missing-pin": "a config doesn't say its version", "bad-pin": "what stands as a version is none"}),
    Row(
        {
            "unknown-kind": "there is no such kind",
            "unknown-strategy": "there is no such strategy",
            "unknown-collector": "the strategy has no such collector",
            "unknown-event": "there is no such event",
            "unknown-action": "there is no such action",
        },
        "the nearest name is told",
    ),
    Row(
        {
            "unsupported-kind": "version 1 had this kind, version 2 has nothing of the kind: left out",
            "left-out": "version 1 had this, version 2 has nothing of the kind: left out",
            "v1-unknown-key": "version 1 tolerated an unknown key here: left out",
        },
        _WARNING,
    ),
    Row(
        {
            "untranslatable": "a template of version 1 can't be said in version 2",
            "migration-failed": "a migration step has a defect",
        }
    ),
    Row(
        {
            "missing-key": "a key is missing",
            "unknown-key": "there is no such key here",
            "unknown-value": "there is no such choice",
            "wrong-type": "a value is of another type",
            "out-of-range": "a number or a length is out of its range",
        }
    ),
    Row(
        {
            "bad-name": "a name isn't formed as names are",
            "bad-format": "a text isn't formed as it must be",
            "bad-value": "a value isn't what it should be",
            "bad-duration": "a text is no duration",
            "bad-cron": "a text is no cron expression",
            "invalid": "the parts of a value don't fit together",
        }
    ),
    Row(
        {
            "conflict": "fields exclude each other",
            "duplicate": "an entry stands twice in a list",
            "self-reference": "something names itself",
        }
    ),
    Row(
        {
            "duplicate-name": "a name is declared twice",
            "owned-elsewhere": "the name belongs to another source",
        }
    ),
    Row(
        {
            "unresolved-reference": "a name leads nowhere (for accounts of version 1 a *warning*)",
            "cycle": "names lead in a circle",
        }
    ),
    Row({"outside-membership": "an assignment names an environment that the system isn't in"}, _WARNING),
    Row({"no-collectors": "a check measures nothing"}, _WARNING),
    Row(
        {
            "unknown-field": "an assertion is about a field that no result has",
            "unknown-operator": "there is no such operator",
            "bad-operator": "the operator doesn't suit the field",
            "missing-value": "an assertion compares with nothing",
            "unused-value": "an assertion has a value that is ignored (*warning*)",
            "bad-regex": "a regular expression can't be used",
            "bad-json-path": "a JSONPath can't be used",
        }
    ),
    Row(
        {
            "bad-action": "a block of an automation is none",
            "bad-condition": "a condition of an automation is none",
            "missing-run-as": "actions are on behalf of nobody (in version 1 a *warning*)",
        }
    ),
    Row(
        {
            "template-syntax": "a template doesn't parse",
            "template-undefined": "a template names what isn't there",
            "template-value": "a template renders to what its field doesn't take",
            "template-unsafe": "a template reaches for what is closed",
            "template-limit": "a template is too large, or asks for too much work",
        }
    ),
    Row(
        {
            "secret-in-plain-field": "a secret stands where everyone can read it",
            "bad-secret": "a reference to a secret is none",
            "literal-secret": "a password in plain sight (*warning*)",
        }
    ),
    Row(
        {"missing-extra": "the client library of a check's strategy isn't installed on this machine"},
        "*(warning: the worker's may have it)*",
    ),
    Row(
        {
            "secret-not-granted": "the operator hasn't granted this source the secret",
            "permission-not-granted": "the operator hasn't granted this source the permission",
            "account-not-granted": "an account of another source has permissions that this source isn't granted",
        }
    ),
    Row(
        {
            "permission-missing": "the account of an automation may not run the action",
            "system-not-permitted": "the account of an automation may not touch the system",
        },
        "*(in version 1 warnings)*",
    ),
    Row(
        {
            "not-a-policy": "what stands below `policies/` is none",
            "unknown-policy": "there is no such rule",
            "policy-conflict": "a rule's name is taken, by the operator or by another",
            "policy-broken": "a rule can't be judged: its expression fails, or takes too long",
            "policy-library": "the library that judges a rule isn't installed on this machine",
            "policy-exception": "an exception from a rule of the operator's, or from none (*warning*)",
            "policy-exception-expired": "an exception that has ended, so that it doesn't hold (*warning*)",
            "policy-test": "a test case of a rule comes out otherwise",
        }
    ),
)

MEANINGS = {code: meaning for row in TABLE for code, meaning in row.codes.items()}
"""Every code, in the order of the table."""


def markdown() -> str:
    """The table as it stands in examples/reference/diagnostics.md."""
    rows = ("".join(("| ", _names(row), " | ", _meanings(row), " |\n")) for row in TABLE)
    return "| code | means |\n| --- | --- |\n" + "".join(rows)


def _names(row: Row) -> str:
    return ", ".join(f"`{code}`" for code in row.codes)


def _meanings(row: Row) -> str:
    told = "; ".join(row.codes.values())
    if not row.note:
        return told
    return f"{told} {row.note}" if row.note.startswith("*") else f"{told}; {row.note}"
