"""Authority keys."""
