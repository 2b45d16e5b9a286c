"""The operator's knobs for PostgreSQL."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.base.errors import UsageError
from reconciler.store.pg_settings import PgSettings

PAGE = Path(__file__).parents[2] / "examples" / "reference" / "settings.md"


def test_what_isnt_said_is_as_the_page_tells() -> None:
    told = dict(re.findall(r"^\| `GITOPS_DATABASE_(\w+)` \| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.M))
    assert {name.upper(): str(value) for name, value in PgSettings()._asdict().items()} == told
    assert PgSettings.read({}) == PgSettings()


def test_what_is_said_wins() -> None:
    found = PgSettings.read({"GITOPS_DATABASE_POOL_MAX": " 3 ", "GITOPS_DATABASE_LOCK_TIMEOUT_MS": ""})
    assert found == PgSettings(pool_max=3)


@pytest.mark.parametrize("text", ["soon", "0", "-1", "1.5", "1s", str(2**31)])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"GITOPS_DATABASE_POOL_MAX=.* is no whole number above 0"):
        PgSettings.read({"GITOPS_DATABASE_POOL_MAX": text})
