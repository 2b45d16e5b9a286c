"""The only modules that see more than one stage: load, validate, plan, apply, rollback, inspect."""
