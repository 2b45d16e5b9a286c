"""The bottom of the house: errors, diagnostics, canonical JSON, durations, bundled data. Imports nothing of ours."""
