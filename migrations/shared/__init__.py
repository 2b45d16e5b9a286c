"""Code that several steps share, frozen as they are: the standard library only, no live models."""
