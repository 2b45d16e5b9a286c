"""The difference between what git says and what the store holds: diff, order, safety, a frozen plan."""
