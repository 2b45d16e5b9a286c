"""Rules over resources, slices and whole sources: what they are, what they find, and what is excepted from them."""
