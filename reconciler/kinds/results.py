"""What each collector's result holds and how it can be asserted on. Loads without pydantic, as executors need it.

A plugin's collector model carries its fields as the class attribute ``RESULT`` instead.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

ResultType = Literal["number", "time", "string", "boolean", "array", "enum", "dynamic"]

OPERATORS: dict[ResultType, tuple[str, ...]] = {
    "number": ("equals", "notEquals", "lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"),
    "time": ("lessThan", "lessThanOrEqual"),
    "string": ("equals", "notEquals", "contains", "startsWith", "endsWith", "matches", "isEmpty"),
    "boolean": ("isTrue", "isFalse"),
    "array": (
        *("includes", "notIncludes", "lengthEquals", "lengthGreaterThan", "lengthLessThan"),
        *("isEmpty", "isNotEmpty", "exists", "notExists"),
    ),
    "enum": ("equals",),
    "dynamic": (
        *("equals", "notEquals", "contains", "startsWith", "endsWith", "matches", "exists", "notExists"),
        *("lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual", "isEmpty", "isNotEmpty"),
    ),
}
"""The operators that fit a type. ``time`` is a number of milliseconds, ``dynamic`` what a JSONPath finds."""

WITHOUT_VALUE = frozenset({"isTrue", "isFalse", "isEmpty", "isNotEmpty", "exists", "notExists"})
"""Operators that compare with nothing."""


class ResultField(NamedTuple):
    """``ephemeral``: can be asserted on, but isn't stored. ``values``: all that an enum can be."""

    name: str
    type: ResultType
    description: str
    unit: str | None = None
    ephemeral: bool = False
    values: tuple[str, ...] = ()


def _success(meaning: str) -> ResultField:
    return ResultField("success", "boolean", meaning)


def _time(name: str, meaning: str) -> ResultField:
    return ResultField(name, "time", meaning, "ms")


_TIMED_OUT = ResultField("timedOut", "boolean", "Whether the time limit ended it.")

_QUERY = (
    ResultField("rowCount", "number", "How many rows came back."),
    ResultField("columnCount", "number", "How many columns each row has."),
    ResultField("value", "string", "The first column of the first row, as text.", ephemeral=True),
    ResultField("rows", "array", "The rows, each a map by column name.", ephemeral=True),
    _time("executionTimeMs", "How long the query took."),
    _success("Whether the query ended without an error."),
)

RESULTS: dict[str, tuple[ResultField, ...]] = {
    "http.request": (
        ResultField("statusCode", "number", "The status of the response, 0 when there was none."),
        ResultField("statusText", "string", "The reason phrase beside the status."),
        _time("responseTimeMs", "From looking the name up to the last byte of the response, redirects included."),
        ResultField("body", "string", "The body of the response.", ephemeral=True),
        ResultField("bodyLength", "number", "How long the body is.", "bytes"),
        _success("Whether the status is 200 to 399."),
    ),
    "tcp.banner": (
        ResultField("banner", "string", "What the server said first.", ephemeral=True),
        ResultField("hasBanner", "boolean", "Whether it said anything."),
        _time("connectTimeMs", "How long connecting took."),
        _time("readTimeMs", "How long the banner took after that."),
        _success("Whether the connection was made."),
    ),
    "dns.lookup": (
        ResultField("records", "array", "The values of the records."),
        ResultField("recordCount", "number", "How many records there are."),
        ResultField("ttl", "number", "The smallest time to live among them.", "s"),
        ResultField(
            "responseCode",
            "enum",
            "The response code.",
            values=("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"),
        ),
        _time("resolutionTimeMs", "How long the lookup took."),
        _success("Whether there was at least one record."),
    ),
    "tls.certificate": (
        ResultField("daysRemaining", "number", "Days until the certificate expires, negative after that.", "days"),
        ResultField("validFrom", "string", "The first moment it is valid, as RFC 3339."),
        ResultField("validTo", "string", "The last moment it is valid, as RFC 3339."),
        ResultField("subject", "string", "Whose certificate it is."),
        ResultField("issuer", "string", "Who issued it."),
        ResultField("names", "array", "The names it is valid for."),
        ResultField("serialNumber", "string", "Its serial number, in hexadecimal."),
        ResultField("fingerprint", "string", "Its SHA-256, in hexadecimal."),
        ResultField("protocol", "enum", "The protocol agreed on.", values=("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")),
        ResultField("cipher", "string", "The cipher agreed on."),
        ResultField("isValid", "boolean", "Whether its chain, its names and its dates hold."),
        ResultField("isSelfSigned", "boolean", "Whether it was issued by itself."),
        _time("handshakeTimeMs", "How long the handshake took."),
        _success("Whether the handshake was done."),
    ),
    "ping.ping": (
        ResultField("packetsSent", "number", "How many packets were sent."),
        ResultField("packetsReceived", "number", "How many came back."),
        ResultField("packetLoss", "number", "The share that was lost.", "%"),
        _time("minLatencyMs", "The fastest round trip."),
        _time("avgLatencyMs", "The mean round trip."),
        _time("maxLatencyMs", "The slowest round trip."),
        ResultField("jitterMs", "number", "The mean difference between neighbouring round trips.", "ms"),
        _success("Whether at least one packet came back."),
    ),
    "script.execute": (
        ResultField("exitCode", "number", "The exit code, -1 when it was stopped."),
        ResultField("stdout", "string", "What it wrote to standard output."),
        ResultField("stderr", "string", "What it wrote to standard error."),
        _time("executionTimeMs", "How long it ran."),
        _success("Whether the exit code is 0 and the time limit held."),
        _TIMED_OUT,
    ),
    "script.inline-script": (
        _success("What the script returned as its success."),
        ResultField("message", "string", "The message it returned, or its output."),
        ResultField("value", "number", "The number it returned."),
        _time("executionTimeMs", "How long it ran."),
        _TIMED_OUT,
    ),
    "postgres.query": _QUERY,
    "mysql.query": _QUERY,
    "redis.command": (
        ResultField("response", "string", "The reply, as text or JSON.", ephemeral=True),
        _time("responseTimeMs", "How long the command took."),
        _success("Whether the reply is no error."),
    ),
    "grpc.health": (
        ResultField(
            "status", "enum", "What the service says.", values=("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
        ),
        _time("responseTimeMs", "How long the call took."),
        _success("Whether it says SERVING."),
    ),
    "ssh.command": (
        ResultField("exitCode", "number", "The exit code, -1 when it was stopped."),
        ResultField("stdout", "string", "What it wrote to standard output."),
        ResultField("stderr", "string", "What it wrote to standard error."),
        _time("executionTimeMs", "How long it ran."),
        _success("Whether the exit code is 0 and the time limit held."),
        _TIMED_OUT,
    ),
}
"""The result of each collector, by its name in ``table.COLLECTORS``."""
