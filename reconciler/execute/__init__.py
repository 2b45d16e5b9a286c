"""Running slices: strategies and collectors, the egress guard, assertions."""
