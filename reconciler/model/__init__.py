"""Frozen nouns without I/O: resource, slice, change, plan. Comparable with plain data."""
