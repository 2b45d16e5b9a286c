"""What may stand in the allow list."""

from __future__ import annotations

import pytest

from reconciler.sandbox.packages.allowed import Allowed, parse
from reconciler.sandbox.packages.faults import PackagesError


def test_a_list() -> None:
    text = """
    # comment
    httpx>=0.27,<1   # why
    dnspython
    uvicorn[standard] ~= 0.30
    tomli==2.0.1; python_version < "3.12"
    npm:undici@^6.1
    npm: @scope/name
    """
    assert parse(text) == Allowed(
        ("httpx>=0.27,<1", "dnspython", "uvicorn[standard] ~= 0.30", 'tomli==2.0.1; python_version < "3.12"'),
        (("undici", "^6.1"), ("@scope/name", "*")),
    )


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "--index-url https://example.com",
        "-r other.txt",
        "./package.whl",
        "../x",
        "/abs/x.whl",
        "name @ https://example.com/x.whl",
        "git+https://example.com/x.git",
        "https://example.com/x.whl",
        "name --hash=sha256:0",
        "name==1 --no-binary=name",
        "name; extra @ x",
        "npm:name@git+https://example.com/x.git",
        "npm:name@file:../x",
        "npm:name@npm:other@1",
        "npm:name@http://example.com/x.tgz",
        "npm:../x",
        "npm:-g",
        "npm:",
    ],
)
def test_what_no_hash_would_cover_is_refused(line: str) -> None:
    with pytest.raises(PackagesError, match=r"^list.txt:2: "):
        parse(f"fine\n{line}\n", name="list.txt")


def test_all_faults_at_once() -> None:
    with pytest.raises(PackagesError) as caught:
        parse("-e .\nfine\n../x\n", name="a")
    assert [line.split(":")[1] for line in caught.value.message.splitlines()] == ["1", "3"]
