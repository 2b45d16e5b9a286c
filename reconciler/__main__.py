"""``python -m reconciler`` is ``gitops``."""

from reconciler.cli.main import entry

entry()
