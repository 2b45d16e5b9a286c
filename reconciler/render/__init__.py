"""Templates of untrusted authors, compiled once, rendered per environment within bounds."""
