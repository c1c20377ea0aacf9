"""A fleet in virtual time, by the same decisions that a real one runs."""
