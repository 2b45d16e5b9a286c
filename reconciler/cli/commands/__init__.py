"""One command a file: parse, one flow, one report."""
