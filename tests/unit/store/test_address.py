"""What is shown of an address never holds a part of its password, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.base.errors import UsageError
from reconciler.store.address import shown, told
from reconciler.store.open import store_path


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://ada:geheim@db.example.net:5432/gitops", "postgresql://ada@db.example.net:5432/gitops"),
        ("postgres://ada@db/gitops", "postgresql://ada@db/gitops"),
        ("postgresql://db/gitops", "postgresql://db/gitops"),
        ("postgresql:///gitops?host=/run/pg&port=5433", "postgresql:///gitops?host=/run/pg&port=5433"),
        ("postgresql:///gitops?user=ada&password=geheim", "postgresql:///gitops?user=ada"),
        ("postgresql://a:geheim@h1:1,h2:2/g?sslmode=verify-full&sslpassword=geheim", "postgresql://a@h1:1,h2:2/g"),
        ("postgresql://a:geheim@[::1]:5432/g", "postgresql://a@[::1]:5432/g"),
        ("postgresql://a:ge@he@im@h/g", "postgresql://a@h/g"),
        ("postgresql://a:ge/he@im#x@h/g", "postgresql://a@h/g"),
        ("postgresql://a:gehe?im@h/g", "postgresql://..."),
        ("postgresql://a:geheim/g", "postgresql://..."),
        ("postgresql:///g?password=gehe@im", "postgresql://..."),
        ("postgresql://", "postgresql://"),
        (".gitops/store.db", ".gitops/store.db"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
    ],
)
def test_shown(address: str, expected: str) -> None:
    assert told(address) == expected


@given(
    st.text(st.sampled_from("ab@:/?#%&=[] ,1"), max_size=12), st.sampled_from(["h", "h:1", "h1:1,h2:2", "[::1]", ""])
)
def test_no_password_comes_through(noise: str, host: str) -> None:
    password = f"geheim{noise}geheim"
    for address in (
        f"postgresql://user:{password}@{host}/db",
        f"postgresql://user:{password}@{host}/db?sslmode=require",
        f"postgresql://user:{password}@{host}",
    ):
        assert "geheim" not in shown(address)


def test_other_kinds_are_no_stores() -> None:
    with pytest.raises(UsageError, match="mysql:// is no kind of store"):
        store_path("mysql://a:geheim@h/d")
