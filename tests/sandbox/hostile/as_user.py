"""Run pytest as an ordinary user: ``python -m tests.sandbox.hostile.as_user UID ARGUMENTS``, started by root."""

from __future__ import annotations

import sys

import pytest

from tests.sandbox.hostile.identity import become

if __name__ == "__main__":
    become(int(sys.argv[1]))
    sys.exit(pytest.main(["-p", "no:cacheprovider", *sys.argv[2:]]))
