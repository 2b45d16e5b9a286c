"""From the outcomes of runs to health. Pure."""
