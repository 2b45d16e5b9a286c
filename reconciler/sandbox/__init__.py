"""An OS sandbox for scripts nobody trusts: policy, truthful probes, one module a layer, runners, a report per run."""
