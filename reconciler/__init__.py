"""Monitoring as code: load, plan, apply."""

from reconciler._version import __version__

__all__ = ["__version__"]
