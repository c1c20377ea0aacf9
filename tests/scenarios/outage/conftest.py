"""A mesh for one test, whose processes say their last words when the test fails."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.mesh import Mesh


@pytest.fixture
def mesh(socket_dir: Path) -> Iterator[Mesh]:
    with Mesh(socket_dir) as one:
        yield one
        sys.stderr.write(one.last_words())  # pytest shows it only for a test that failed
