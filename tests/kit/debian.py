"""Independent tools from Debian that tests compare our work with.

A missing one fails the test instead of skipping it: a gap in the proof must be seen. `make test` installs them first.
"""

from __future__ import annotations

import shutil

import pytest


def tool(name: str) -> str:
    """The path of a tool that `scripts/debian_packages.sh` provides."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed; run scripts/debian_packages.sh, which says how", pytrace=False)
    return found
