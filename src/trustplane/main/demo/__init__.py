"""A whole mesh on this machine, with requests through it."""
