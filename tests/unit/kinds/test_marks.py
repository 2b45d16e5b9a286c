"""Marks on fields, checks of rendered text, durations."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from reconciler.base.errors import GitopsError
from reconciler.kinds.checks import CHECKS
from reconciler.kinds.loaded import compile_model
from reconciler.kinds.marks import Secret, Templatable, TemplateText
from reconciler.kinds.modelling import Model
from reconciler.kinds.table import Entry
from reconciler.kinds.triggers import cron_fault
from reconciler.kinds.types import DurationType

ENTRY = Entry("strategies/test", 1, 1, "")


class Both(Model):
    """A value that contradicts itself."""

    value: Annotated[str, Secret(), Templatable()] = Field(description="x")


class Inside(Model):
    """A value that is rendered."""

    value: Annotated[str, Templatable()] = Field(description="x")


class BothBelow(Model):
    """The contradiction sits in an item of a list."""

    headers: list[Both] = Field(description="x")


class BothAbove(Model):
    """The mark of the list reaches the rendered values of its items."""

    headers: Annotated[list[Inside], Secret()] = Field(description="x")


@pytest.mark.parametrize("model", [BothBelow, BothAbove])
def test_secret_and_templatable_exclude_each_other(model: type[Model]) -> None:
    with pytest.raises(GitopsError, match=r"strategies/test: headers\[\]\.value is marked both secret and templatable"):
        compile_model(ENTRY, model)


class Ported(Model):
    """A number that may be a template."""

    port: Annotated[int | TemplateText, Templatable("port")] = Field(description="x")


@pytest.mark.parametrize("value", [1, 65_535, "{{ environment.port }}"])
def test_a_templatable_number(value: Any) -> None:
    assert Ported.model_validate({"port": value}).port == value


@pytest.mark.parametrize("value", [0, 65_536, "443", True, 4.0, None])
def test_what_is_no_templatable_number(value: Any) -> None:
    with pytest.raises(ValidationError):
        Ported.model_validate({"port": value})


@pytest.mark.parametrize(
    ("check", "text", "value"),
    [
        ("text", "", ""),
        ("url", "https://example.net", "https://example.net"),
        ("url", "http://user:pw@[2001:db8::1]:8080/a?b#c", "http://user:pw@[2001:db8::1]:8080/a?b#c"),
        ("url", "http://localhost/", "http://localhost/"),
        ("proxy-url", "socks5h://proxy:1080", "socks5h://proxy:1080"),
        ("host", "orders-db_1.internal", "orders-db_1.internal"),
        ("host", "192.0.2.1", "192.0.2.1"),
        ("host", "2001:db8::1", "2001:db8::1"),
        ("host", "bücher.example", "bücher.example"),
        ("domain", "_sip._tcp.example.net.", "_sip._tcp.example.net."),
        ("port", " 443 ", 443),
        ("int", "-5", -5),
        ("duration", "1m30s", 90_000),
        ("header-value", "a\tb", "a\tb"),
        ("word", "orders", "orders"),
    ],
)
def test_checks_give_the_final_value(check: str, text: str, value: Any) -> None:
    assert CHECKS[check](text) == value


@pytest.mark.parametrize(
    ("check", "text"),
    [
        *(
            ("url", each)
            for each in ("", "example.net", "ftp://a", "http://", "http://a b", "http://[::zz]/", "http://a:0")
        ),
        *(("url", each) for each in ("http://a:b/", "https:///path", "http://-a/", "http://a\n")),
        *(("proxy-url", each) for each in ("proxy:8080", "gopher://a")),
        *(("host", each) for each in ("", "a b", "https://a", "a:80", "a/b", "-a", "a..b", "x" * 300)),
        *(("port", each) for each in ("", "0", "65536", "http", "8.0")),
        *(("int", each) for each in ("1.5", "9" * 30, "0x10")),
        ("duration", "5"),
        ("header-value", "a\r\nb"),
        ("word", "  "),
        ("domain", "a b"),
    ],
)
def test_checks_refuse_with_a_sentence(check: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        CHECKS[check](text)


@pytest.mark.parametrize(
    ("number", "value", "ms"),
    [("ms", 250, 250), ("s", 45, 45_000), ("s", 0.5, 500), ("m", 2, 120_000), (None, "1h", 3_600_000)],
)
def test_a_bare_number_counts_in_the_old_unit(number: Any, value: Any, ms: int) -> None:
    assert DurationType(number=number).read(value) == ms


@pytest.mark.parametrize("value", [5, "5", "", True, None, [], float("inf"), float("nan"), "4000d", "0.5ms"])
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        DurationType().read(value)


SELDOM = ("0 0 29 feb *", "0 0 30 2 mon", "0 0 31 feb-mar *", "0 0 30-31,1 2 *", "0 0 31 */2 *", "0 0 */30 2 *")
NEVER = ("0 0 30 2 *", "0 0 31 2,4,jun *", "0 0 30-31 feb */2", "0 0 31 4-11/5,11 *")


@pytest.mark.parametrize("pattern", NEVER)
def test_a_cron_pattern_that_never_comes(pattern: str) -> None:
    from reconciler.automate.clocks import next_cron

    assert "never comes" in str(cron_fault(pattern))
    assert next_cron(pattern, "UTC", 1_800_000_000.0) is None


@pytest.mark.parametrize(
    "pattern", ["* * * * *", "*/5 0-6 1,15 jan-mar MON-FRI", "0 0 29 2 7", "59 23 31 12 0/2", *SELDOM]
)
def test_cron_patterns(pattern: str) -> None:
    assert cron_fault(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "5-1 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "1,, * * * *",
    ],
)
def test_what_is_no_cron_pattern(pattern: str) -> None:
    assert cron_fault(pattern)
