"""`python -m trustplane.cli` is `trustplane`, for whoever has a Python but not its scripts directory."""

from trustplane.cli.app import run

run()
