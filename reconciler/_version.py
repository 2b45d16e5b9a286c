"""The version, read by the build and printed by ``gitops --version``."""

__version__ = "0.1.0"
