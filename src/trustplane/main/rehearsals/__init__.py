"""Faults put in on purpose, in real processes, and what must then be seen."""
