"""Frozen nouns without I/O: document, resource, slice, change, plan. Comparable with plain data."""
