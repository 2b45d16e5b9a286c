"""The command ``gitops``: one command a file; parse, one flow, one report."""
