"""Packages that scripts may import: allowed by name, locked by hash, built once, bound read-only into every run.

Nothing is installed while a script runs, and no code of a package runs while it is installed: wheels only for Python,
no install scripts for npm.
"""
