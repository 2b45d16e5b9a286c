"""Models of every kind, strategy, collector, trigger and action; the table of names; JSON Schema output."""
